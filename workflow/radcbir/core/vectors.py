"""The shape of an embedding space: how classes lie in it, how many of its directions are used, and
who becomes a hub.

Vectors are unit vectors. What is a sum over images or pairs is exact for any number of images,
block by block; what needs pairs one by one is taken over the images with the smallest ids. Ids are
digests, so that this is a random draw, and one that is the same for every model and hardly moves
when images are added.
"""

from __future__ import annotations

import numpy as np


def at_unit_length(vectors: np.ndarray) -> np.ndarray:
    """The vectors in double precision at length one; one of length zero stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


NORM_TOLERANCE = 1e-3
"""How far the length of a vector may be from 1: room for embeddings kept in half precision."""


def unit_vectors(vectors: np.ndarray, dimension: int, ids: np.ndarray | None = None) -> np.ndarray:
    """The vectors as float32 in C order; :class:`ValueError` unless each is finite and of length
    1.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(
            f"vectors of shape {vectors.shape} do not fit an index of dimension {dimension}"
        )
    if ids is not None and len(ids) != len(vectors):
        raise ValueError(f"{len(ids)} ids came with {len(vectors)} vectors")
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    wrong = ~(np.abs(lengths - 1) <= NORM_TOLERANCE)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        which = f"row {row}" if ids is None else f"id {ids[row]}"
        raise ValueError(
            f"the vector of {which} has length {lengths[row]}: normalise embeddings before they "
            "are used"
        )
    return vectors
