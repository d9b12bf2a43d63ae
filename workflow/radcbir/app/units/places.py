"""Where a part of a volume fits best in the series, studies and patients of an index."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from radcbir.app.stored import Recent, Stored, version
from radcbir.app.units.query import UnitQuery
from radcbir.app.units.vectors import SliceVectors
from radcbir.embedding.store import dimension, read
from radcbir.project.image_models import image_model
from radcbir.retrieval.units.placement import Stack, overlaid

KEPT_BYTES = 1 << 30
"""Vectors of slices up to this size are kept in memory, and each place of the index is compared."""

DIGITS = 6
"""Decimals to which mean cosines are compared: beyond is rounding."""

CANDIDATES = 100
"""Units whose places are compared where an index has more: those with the most similar vectors."""


@dataclass(frozen=True)
class Slabs:
    """Slices of an index, series by series."""

    rows: np.ndarray
    """(n,): where each stands in the table of slices"""
    units: np.ndarray
    """(n,): the row of the catalog of the unit of each; those of one unit lie side by side"""
    in_mm: Stack
    """By position; series without positions by number"""
    in_numbers: Stack
    """By number alone"""
    placed: np.ndarray
    """(n,) bool: whether its series has positions"""


@dataclass(frozen=True)
class Place:
    """The best place in one unit."""

    unit: int
    """The row of the catalog"""
    score: float
    """The mean cosine of the slices of the part with the slices that they lie on"""
    pair: float
    """The cosine of the middle slice of the part with the slice that it lies on"""
    center: int
    """That slice, as a row of :class:`Slabs`"""
    first: int
    last: int
    """The first and the last slice that the part lies on, as rows of :class:`Slabs`"""
    turned: bool
    """Whether the part lies there the other way round"""
    fit: int
    """How many slices of the part have a partner there"""


class Places:
    """Reads what parts of volumes are laid over."""

    def __init__(self, stored: Stored, vectors: SliceVectors):
        self.stored, self.vectors = stored, vectors
        self._slabs = Recent(2)

    def slabs(
        self, experiment: str, model: str, query: UnitQuery, admitted: np.ndarray
    ) -> tuple[Slabs, int]:
        """The slices of the units that are compared, and how many units that are ``admitted`` (bool
        per row of the catalog) are left out because the index is too large.
        """
        slices, collection = self.stored.slices(experiment), self.stored.collection(experiment)
        project, own = self.stored.project, image_model(self.stored.project, model)
        datasets = project.experiments[experiment]["datasets"]
        files = [self.stored.image_embeddings_file(own, each) for each in datasets]
        indexed = np.repeat(
            collection.in_index[collection.rows(slices.units)], np.diff(slices.bounds)
        )
        if 4 * int(indexed.sum()) * dimension(files) <= KEPT_BYTES:
            made: list[Hashable] = [(str(each), version(each)) for each in files]
            catalog = version(self.stored.catalog_file(experiment))

            def load() -> Slabs:
                ids, found = read(files, slices.collection.ids[indexed])
                return self._of(experiment, slices.collection.rows(ids), found)

            return self._slabs.get((experiment, own, catalog, *made), load), 0
        index = self.stored.index(experiment, model)
        rows = collection.rows(index.ids)
        allowed = (rows >= 0) & admitted[rows]
        best, _ = index.best(query.vector, CANDIDATES, allowed)
        units = index.ids[best].tolist()
        read_ones = list(self.vectors.of_each(experiment, model, units))
        ids = np.concatenate([each for each, _ in read_ones])
        found = np.concatenate([each for _, each in read_ones])
        left_out = max(0, int(allowed.sum()) - len(units))
        return self._of(experiment, slices.collection.rows(ids), found), left_out

    def _of(self, experiment: str, rows: np.ndarray, vectors: np.ndarray) -> Slabs:
        """Of slices in some ``rows`` of their table, with their ``vectors`` ``(n, d)``."""
        slices = self.stored.slices(experiment)
        lie = slices.lying
        order = np.lexsort((lie.orders[rows], lie.positions[rows], lie.series[rows]))
        rows, vectors = rows[order], vectors[order]
        series = np.unique(lie.series[rows], return_inverse=True)[1]
        owners = np.repeat(slices.units, np.diff(slices.bounds))[rows]
        units = self.stored.collection(experiment).rows(owners)
        in_mm = Stack(vectors, series, lie.positions[rows])
        in_numbers = Stack(vectors, series, lie.orders[rows].astype(float))
        return Slabs(rows, units, in_mm, in_numbers, lie.placed[rows])


def best_places(slabs: Slabs, query: UnitQuery, admitted: np.ndarray) -> list[Place]:
    """The best place in each unit that is ``admitted`` (bool per row of the catalog), the best unit
    first. Units in which less than half of the part fits have none.

    The part is laid by positions in mm where it and a series have them, else slice by slice. Where
    nobody knows which end is which, it is laid both ways.
    """
    assert query.lie is not None
    lie, rows = query.lie, len(slabs.rows)
    order = query.order
    middle = len(order) // 2
    cosines = query.slices[order] @ slabs.in_mm.vectors.T
    ways = []
    """Which slices are laid so, offsets of the part's slices, the stack, its direction"""
    in_mm = slabs.placed if lie.positions is not None else np.zeros(rows, dtype=bool)
    if lie.positions is not None and in_mm.any():
        offsets = lie.positions[order] - lie.positions[order[middle]]
        ways += [(in_mm, sign * offsets, slabs.in_mm) for sign in (1, -1)[: 1 + lie.both_ways]]
    if not in_mm.all():
        offsets = (lie.orders[order] - lie.orders[order[middle]]).astype(float)
        ways += [(~in_mm, sign * offsets, slabs.in_numbers) for sign in (1, -1)]
    scores, chosen = np.full(rows, -np.inf), np.zeros(rows, dtype=int)
    for number, (these, offsets, stack) in enumerate(ways):
        found = np.round(overlaid(cosines, offsets, stack), DIGITS)
        better = these & (found > scores)
        scores[better], chosen[better] = found[better], number
    starts = np.flatnonzero(np.diff(slabs.units, prepend=-1))
    best = np.maximum.reduceat(scores, starts)
    owner = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, rows)))
    equal = np.flatnonzero((scores == best[owner]) & np.isfinite(scores))
    centers = equal[np.unique(owner[equal], return_index=True)[1]]
    centers = centers[admitted[slabs.units[centers]]]
    centers = centers[np.lexsort((slabs.units[centers], -scores[centers]))]
    ends, fit = np.empty((2, len(centers)), dtype=int), np.empty(len(centers), dtype=int)
    for number in np.unique(chosen[centers]):
        _, offsets, stack = ways[number]
        these = chosen[centers] == number
        lies = np.array([stack.partners(each)[centers[these]] for each in offsets])
        ends[:, these] = np.where(lies < 0, rows, lies).min(axis=0), lies.max(axis=0)
        fit[these] = (lies >= 0).sum(axis=0)
    backward = np.array([offsets[0] > offsets[-1] for _, offsets, _ in ways])[chosen[centers]]
    return [
        Place(
            int(slabs.units[at]),
            float(scores[at]),
            float(cosines[middle, at]),
            int(at),
            first,
            last,
            turned,
            partners,
        )
        for at, first, last, turned, partners in zip(
            centers, *ends.tolist(), backward.tolist(), fit.tolist(), strict=True
        )
    ]
