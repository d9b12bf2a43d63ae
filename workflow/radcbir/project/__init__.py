"""The configuration: checked, defaults filled in, and which files it stands for."""
