"""Vectors of index images: exact search of one query after a filter, relevance feedback, folding of
near duplicates.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from radcbir.core.vectors import normalised, places_of

if TYPE_CHECKING:
    import faiss


MANY = 0.2
"""Beyond this share of images that pass a filter, all are searched, deeper."""

DEEPER = 40
"""How many times as deep as is wanted at most."""

SPARE = 16
"""Candidates beyond those asked for: float32 may have ordered near ties otherwise than double
precision does."""

RIGHT_WEIGHT, WRONG_WEIGHT = 0.75, 0.15
"""Of Rocchio's formula (Manning, Raghavan, Schütze, Introduction to Information Retrieval, 2008,
section 9.1.1)."""

SHORTEST = 1e-9
"""What is left of vectors that cancel one another is shorter, and its direction is rounding."""


class VectorIndex:
    """Ids and unit vectors of images in an exact index of FAISS, asked one query at a time."""

    def __init__(self, index: faiss.IndexIDMap2):
        """``index`` is an exact one of :mod:`radcbir.retrieval.exact`, of distinct ids."""
        import faiss

        from radcbir.retrieval.index_file import stored_vectors

        self._index, self._flat = index, faiss.downcast_index(index.index)
        self.ids, self.vectors = faiss.vector_to_array(index.id_map), stored_vectors(index)
        self._order = np.argsort(self.ids, kind="stable")

    @classmethod
    def open(cls, path: str | Path) -> VectorIndex:
        """The index in a file; its vectors stay on disk and are mapped into memory."""
        from radcbir.retrieval.index_file import read_index

        return cls(read_index(path))

    @classmethod
    def of(cls, ids: np.ndarray, vectors: np.ndarray) -> VectorIndex:
        """An index in memory of ``ids`` ``(n,)`` and ``vectors`` ``(n, d)``."""
        from radcbir.retrieval.index_file import index_in_memory

        return cls(index_in_memory(ids, vectors))

    def __len__(self) -> int:
        return len(self.ids)

    def positions(self, ids: np.ndarray) -> np.ndarray:
        """Where ``ids`` stand, -1 for one that is not there."""
        return places_of(ids, self.ids, self._order)

    def best(
        self, query: np.ndarray, count: int, admitted: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and cosine similarities (float32) of the ``count`` best, by falling score, then
        by rising id.

        Of those that ``admitted`` (bool ``(n,)``) lets through; fewer where there are fewer. Scores
        of candidates are computed again in double precision, so that identical images tie exactly,
        as in :func:`radcbir.retrieval.exact.search`.
        """
        query = np.ascontiguousarray(query, dtype=np.float32)
        found = self._candidates(query, count + SPARE, admitted)
        exact = (self.vectors[found].astype(np.float64) @ query.astype(np.float64)).astype(
            np.float32
        )
        order = np.lexsort((self.ids[found], -exact))[:count]
        return found[order], exact[order]

    def _candidates(self, query: np.ndarray, depth: int, admitted: np.ndarray | None) -> np.ndarray:
        """Positions of the ``depth`` best that are admitted, in any order; fewer where there are
        fewer.

        FAISS goes through all vectors several times as fast as through those of a selector one by
        one. So where many are admitted, all are searched so deep that as many as are wanted should
        pass; if they do, these are the best.
        """
        images = len(self.ids)
        passing = images if admitted is None else int(np.count_nonzero(admitted))
        depth = min(depth, passing)
        if depth == 0:
            return np.empty(0, dtype=np.int64)
        if passing > MANY * images:
            deep = (
                depth if admitted is None else min(images, images - passing + depth, DEEPER * depth)
            )
            found = self._flat.search(query[None], deep)[1][0]
            found = found if admitted is None else found[admitted[found]]
            if len(found) >= depth:
                return found[:depth]
        assert admitted is not None  # without a filter, all were searched above
        return self._selected(query, depth, admitted)

    def _selected(self, query: np.ndarray, depth: int, admitted: np.ndarray) -> np.ndarray:
        """The same, comparing what is admitted and nothing else; the rows are shared out to the
        cores.
        """
        import faiss

        images, bits = len(self.ids), np.packbits(admitted, bitorder="little")
        threads = _threads()
        edges = np.linspace(0, images, threads._max_workers + 1).astype(np.int64)

        def search(run: tuple[int, int]) -> np.ndarray:
            part, passes = (
                faiss.IDSelectorRange(*map(int, run)),
                faiss.IDSelectorBitmap(images, faiss.swig_ptr(bits)),
            )
            both = faiss.IDSelectorAnd(part, passes)
            scores, found = self._flat.search(
                query[None], depth, params=faiss.SearchParameters(sel=both)
            )
            return np.stack([scores[0].astype(np.float64), found[0]])[:, found[0] >= 0]

        scores, found = np.concatenate(list(threads.map(search, itertools.pairwise(edges))), axis=1)
        return found[np.argsort(-scores, kind="stable")[:depth]].astype(np.int64)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="search")


def unit(vector: ArrayLike) -> np.ndarray:
    """A vector ``(d,)`` brought to length one as the store of embeddings does it: in double
    precision, then float32.

    Raises :class:`ValueError` where it is zero, next to it, or not finite.
    """
    brought, lengths = normalised(np.asarray(vector)[None])
    if lengths[0] <= SHORTEST:
        raise ValueError("a vector that is zero or not finite has no direction")
    return brought[0].astype(np.float32)


def mean_query(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Several queries as one: the mean of their unit vectors, at length one. Raises as :func:`unit`
    does.
    """
    return unit(np.mean([unit(each) for each in vectors], axis=0, dtype=np.float64))


def refined(query: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """A query ``(d,)`` moved towards ``right`` ``(r, d)`` and away from ``wrong`` ``(w, d)``
    results, at length one.

    q + 0.75 mean(right) - 0.15 mean(wrong) (Rocchio, Relevance feedback in information retrieval,
    in: Salton, The SMART retrieval system, 1971). Raises as :func:`unit` does.
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
    """The first ``groups`` groups of near duplicates among ranked results, as places; the best of a
    group comes first.

    A result joins the first group whose head is more similar to it than ``threshold`` (cosine of
    ``vectors`` ``(m, d)``), or with whose head it ``shared`` a near duplicate (by id, what each
    image is a near duplicate of).
    """
    shared = shared or {}
    found: list[list[int]] = []
    heads = np.empty((groups, vectors.shape[1]), dtype=np.float32)
    for place, vector in enumerate(vectors):
        twins = heads[: len(found)] @ vector > threshold
        if mine := shared.get(ids[place]):
            twins |= np.array(
                [not mine.isdisjoint(shared.get(ids[group[0]], ())) for group in found], dtype=bool
            )
        if np.any(twins):
            found[int(np.argmax(twins))].append(place)
        elif len(found) < groups:
            heads[len(found)] = vector
            found.append([place])
        else:
            break
    return found
