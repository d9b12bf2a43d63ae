"""Studies and series that the catalog does not have, taken from the archive of a dataset by UID."""
