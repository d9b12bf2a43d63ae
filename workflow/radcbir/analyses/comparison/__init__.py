"""The retrieval metrics of all models side by side."""
