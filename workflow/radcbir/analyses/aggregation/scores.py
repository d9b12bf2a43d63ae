"""Scores of pairs of units from the vectors of their images, in several ways.

All scores are exact: every image of a query is compared with every image of the index, in blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from radcbir.retrieval.units.vectors import pooled_vectors

WAYS = {
    "mean": "mean vector",
    "median": "median vector",
    "freq": "number of near slices",
    "max": "nearest slice",
    "sum": "sum of near slices",
    "late_interaction": "late interaction",
    "fusion": "mean and late interaction",
}
"""How two units are compared -> what it is called."""

NEAR = 10
"""How many nearest slices of the index each slice of a query has, for ``freq``, ``max``, ``sum``."""

RANK_CONSTANT = 60
"""k of reciprocal-rank fusion, that of :mod:`radcbir.retrieval.fused` (which loads FAISS)."""

NUMBERS_PER_BLOCK = 1 << 25
"""Similarities of slices that are in memory at a time."""

UNITS_PER_BLOCK = 256
"""Queries whose scores are in memory at a time."""


@dataclass(frozen=True)
class Slices:
    """The images of u units, unit by unit."""

    vectors: np.ndarray
    """``(n, d)``, of length one."""
    starts: np.ndarray
    """``(u,)``: where the images of each unit begin."""

    @property
    def units(self) -> np.ndarray:
        """The unit of each image ``(n,)``, from 0."""
        return np.repeat(np.arange(len(self.starts)), self.sizes)

    @property
    def sizes(self) -> np.ndarray:
        """How many images each unit has ``(u,)``."""
        return np.diff(self.starts, append=len(self.vectors))

    def __getitem__(self, some: slice) -> "Slices":
        """Some consecutive units."""
        ends = np.append(self.starts, len(self.vectors))
        first, last = ends[some.start], ends[min(some.stop, len(self.starts))]
        return Slices(self.vectors[first:last], self.starts[some] - first)


@dataclass(frozen=True)
class Scores:
    """Scores ``(q, u)`` of q queries and u units, higher is nearer, -inf where a unit is not
    ranked; ``tie`` orders units of the same score.
    """

    score: np.ndarray
    tie: np.ndarray | None = None

    def order(self) -> np.ndarray:
        """The units of each query ``(q, u)``, best first; equal ones in the order of the index."""
        if self.tie is None:
            return np.argsort(-self.score, axis=1, kind="stable")
        return np.lexsort((-self.tie, -self.score), axis=1)


def scores_by_way(
    queries: Slices, index: Slices, own: np.ndarray, near: int = NEAR
) -> Iterator[tuple[slice, dict[str, Scores]]]:
    """The scores of every way of :data:`WAYS`, some queries at a time.

    ``own`` ``(q, u)`` bool marks units of the query's own patient: they are never ranked, and their
    slices are never near.

    - ``mean``, ``median``: the cosine of the units' pooled vectors.
    - ``freq``, ``max``, ``sum``: each slice of the query finds its ``near`` nearest slices; how many
      of them are of the unit, their highest cosine, the sum of their cosines (Ben Abacha et al.,
      3D-MIR, Sci. Rep. 16:21016, 2026). A unit without a near slice is not ranked. Equal ``freq`` is
      ordered by ``sum``.
    - ``late_interaction``: the mean over the query's slices of the highest cosine with a slice of
      the unit (Khun Jush et al., arXiv 2405.09334).
    - ``fusion``: 1 / (60 + rank by mean) + 1 / (60 + rank by late interaction) (Cormack et al.,
      SIGIR 2009).
    """
    pooled = {
        way: [pooled_vectors(each.vectors, each.starts, way) for each in (queries, index)]
        for way in ("mean", "median")
    }
    for start in range(0, len(queries.starts), UNITS_PER_BLOCK):
        some = slice(start, min(start + UNITS_PER_BLOCK, len(queries.starts)))
        excluded = own[some]
        found = {
            way: Scores(np.where(excluded, -np.inf, of_queries[some] @ of_index.T))
            for way, (of_queries, of_index) in pooled.items()
        }
        found |= _of_slices(queries[some], index, excluded, near)
        ranks = [_ranks(found[way]) for way in ("mean", "late_interaction")]
        fused = sum(1 / (RANK_CONSTANT + each) for each in ranks)
        found["fusion"] = Scores(np.where(excluded, -np.inf, fused))
        yield some, {way: found[way] for way in WAYS}


def _ranks(scores: Scores) -> np.ndarray:
    """The rank of each unit ``(q, u)``, from 1."""
    return np.argsort(scores.order(), axis=1) + 1


def _of_slices(queries: Slices, index: Slices, own: np.ndarray, near: int) -> dict[str, Scores]:
    """The ways that look at single slices, for a few queries."""
    shape = len(queries.starts), len(index.starts)
    late, number, summed = np.zeros((3, *shape))
    highest = np.full(shape, -np.inf)
    asking, unit = queries.units, index.units
    rows = max(1, NUMBERS_PER_BLOCK // len(index.vectors))
    for start in range(0, len(asking), rows):
        query = asking[start : start + rows]
        cosines = queries.vectors[start : start + rows] @ index.vectors.T
        best = np.maximum.reduceat(cosines, index.starts, axis=1)
        np.add.at(late, query, best)
        if own.any():
            cosines[own[query][:, unit]] = -np.inf
        kept = min(near, cosines.shape[1])
        places = np.argpartition(cosines, -kept, axis=1)[:, -kept:]
        values = np.take_along_axis(cosines, places, axis=1).astype(np.float64)
        pairs = np.repeat(query, kept), unit[places.ravel()]
        values = values.ravel()
        finite = np.isfinite(values)
        pairs, values = (pairs[0][finite], pairs[1][finite]), values[finite]
        np.add.at(number, pairs, 1)
        np.add.at(summed, pairs, values)
        np.maximum.at(highest, pairs, values)
    late /= queries.sizes[:, None]
    none = number == 0
    number[none], summed[none] = -np.inf, -np.inf
    late[own] = -np.inf
    return {
        "freq": Scores(number, np.where(none, 0, summed)),
        "max": Scores(highest),
        "sum": Scores(summed),
        "late_interaction": Scores(late),
    }
