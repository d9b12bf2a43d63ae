"""Tables of images: a dataset's CSV becomes its catalog, its shards, and its part of an
experiment's pool.
"""
