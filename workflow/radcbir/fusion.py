"""Several models as one: their embeddings side by side, their scores or their ranks put together.

A fusion has an embedding file like any model: the members' unit vectors side by side, each divided by the square root of
their number, so that the cosine similarity of two fused vectors is the mean of the members' (by ``concatenation``, that is
all). By ``score`` and by ``reciprocal_rank`` the same vectors are searched in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from radcbir import embeddings
from radcbir.logs import logger
from radcbir.reduction import mean_and_covariance
from radcbir.search import exact_searcher, table_of, unit_vectors

RANK_CONSTANT = 60
"""k of reciprocal-rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009)."""

LIST_LENGTH = 1000
"""How long each member's list is at least before ranks are put together; who is in no list gets nothing from it."""


def fuse(
    members: Mapping[str, str | Path], output: str | Path, attributes: Mapping[str, str], storage: str = "float32"
) -> None:
    """Write the embedding file of a fusion from those of its members (slug -> file, of the same dataset).

    An image that a member rejected is rejected, with the member's name before its reason.
    """
    paths = list(members.values())
    common = embeddings.read_ids(paths[0])
    for path in paths[1:]:
        common = common[np.isin(common, embeddings.read_ids(path))]
    rows = pd.Index(common)
    vectors = np.empty((len(common), sum(embeddings.dimension([path]) for path in paths)), dtype=np.float32)
    start = 0
    for path in paths:
        stop = start + embeddings.dimension([path])
        for ids, block in embeddings.blocks([path], common):
            vectors[rows.get_indexer(ids), start:stop] = block / np.sqrt(len(paths))
        start = stop
    reasons: dict[int, tuple[int, str, str]] = {}
    for member, path in members.items():
        for identity, image, reason in embeddings.read_rejected(path):
            reasons.setdefault(identity, (identity, image, f"{member}: {reason}"))
    embeddings.write_shard(output, common, vectors, list(reasons.values()), attributes, storage)
    logger.info("%d images of %d members put side by side, %d rejected", len(common), len(paths), len(reasons))


def fused_neighbor_table(
    by: str,
    widths: Sequence[int],
    index_ids: np.ndarray,
    index_vectors: np.ndarray,
    query_ids: np.ndarray,
    queries: np.ndarray,
    k: int,
    query_patients: np.ndarray | None = None,
    index_patients: Mapping[int, str | None] | pd.Series | None = None,
    passed_over: pd.Series | None = None,
) -> pa.Table:
    """The table of :func:`radcbir.search.neighbor_table` of a fusion ``by`` score or reciprocal_rank.

    Vectors are fused ones of :func:`fuse`; ``widths`` are the dimensions of the members. The column ``score`` holds the
    fused score: the mean z-score, or the sum of 1 / (60 + rank).
    """
    index_vectors = unit_vectors(index_vectors, index_vectors.shape[1], index_ids)
    queries = unit_vectors(queries, index_vectors.shape[1], query_ids)
    make = {"score": standardised_scores, "reciprocal_rank": reciprocal_ranks}[by]
    nearest = make(split(index_vectors, widths), index_ids)
    parts = split(queries, widths)
    return table_of(
        lambda block, depth: nearest([part[block] for part in parts], depth),
        index_ids, query_ids, k, query_patients, index_patients, passed_over, {"score": by},
    )  # fmt: skip


def split(vectors: np.ndarray, widths: Sequence[int]) -> list[np.ndarray]:
    """Fused vectors ``(n, sum of widths)`` -> the members' unit vectors, ``(n, width)`` each."""
    ends = np.cumsum(widths)
    return [
        vectors[:, end - width : end] * np.float32(len(widths) ** 0.5) for end, width in zip(ends, widths, strict=True)
    ]


Nearest = Callable[[Sequence[np.ndarray], int], tuple[np.ndarray, np.ndarray]]
"""The members' vectors of some queries, ``(q, d)`` each, and a depth -> positions and fused scores, ``(q, depth)``."""


def standardised_scores(members: Sequence[np.ndarray], ids: np.ndarray) -> Nearest:
    """Fusion by score: the mean over members of (s - m) / sd, s a member's cosine similarity of the query and an image,
    m and sd the mean and standard deviation of s over all images of the index.

    Searched exactly and without a pass over all scores: the mean of s is the product with the mean vector, its variance
    a quadratic form of their covariance, and what is left is an inner product with the query's parts over their sd.
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
        scaled = np.concatenate([each / spread for each, spread in zip(asked, spreads, strict=True)], axis=1)
        length = np.linalg.norm(scaled, axis=1, keepdims=True)
        positions, products = nearest(scaled / length, depth)
        offset = sum(each @ mean[:, None] / spread for each, mean, spread in zip(asked, means, spreads, strict=True))
        return order[positions], ((products * length - offset) / len(asked)).astype(np.float32)

    return search


def reciprocal_ranks(members: Sequence[np.ndarray], ids: np.ndarray) -> Nearest:
    """Fusion by rank: the sum over members of 1 / (60 + rank), over the members' lists of at least 1000 images."""
    order = np.argsort(ids)
    searchers = [exact_searcher(each[order]) for each in members]

    def search(queries: Sequence[np.ndarray], depth: int) -> tuple[np.ndarray, np.ndarray]:
        length = min(max(LIST_LENGTH, 10 * depth), len(ids))
        lists = [nearest(each, length)[0] for nearest, each in zip(searchers, queries, strict=True)]
        gains = np.broadcast_to(1 / (RANK_CONSTANT + np.arange(1, length + 1)), lists[0].shape)
        positions, gain = np.concatenate(lists, axis=1), np.concatenate([gains] * len(lists), axis=1)
        by_image = np.argsort(positions, axis=1, kind="stable")
        positions, gain = (np.take_along_axis(each, by_image, axis=1) for each in (positions, gain))
        total, first = gain.copy(), np.ones(positions.shape, dtype=bool)
        first[:, 1:] = positions[:, 1:] != positions[:, :-1]
        for shift in range(1, len(lists)):
            total[:, :-shift] += np.where(positions[:, :-shift] == positions[:, shift:], gain[:, shift:], 0)
        scores = np.where(first, total, -np.inf).astype(np.float32)
        best = np.lexsort((positions, -scores))[:, :depth]
        return order[np.take_along_axis(positions, best, axis=1)], np.take_along_axis(scores, best, axis=1)

    return search
