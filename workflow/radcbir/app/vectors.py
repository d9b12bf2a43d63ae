"""Vectors of index images: exact search of one query after a filter, relevance feedback, folding of near duplicates."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    import faiss

ROWS = 1024
"""Vectors that a thread multiplies at a time: few enough to stay in its cache. Larger blocks were slower by half or more."""

FEW = 0.25
"""Where less than this share of a block passes the filter, only those vectors are read."""

FEW_REFUSED = 64
"""Up to so many images that a filter refuses (the query itself, wrong ones) are dropped from a search of all."""

SPARE = 16
"""Candidates beyond those asked for: float32 may have ordered near ties otherwise than double precision does."""

RIGHT_WEIGHT, WRONG_WEIGHT = 0.75, 0.15
"""Of Rocchio's formula (Manning, Raghavan, Schütze, Introduction to Information Retrieval, 2008, section 9.1.1)."""


class VectorIndex:
    """Ids and unit vectors of images, searched exactly."""

    def __init__(self, ids: np.ndarray, vectors: np.ndarray, index: faiss.IndexIDMap2 | None = None):
        """``ids`` ``(n,)`` int64, distinct, ``vectors`` ``(n, d)`` float32; ``index`` is what they lie in, if in one."""
        self.ids, self.vectors, self._index = ids, vectors, index
        self._order = np.argsort(ids, kind="stable")

    @classmethod
    def open(cls, path: str | Path) -> VectorIndex:
        """An exact index of :mod:`radcbir.search`; its vectors stay on disk and are mapped into memory."""
        import faiss

        from radcbir.search import read_index

        index = read_index(path)
        flat = faiss.downcast_index(index.index)
        vectors = faiss.rev_swig_ptr(flat.get_xb(), index.ntotal * index.d).reshape(-1, index.d)
        return cls(faiss.vector_to_array(index.id_map), vectors, index)

    def __len__(self) -> int:
        return len(self.ids)

    def positions(self, ids: np.ndarray) -> np.ndarray:
        """Where ``ids`` stand, -1 for one that is not there."""
        ids = np.asarray(ids, dtype=np.int64)
        place = self._order[np.minimum(np.searchsorted(self.ids, ids, sorter=self._order), len(self.ids) - 1)]
        return np.where(self.ids[place] == ids, place, -1)

    def scores(self, query: np.ndarray, admitted: np.ndarray | None = None) -> np.ndarray:
        """Inner products ``(n,)`` of a query ``(d,)`` with all vectors; minus infinity where ``admitted`` is false.

        Rows are shared out to the cores. What the filter does not admit is not compared where whole runs of it can be
        skipped, and is never in the result.
        """
        query = np.ascontiguousarray(query, dtype=np.float32)
        found = np.empty(len(self.ids), dtype=np.float32)

        def multiply(start: int) -> None:
            rows = slice(start, min(start + ROWS, len(found)))
            if admitted is None:
                np.dot(self.vectors[rows], query, out=found[rows])
                return
            wanted = admitted[rows]
            count = np.count_nonzero(wanted)
            if count < FEW * len(wanted):
                found[rows] = -np.inf
                if count:
                    found[rows][wanted] = self.vectors[rows][wanted] @ query
            else:
                np.dot(self.vectors[rows], query, out=found[rows])
                found[rows][~wanted] = -np.inf

        for _ in _threads().map(multiply, range(0, len(found), ROWS)):
            pass
        return found

    def best(self, query: np.ndarray, count: int, admitted: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Positions and cosine similarities (float32) of the ``count`` best, by falling score, then by rising id.

        Of those that ``admitted`` (bool ``(n,)``) lets through; fewer where there are fewer. Scores of candidates are
        computed again in double precision, so that identical images tie exactly, as in :func:`radcbir.search.search`.
        """
        query = np.ascontiguousarray(query, dtype=np.float32)
        refused = 0 if admitted is None else len(self.ids) - int(np.count_nonzero(admitted))
        depth = min(count + SPARE, len(self.ids))
        if self._index is not None and refused <= FEW_REFUSED:
            # FAISS goes through all vectors fastest; with so many more candidates the best that pass are among them.
            found = self._index.index.search(query[None], min(depth + refused, len(self.ids)))[1][0]
            found = found[found >= 0]
            found = found if admitted is None else found[admitted[found]]
        else:
            scores = self.scores(query, admitted)
            found = np.argpartition(scores, len(scores) - depth)[len(scores) - depth :]
            found = found[np.isfinite(scores[found])]
        exact = (self.vectors[found].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        order = np.lexsort((self.ids[found], -exact))[:count]
        return found[order], exact[order]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """A thread per core, each of which multiplies by itself: BLAS would add threads of its own."""
    threadpool_limits(1, user_api="blas")
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="search")


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector ``(d,)`` brought to length one as the store of embeddings does it: in double precision, then float32.

    Raises :class:`ValueError` where it is zero or not finite.
    """
    vector = np.asarray(vector, dtype=np.float64)
    norm = np.linalg.norm(vector)
    if not (np.isfinite(norm) and norm > 1e-9):
        raise ValueError("a vector that is zero or not finite has no direction")
    return (vector / norm).astype(np.float32)


def mean_query(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Several queries as one: the mean of their unit vectors, at length one. Raises as :func:`unit` does."""
    return unit(np.mean([unit(each) for each in vectors], axis=0, dtype=np.float64))


def refined(query: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """A query ``(d,)`` moved towards ``right`` ``(r, d)`` and away from ``wrong`` ``(w, d)`` results, at length one.

    q + 0.75 mean(right) - 0.15 mean(wrong) (Rocchio, Relevance feedback in information retrieval, in: Salton, The SMART
    retrieval system, 1971). Raises as :func:`unit` does.
    """
    moved = np.asarray(query, dtype=np.float64)
    for vectors, weight in ((right, RIGHT_WEIGHT), (wrong, -WRONG_WEIGHT)):
        if len(vectors):
            moved = moved + weight * np.mean(vectors, axis=0, dtype=np.float64)
    return unit(moved)


def folded(
    vectors: np.ndarray,
    ids: Sequence[int],
    groups: int,
    threshold: float,
    shared: Mapping[int, frozenset] | None = None,
) -> list[list[int]]:
    """The first ``groups`` groups of near duplicates among ranked results, as places; the best of a group comes first.

    A result joins the first group whose head is more similar to it than ``threshold`` (cosine of ``vectors`` ``(m, d)``),
    or with whose head it ``shared`` a near duplicate (by id, what each image is a near duplicate of).
    """
    shared = shared or {}
    found: list[list[int]] = []
    heads = np.empty((groups, vectors.shape[1]), dtype=np.float32)
    for place, vector in enumerate(vectors):
        twins = heads[: len(found)] @ vector > threshold
        if mine := shared.get(ids[place]):
            twins |= np.array([not mine.isdisjoint(shared.get(ids[group[0]], ())) for group in found], dtype=bool)
        if np.any(twins):
            found[int(np.argmax(twins))].append(place)
        elif len(found) < groups:
            heads[len(found)] = vector
            found.append([place])
        else:
            break
    return found
