"""Vectors at length one: how they are brought to it, and the check that they are."""

import numpy as np

NORM_TOLERANCE = 1e-3
"""How far the length of a vector may be from 1: room for embeddings kept in half precision."""

NEAR_TIE = 2e-6
"""Scores closer than this are computed again in double precision: more than twice what float32 sums
may be off."""


def normalised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of ``(n, d)`` at length one and their lengths before ``(n,)``, both float64.

    Raises :class:`ValueError` where a row is zero or not finite: it has no direction.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("a vector that is zero or not finite has no direction")
    return vectors / lengths[:, None], lengths


def normalised_or_zero(vectors: np.ndarray) -> np.ndarray:
    """The rows of ``(n, d)`` at length one, float64; rows of zeros stay zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def unit_vectors(vectors: np.ndarray, dimension: int, ids: np.ndarray | None = None) -> np.ndarray:
    """The vectors as float32 in C order.

    Raises :class:`ValueError` unless each is finite and of length 1.
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


def places_of(ids: np.ndarray, among: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Where ``ids`` stand ``among`` others, which ``order`` sorts; -1 for one that is not there."""
    ids = np.asarray(ids, dtype=np.int64)
    place = order[np.minimum(np.searchsorted(among, ids, sorter=order), len(among) - 1)]
    return np.where(among[place] == ids, place, -1)
