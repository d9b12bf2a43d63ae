"""The machine that a process runs on: its devices, its limits, and who may read its files."""
