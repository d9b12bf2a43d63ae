"""Checks of the data before anything is embedded."""
