"""Images and texts -> vectors, and the files that hold them."""
