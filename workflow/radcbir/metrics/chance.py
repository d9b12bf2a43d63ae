"""What random neighbors would reach: the expected value of each metric of a query.

Random means: the N index images in an order of which each permutation is equally likely, the first
K of them the list. The values follow from R of N, how many index images are right; nothing is drawn.
With p = R/N:

- precision in both definitions and R-precision: p;
- hit rate at k: 1 - C(N-R, k) / C(N, k);
- nDCG@K: p times the sum of discounts over the ideal one;
- AP@K: the sum over i <= K of p (1 + (i-1)(R-1)/(N-1)) / i over min(R, K), since a hit at rank i
  comes with (i-1)(R-1)/(N-1) further ones before it;
- MRR@K: the sum over ranks of 1/i times the chance that the first hit has that rank.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln


@dataclass(frozen=True)
class RandomOrder:
    """Queries and an index in random order: R and N per query ``(q,)``, and K."""

    relevant: np.ndarray
    """``(q,)``, R: how many index images are right."""
    images: np.ndarray
    """``(q,)``, N: how many index images there are."""
    k: int

    @cached_property
    def depth(self) -> np.ndarray:
        """``(q,)``: how long the lists are."""
        return np.minimum(self.images, self.k)

    @cached_property
    def share(self) -> np.ndarray:
        """``(q,)``, p: the share of index images that are right."""
        return np.divide(
            self.relevant, self.images, out=np.zeros_like(self.relevant), where=self.images > 0
        )

    @cached_property
    def ranks(self) -> np.ndarray:
        """``(K,)``: 1 to K."""
        return np.arange(1, self.k + 1)

    @cached_property
    def within(self) -> np.ndarray:
        """``(q, K)`` bool: the ranks that lists reach."""
        return self.ranks <= self.depth[:, None]

    @cached_property
    def best(self) -> np.ndarray:
        """``(q,)``: how many hits a perfect list has."""
        return np.minimum(self.relevant, self.depth).astype(int)

    @cached_property
    def missed(self) -> np.ndarray:
        """``(q, K + 1)``: the chance that none of the first 0 .. K is right."""
        r, n = self.relevant[:, None], self.images[:, None]
        return np.concatenate([np.ones((len(r), 1)), _missed(r, n, self.ranks)], axis=1)

    def precision(self, k: int) -> np.ndarray:
        """The capped P@k."""
        return np.where(np.minimum(self.relevant, k) <= self.k, self.share, np.nan)

    def plain_precision(self, k: int) -> np.ndarray:
        """P@k as usual."""
        return np.where(self.depth >= k, self.share, np.nan)

    def average_precision(self) -> np.ndarray:
        """AP@K."""
        r, n = self.relevant, self.images
        others = np.divide(r - 1, n - 1, out=np.zeros_like(r), where=n > 1)[:, None]
        before = (self.ranks - 1) * others
        precise = np.where(self.within, self.share[:, None] * (1 + before) / self.ranks, 0)
        return precise.sum(axis=1) / np.maximum(self.best, 1)

    def ndcg(self) -> np.ndarray:
        """nDCG@K."""
        discounts = np.where(self.within, 1 / np.log2(self.ranks + 1), 0)
        ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(self.ranks + 1))])[self.best]
        return self.share * discounts.sum(axis=1) / np.where(ideal > 0, ideal, 1)

    def reciprocal_rank(self) -> np.ndarray:
        """MRR@K."""
        first_hit = np.where(self.within, self.missed[:, :-1] - self.missed[:, 1:], 0)
        return (first_hit / self.ranks).sum(axis=1)

    def hit_rate(self, k: int) -> np.ndarray:
        """Hit rate at k."""
        return 1 - self.missed[:, k] if k <= self.k else np.full(len(self.relevant), np.nan)


def _missed(r: np.ndarray, n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """C(n-r, k) / C(n, k): the chance that none of the first k is right; 0 where k > n - r."""
    rest = np.maximum(n - r - k, 0)
    logarithm = (
        gammaln(n - r + 1) + gammaln(np.maximum(n - k, 0) + 1) - gammaln(rest + 1) - gammaln(n + 1)
    )
    return np.where(n - r >= k, np.exp(logarithm), 0.0)
