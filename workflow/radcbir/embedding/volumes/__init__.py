"""Embeddings of whole volumes, by encoders that take a series as one input."""
