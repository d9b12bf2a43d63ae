"""Images and texts -> vectors, and the files with these vectors."""
