"""Neighbors in another order, without a label: what the images of the index say of one another.

The images of the query's own patient never help to find other images.
"""
