"""Metrics of single queries: precision at k, average precision, nDCG and the rest.

A neighbor is right when it has the query's label. The metrics of a query are pure functions of

- ``relevance`` ``(q, K)`` bool: is the neighbor at rank 1 .. K right? False beyond the end of a list;
- ``retrieved`` ``(q,)``: how long the list of each query is, K at most;
- ``relevant`` ``(q,)``: R, how many index images have the query's label.

A query with R = 0 cannot be answered. Its metrics are NaN. NaN is also what a list is too short to
tell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class RankedLists:
    """The neighbors of ``q`` queries as arrays, best first, K ranks wide."""

    relevance: np.ndarray
    """``(q, K)`` bool: right and within the list."""
    retrieved: np.ndarray
    """``(q,)`` int: how long each list is."""
    relevant: np.ndarray
    """``(q,)`` int, R: how many index images are right."""

    def __getitem__(self, queries: slice) -> "RankedLists":
        """The lists of some of the queries."""
        return RankedLists(self.relevance[queries], self.retrieved[queries], self.relevant[queries])


def capped_precision(relevance: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """P@k as in Denner et al. (arXiv 2403.06567): the list is cut at n = min(k, R), hits among the
    first n over n.
    """
    cut = np.minimum(relevant, k)
    hits = _hits(relevance[:, :k] & (np.arange(min(k, relevance.shape[1])) < cut[:, None]))
    return np.where(cut <= relevance.shape[1], ratio(hits, cut), np.nan)


def plain_precision(
    relevance: np.ndarray, retrieved: np.ndarray, relevant: np.ndarray, k: int
) -> np.ndarray:
    """P@k as usual: hits among the first k over k."""
    return np.where((relevant > 0) & (retrieved >= k), _hits(relevance[:, :k]) / k, np.nan)


def r_precision(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Precision at R, or at K where R > K (:func:`r_precision_truncated`): the capped P@K by
    another name.
    """
    return capped_precision(relevance, relevant, relevance.shape[1])


def r_precision_truncated(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """1 where R > K, so that R-precision had to stop at K; 0 elsewhere."""
    return np.where(relevant > 0, relevant > relevance.shape[1], np.nan)


def average_precision(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """AP@K = sum of P@i over the ranks i <= K with a hit, over min(R, K): 1 for a perfect list
    however large R is.
    """
    ranks = np.arange(1, relevance.shape[1] + 1)
    hits_so_far = np.cumsum(relevance, axis=1, dtype=np.int32)
    return ratio((hits_so_far * relevance) @ (1 / ranks), np.minimum(relevant, relevance.shape[1]))


def ndcg(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """nDCG@K with gain 1 for a hit and discount 1 / log2(rank + 1), over that of min(R, K) hits at
    the top.
    """
    discounts = 1 / np.log2(np.arange(2, relevance.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(relevant, relevance.shape[1])]
    return ratio(relevance @ discounts, ideal)


def first_hit_rank(relevance: np.ndarray) -> np.ndarray:
    """The rank of the first hit, 0 where there is none among K."""
    return np.where(relevance.any(axis=1), relevance.argmax(axis=1) + 1, 0)


def reciprocal_rank(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """1 / rank of the first hit, 0 where there is none among K."""
    return np.where(
        relevant > 0, ratio(relevance.any(axis=1), first_hit_rank(relevance), empty=0.0), np.nan
    )


def hit_rate(relevance: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """1 where a hit is among the first k, 0 elsewhere."""
    return np.where(
        (relevant > 0) & (k <= relevance.shape[1]), relevance[:, :k].any(axis=1), np.nan
    )


def _hits(relevance: np.ndarray) -> np.ndarray:
    return np.count_nonzero(relevance, axis=1)


def ratio(numerator: ArrayLike, denominator: ArrayLike, empty: float = np.nan) -> np.ndarray:
    """The quotient as float64, ``empty`` where the denominator is 0."""
    quotient = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), empty)
    return np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) > 0)
