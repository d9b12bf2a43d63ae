"""An experiment's vectors, index and neighbors as files for other programs, and their reader."""
