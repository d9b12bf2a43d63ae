"""What the embeddings of boxes depend on, beside the code that embeds images."""

VERSION = 1
"""Raise it when what is cut out in a box changes (:mod:`radcbir.analyses.localization.box`): all boxes
are then embedded again."""
