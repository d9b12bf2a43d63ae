"""Exact search: the nearest neighbors of every query.

An index or a number of queries that is too large for the memory is searched part by part
(:class:`ExactSearch`, :func:`neighbor_tables`); the result does not depend on the parts, to the
last bit.

Candidates come from FAISS, or from a GPU (:func:`radcbir.retrieval.gpu.search.search_device`).
FAISS is imported on use: its OpenMP runtime clashes with that of torch in one process, and reading
a neighbor table needs neither.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from radcbir.core.logs import Progress, logger
from radcbir.core.vectors import NEAR_TIE, unit_vectors
from radcbir.retrieval.gpu.search import GpuSearch, current
from radcbir.retrieval.index_file import read_index, stored_vectors
from radcbir.retrieval.neighbor_table import (
    QUERIES_PER_BLOCK,
    Queries,
    clamped,
    query_blocks,
    table_of,
    tables_of,
)

if TYPE_CHECKING:
    import faiss


MARGIN = 8
"""Further neighbors that are searched and dropped: mostly they show that nothing ties across rank
k."""

TIED_QUERIES = 64

TIED_IMAGES = 65536
"""How many queries and index images are compared at a time where more images tie across rank k than
there are further neighbors."""

BYTES_PER_NEIGHBOR = 64
"""Of a list while it is searched: score and position, as found, as merged, and as sorted."""

_searches = itertools.count()


def search(index: faiss.IndexIDMap2, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k' = min(k, index size) nearest index images of each unit vector in ``queries`` ``(q,
    d)``.

    Returns ids ``(q, k')`` int64 and cosine similarities ``(q, k')`` float32, in the order of
    :class:`ExactSearch`.

    Raises :class:`ValueError` where a query is not a unit vector of the index's dimension, or k <
    1.
    """
    exact = ExactSearch(index)
    queries = unit_vectors(queries, index.d)
    depth = clamped(k, index.ntotal)
    ids = np.empty((len(queries), depth), dtype=np.int64)
    scores = np.empty((len(queries), depth), dtype=np.float32)
    progress = Progress(len(queries), "queries")
    for block in query_blocks(len(queries)):
        positions, scores[block] = exact.nearest(queries[block], depth)
        ids[block] = exact.ids[positions]
        progress.advance(len(positions))
    return ids, scores


def exact_searcher(
    vectors: np.ndarray,
) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """A function that finds the k' = min(k, n) rows of ``vectors`` ``(n, d)`` nearest to each query
    ``(q, d)``.

    It returns row numbers ``(q, k')`` and inner products ``(q, k')`` in the order of
    :class:`ExactSearch`. The vectors have the length 1, or 0 where nothing is left of them; they
    are not checked.
    """
    exact = ExactSearch(np.ascontiguousarray(vectors, dtype=np.float32))

    def nearest(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries, depth = np.ascontiguousarray(queries, dtype=np.float32), min(k, len(vectors))
        parts = [exact.nearest(queries[block], depth) for block in query_blocks(len(queries))]
        positions, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
        return positions, scores

    return nearest


def neighbor_table(
    index: faiss.IndexIDMap2,
    queries: Queries,
) -> pa.Table:
    """The neighbors of each query as a tidy table: query, rank (from 1), neighbor, score,
    same_patient.

    Per query there are the ranks 1 to k' = min(k, index size). Where images of the query's patient
    are among them, as many further ranks follow as are needed for k neighbors of other patients (or
    up to the last of them in the index): the table serves both ways to count. The same is done
    where images that are passed over are among them. :data:`SETTINGS` are in the schema's metadata.

    Raises :class:`ValueError` where lengths differ, a query id comes twice, or as :func:`search`.
    """
    exact = ExactSearch(index)
    vectors = unit_vectors(queries.vectors, index.d, queries.ids)
    return table_of(exact.of(vectors), exact.ids, queries)


def neighbor_tables(
    path: str | Path,
    queries: Queries,
    memory: int = 16 << 30,
) -> Iterator[pa.Table]:
    """The table of :func:`neighbor_table` in parts, in about ``memory`` bytes beside the queries,
    from an index file.

    An index of up to half the memory is mapped as a whole and searched by few queries at a time. A
    larger one is mapped part by part, each of them searched by as many queries as there is room for
    their lists: it is read from disk once for all of these. With a GPU there are always so many, as
    the index may be larger than its memory.
    """
    index = read_index(path)
    images, width = index.ntotal, 4 * index.d
    vectors = unit_vectors(queries.vectors, index.d, queries.ids)
    room = memory // (4 * BYTES_PER_NEIGHBOR)
    if images * width <= memory // 2:
        exact = ExactSearch(index)
        if current() is None:
            room = 0
    else:
        exact = ExactSearch(Path(path), max(1, memory // (4 * width)))
        logger.info(
            "an index of %d MB is searched in %d parts",
            images * width >> 20,
            -(-images // exact.rows),
        )
    del index
    return tables_of(exact.of(vectors), exact.ids, queries, room=room)


class ExactSearch:
    """Vectors and their ids, searched in a way that depends neither on batches of queries nor on
    parts of the index.

    Neighbors come by falling score, then by rising id. A score is the inner product in float32,
    summed up in an order that is the same for every pair; where two neighbors in a row are closer
    than :data:`NEAR_TIE`, both are computed in double precision and rounded, so that the order is
    right and identical images tie exactly. FAISS or a GPU proposes the candidates. What it leaves
    out is known to be farther than the last of them: where that is too close to rank k to be sure,
    whatever comes near is compared one by one. So the result does not depend on who proposes.
    """

    def __init__(self, source: faiss.IndexIDMap2 | np.ndarray | Path, rows: int | None = None):
        """``source`` is an open index, vectors ``(n, d)`` whose ids are their positions, or the
        file of an index.

        Of a file, ``rows`` images at a time are mapped into memory.
        """
        self.file = source if isinstance(source, Path) else None
        index = read_index(source) if isinstance(source, Path) else source
        if isinstance(index, np.ndarray):
            self.ids, self.vectors = np.arange(len(index)), index
        else:
            import faiss

            self.ids, self.vectors = faiss.vector_to_array(index.id_map), stored_vectors(index)
        self.rows = len(self.ids) if rows is None or self.file is None else rows
        self.index = index  # owns the memory of the vectors
        self.number = next(_searches)
        if self.file is not None:
            del self.vectors, self.index

    def of(self, queries: np.ndarray) -> Callable[[slice, int], tuple[np.ndarray, np.ndarray]]:
        """:meth:`nearest` for runs of some queries, as :func:`tables_of` takes it."""
        return lambda block, depth: self.nearest(queries[block], depth)

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``(q, k)`` in the index and scores ``(q, k)`` of the k nearest images, at most
        all.
        """
        depth = min(k + MARGIN, len(self.ids))
        positions = np.empty((len(queries), depth), dtype=np.int64)
        scores = np.empty((len(queries), depth), dtype=np.float32)
        missed = np.full(len(queries), -np.inf, dtype=np.float32)
        filled = 0
        progress = Progress(len(self.ids), "images of the index")
        for start, vectors, gpu in self._pieces(len(queries)):
            for block in query_blocks(len(queries)):
                found, near, others = _candidates(queries[block], vectors, depth, start, gpu)
                if filled:
                    found = np.concatenate([positions[block, :filled], found], axis=1)
                    near = np.concatenate([scores[block, :filled], near], axis=1)
                    others = np.maximum(missed[block], others)
                order = np.lexsort((self.ids[found], -near))
                if order.shape[1] > depth:
                    others = np.maximum(
                        others, np.take_along_axis(near, order[:, depth : depth + 1], axis=1)[:, 0]
                    )
                    order = order[:, :depth]
                positions[block, : order.shape[1]] = np.take_along_axis(found, order, axis=1)
                scores[block, : order.shape[1]] = np.take_along_axis(near, order, axis=1)
                missed[block] = others
                if self.file is not None or len(queries) > QUERIES_PER_BLOCK:
                    before, after = (
                        len(vectors) * each // len(queries) for each in (block.start, block.stop)
                    )
                    progress.advance(after - before)
            filled = min(depth, filled + len(vectors))
        self._settle(queries, positions, scores)
        positions, scores = positions[:, :k], scores[:, :k]
        unsure = np.flatnonzero(missed >= scores[:, -1] - 2 * NEAR_TIE)
        for first in range(0, len(unsure), TIED_QUERIES):
            rows = unsure[first : first + TIED_QUERIES]
            positions[rows], scores[rows] = self._all_near(
                queries[rows], scores[rows, -1] - 4 * NEAR_TIE, k
            )
        return positions, scores

    def _parts(self) -> Iterator[tuple[int, np.ndarray]]:
        """The vectors part by part, each with the position of its first; a part is freed when
        the next one is read.
        """
        if self.file is None:
            yield 0, self.vectors
            return
        for start in range(0, len(self.ids), self.rows):
            index = read_index(self.file)
            yield start, stored_vectors(index)[start : start + self.rows]

    def _pieces(self, queries: int) -> Iterator[tuple[int, np.ndarray, GpuSearch | None]]:
        """The parts, or as much of a part at a time as a GPU has memory for, and the GPU that has
        loaded it.
        """
        gpu = current()
        for start, vectors in self._parts():
            first = 0
            while first < len(vectors):
                piece, rows = vectors[first:], 0
                if gpu is not None and gpu.takes(float(queries) * piece.size):
                    rows = gpu.load(self.number, start + first, piece)
                piece = piece[: rows or len(piece)]
                yield start + first, piece, gpu if rows else None
                first += len(piece)

    def _settle(self, queries: np.ndarray, positions: np.ndarray, scores: np.ndarray) -> None:
        """Compute near ties among sorted neighbors ``(q, n)`` in double precision, and sort again;
        in place.
        """
        tied = np.zeros(scores.shape, dtype=bool)
        close = scores[:, :-1] - scores[:, 1:] < NEAR_TIE
        tied[:, :-1] |= close
        tied[:, 1:] |= close
        rows, ranks = np.nonzero(tied)
        if not len(rows):
            return
        found = positions[rows, ranks]
        for start, vectors in self._parts():
            here = np.flatnonzero((found >= start) & (found < start + len(vectors)))
            for part in query_blocks(len(here)):
                which = here[part]
                scores[rows[which], ranks[which]] = np.einsum(
                    "nd,nd->n",
                    queries[rows[which]].astype(np.float64),
                    vectors[found[which] - start].astype(np.float64),
                )
        affected = np.unique(rows)
        order = np.lexsort((self.ids[positions[affected]], -scores[affected]))
        positions[affected] = np.take_along_axis(positions[affected], order, axis=1)
        scores[affected] = np.take_along_axis(scores[affected], order, axis=1)

    def _all_near(
        self, queries: np.ndarray, least: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """What :meth:`nearest` gives, out of all images with a score of at least ``least``
        ``(q,)``.
        """
        found: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in queries]
        for start, vectors in self._parts():
            for block in query_blocks(len(vectors), TIED_IMAGES):
                near = queries @ vectors[block].T >= least[:, None]
                for row in np.flatnonzero(near.any(axis=1)):
                    places = np.flatnonzero(near[row]) + block.start
                    found[row].append(
                        (
                            places + start,
                            _products(queries[row : row + 1], vectors, places[None])[0],
                        )
                    )
        positions = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        for query, parts in enumerate(found):
            places, products = (np.concatenate(each) for each in zip(*parts, strict=True))
            order = np.lexsort((self.ids[places], -products))
            places, products = places[order][None], products[order][None]
            self._settle(queries[query : query + 1], places, products)
            positions[query], scores[query] = places[0, :k], products[0, :k]
        return positions, scores


def _candidates(
    queries: np.ndarray, vectors: np.ndarray, depth: int, start: int, gpu: GpuSearch | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of some vectors, the first of which has the position ``start``, the ``depth`` that the GPU
    which has loaded them, or FAISS, finds nearest.

    Positions and scores ``(q, n)``, and per query ``(q,)`` a score that none of the others exceeds
    but by rounding.
    """
    import faiss

    depth = min(depth, len(vectors))
    proposed = None if gpu is None else gpu.nearest(queries, depth)
    if proposed is not None:
        places, missed = proposed
    else:
        found, places = faiss.knn(queries, vectors, depth, metric=faiss.METRIC_INNER_PRODUCT)
        if len(places) and places.min() < 0:
            raise RuntimeError(
                "the index gave a query fewer neighbors than it holds: are its vectors finite?"
            )
        missed = found[:, -1]
    if depth == len(vectors):
        missed = np.full(len(queries), -np.inf, dtype=np.float32)
    return places + start, _products(queries, vectors, places), missed


def _products(queries: np.ndarray, vectors: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Inner products ``(q, n)`` of each query ``(q, d)`` with the vectors at its places ``(q, n)``,
    pair by pair.

    Unlike those of a matrix product, they do not depend on which others are computed beside them.
    """
    import faiss

    products = np.empty(places.shape, dtype=np.float32)
    queries, vectors, places = (np.ascontiguousarray(each) for each in (queries, vectors, places))
    pointers = map(faiss.swig_ptr, (products, queries, vectors, places))
    faiss.fvec_inner_products_by_idx(*pointers, vectors.shape[1], *places.shape)
    return products
