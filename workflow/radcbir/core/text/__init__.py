"""Text and tables from outside, of any dialect."""
