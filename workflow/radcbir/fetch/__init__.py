"""Weights and archives: fetched once, checked, then used without network."""
