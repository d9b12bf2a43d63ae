"""The nearest index images of a query's own modality and region, from stored vectors.

A neighbor list has k ranks. Where too few of them are of the query's region, the region is searched.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from radcbir.embedding.store import read

Vectors = Callable[[np.ndarray], np.ndarray]
"""Ids ``(n,)`` -> their unit vectors ``(n, d)``, in the order of the ids."""

QUERIES_PER_BLOCK = 256


def vectors_of(paths: Sequence[str | Path]) -> Vectors:
    """The vectors in some files of embeddings, which are read when they are asked for."""

    def vectors(ids: np.ndarray) -> np.ndarray:
        found, rows = read(paths, ids)
        return rows[np.searchsorted(found, ids)]

    return vectors


def nearest_within(
    vectors: Vectors,
    queries: np.ndarray,
    index: np.ndarray,
    depth: int,
    query_patients: np.ndarray | None = None,
    index_patients: np.ndarray | None = None,
) -> np.ndarray:
    """Positions ``(q, depth)`` in ``index`` of the images nearest to each query, -1 beyond the last.

    ``queries`` ``(q,)`` and ``index`` ``(n,)`` are ids. With patients (codes, -1 where unknown) an
    image of the query's own patient is excluded. By falling cosine similarity, then by rising id,
    as in the search of the whole index.
    """
    index_vectors = vectors(index).astype(np.float64)
    query_vectors = vectors(queries).astype(np.float64)
    width = min(depth, len(index))
    found = np.full((len(queries), depth), -1, dtype=np.int64)
    for start in range(0, len(queries), QUERIES_PER_BLOCK):
        block = slice(start, min(start + QUERIES_PER_BLOCK, len(queries)))
        scores = (query_vectors[block] @ index_vectors.T).astype(np.float32)
        if query_patients is not None and index_patients is not None:
            own = query_patients[block][:, None] == index_patients
            scores[own & (index_patients >= 0)] = -np.inf
        order = np.lexsort((np.broadcast_to(index, scores.shape), -scores), axis=1)[:, :width]
        reached = np.take_along_axis(scores, order, axis=1) > -np.inf
        found[block, :width] = np.where(reached, order, -1)
    return found
