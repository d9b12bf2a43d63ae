"""Fusions of several models by score or by rank: the search in their members' vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from radcbir.cards.fusion import RANK_CONSTANT
from radcbir.core.vectors import unit_vectors
from radcbir.retrieval.exact import exact_searcher
from radcbir.retrieval.neighbor_table import Queries, table_of
from radcbir.retrieval.reduction import mean_and_covariance

LIST_LENGTH = 1000
"""How long each member's list is at least before ranks are put together; who is in no list gets
nothing from it."""


TIE = 1e-6
"""Scores of a member that are no further apart tie: parts of a fused vector are rounded, so that
images which are alike to a member come back with scores that differ in the last digits."""


def fused_neighbor_table(
    by: str,
    widths: Sequence[int],
    index_ids: np.ndarray,
    index_vectors: np.ndarray,
    queries: Queries,
) -> pa.Table:
    """The table of :func:`radcbir.retrieval.exact.neighbor_table` of a fusion ``by`` score or
    reciprocal_rank.

    Vectors are fused ones of :func:`fuse`; ``widths`` are the dimensions of the members. The column
    ``score`` is the fused score: the mean z-score, or the sum of 1 / (60 + rank).
    """
    index_vectors = unit_vectors(index_vectors, index_vectors.shape[1], index_ids)
    vectors = unit_vectors(queries.vectors, index_vectors.shape[1], queries.ids)
    make = {"score": standardised_scores, "reciprocal_rank": reciprocal_ranks}[by]
    nearest = make(split(index_vectors, widths), index_ids)
    parts = split(vectors, widths)
    return table_of(
        lambda block, depth: nearest([part[block] for part in parts], depth),
        index_ids,
        queries,
        {"score": by},
    )


def split(vectors: np.ndarray, widths: Sequence[int]) -> list[np.ndarray]:
    """Fused vectors ``(n, sum of widths)`` -> the members' unit vectors, ``(n, width)`` each."""
    ends = np.cumsum(widths)
    return [
        vectors[:, end - width : end] * np.float32(len(widths) ** 0.5)
        for end, width in zip(ends, widths, strict=True)
    ]


Nearest = Callable[[Sequence[np.ndarray], int], tuple[np.ndarray, np.ndarray]]
"""The members' vectors of some queries, ``(q, d)`` each, and a depth -> positions and fused scores,
``(q, depth)``."""


def standardised_scores(members: Sequence[np.ndarray], ids: np.ndarray) -> Nearest:
    """Fusion by score: the mean over members of (s - m) / sd, s a member's cosine similarity of the
    query and an image, m and sd the mean and standard deviation of s over all images of the index.

    Searched exactly and without a pass over all scores: the mean of s is the product with the mean
    vector, its variance a quadratic form of their covariance, and what is left is an inner product
    with the query's parts over their sd.
    """
    means, covariances = zip(*map(mean_and_covariance, members), strict=True)
    order = np.argsort(ids)
    nearest = exact_searcher(np.concatenate(members, axis=1)[order])

    def search(queries: Sequence[np.ndarray], depth: int) -> tuple[np.ndarray, np.ndarray]:
        asked = [each.astype(np.float64) for each in queries]
        spreads = [
            np.sqrt(np.maximum(np.einsum("qi,ij,qj->q", each, covariance, each, optimize=True), 0))
            for each, covariance in zip(asked, covariances, strict=True)
        ]
        spreads = [np.where(spread > 0, spread, 1)[:, None] for spread in spreads]
        scaled = np.concatenate(
            [each / spread for each, spread in zip(asked, spreads, strict=True)], axis=1
        )
        length = np.linalg.norm(scaled, axis=1, keepdims=True)
        positions, products = nearest(scaled / length, depth)
        offset = sum(
            each @ mean[:, None] / spread
            for each, mean, spread in zip(asked, means, spreads, strict=True)
        )
        return order[positions], ((products * length - offset) / len(asked)).astype(np.float32)

    return search


def _ties_by_position(positions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Lists ``(q, length)`` of positions by falling score, each run of ties by rising position."""
    runs = np.zeros(positions.shape, dtype=np.int64)
    np.cumsum(scores[:, :-1] - scores[:, 1:] > TIE, axis=1, out=runs[:, 1:])
    return np.take_along_axis(positions, np.lexsort((positions, runs)), axis=1)


def reciprocal_ranks(members: Sequence[np.ndarray], ids: np.ndarray) -> Nearest:
    """Fusion by rank: the sum over members of 1 / (60 + rank), over the members' lists of at least
    1000 images. Images that tie in a member are ranked by id there, as those that tie in the sum.
    """
    order = np.argsort(ids)
    searchers = [exact_searcher(each[order]) for each in members]

    def search(queries: Sequence[np.ndarray], depth: int) -> tuple[np.ndarray, np.ndarray]:
        length = min(max(LIST_LENGTH, 10 * depth), len(ids))
        lists = [
            _ties_by_position(*nearest(each, length))
            for nearest, each in zip(searchers, queries, strict=True)
        ]
        gains = np.broadcast_to(1 / (RANK_CONSTANT + np.arange(1, length + 1)), lists[0].shape)
        positions, gain = (
            np.concatenate(lists, axis=1),
            np.concatenate([gains] * len(lists), axis=1),
        )
        by_image = np.argsort(positions, axis=1, kind="stable")
        positions, gain = (np.take_along_axis(each, by_image, axis=1) for each in (positions, gain))
        total, first = gain.copy(), np.ones(positions.shape, dtype=bool)
        first[:, 1:] = positions[:, 1:] != positions[:, :-1]
        for shift in range(1, len(lists)):
            total[:, :-shift] += np.where(
                positions[:, :-shift] == positions[:, shift:], gain[:, shift:], 0
            )
        # Single precision would make ties of sums that differ; the order of a sum is rounded off.
        scores = np.where(first, total.round(15), -np.inf)
        best = np.lexsort((positions, -scores))[:, :depth]
        scores = np.take_along_axis(scores, best, axis=1).astype(np.float32)
        return order[np.take_along_axis(positions, best, axis=1)], scores

    return search
