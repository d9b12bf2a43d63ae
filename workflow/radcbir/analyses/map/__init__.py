"""Where do images lie in the embedding space?"""
