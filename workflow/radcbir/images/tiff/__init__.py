"""What the tags of TIFF files say, and samples that are read by them."""
