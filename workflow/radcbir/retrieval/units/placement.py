"""Where in other series a slab of slices fits best.

A slab is a run of neighboring slices of one series. It is laid over another series at one of its
slices after the other, slice by slice at equal distances in mm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

SAME_PLACE = 0.501
"""A slice is the partner of a place within this share of the spacing of its series."""

KEPT_OFFSETS = 64
"""Partners at so many offsets are kept: the slabs of one series, and of those of the same spacing, ask
for the same."""


@dataclass(frozen=True)
class Stack:
    """Slices of s series, series by series, by position within each."""

    vectors: np.ndarray
    """``(n, d)``, of length one."""
    series: np.ndarray
    """``(n,)``: the number of the series, from 0."""
    positions: np.ndarray
    """``(n,)``: in mm along the normal of the slices."""
    _partners: dict[float, np.ndarray] = field(default_factory=dict, repr=False)

    def partners(self, offset: float) -> np.ndarray:
        """The slice ``(n,)`` of the same series that is ``offset`` mm further than each, -1 where
        the series has none there.

        Of two at the same distance, it is the one at the lower position.
        """
        offset = round(float(offset), 3)
        found = self._partners.get(offset)
        if found is None:
            if len(self._partners) >= KEPT_OFFSETS:
                self._partners.clear()
            found = self._partners[offset] = self._find(offset)
        return found

    @cached_property
    def _places(self) -> tuple[np.ndarray, ...]:
        """For each slice the first and the last one of its series, the middle spacing of the series
        in mm, and what lifts the positions of a series above those of the series before it.
        """
        starts = np.flatnonzero(np.diff(self.series, prepend=-1))
        sizes = np.diff(np.append(starts, len(self.series)))
        inside = np.diff(self.series) == 0
        steps = pd.Series(np.diff(self.positions)[inside]).groupby(self.series[1:][inside])
        spacings = steps.median().reindex(self.series[starts], fill_value=0.0).to_numpy()
        reach = float(np.ptp(self.positions)) if len(starts) else 0.0
        lift = np.arange(len(starts)) * (reach + 3)
        first = np.repeat(starts, sizes)
        last = np.repeat(starts + sizes - 1, sizes)
        return first, last, np.repeat(spacings, sizes), np.repeat(lift, sizes)

    def _find(self, offset: float) -> np.ndarray:
        if not len(self.positions):
            return np.empty(0, dtype=np.int64)
        first, last, spacings, lift = self._places
        wanted = self.positions + offset
        # Up to 1 mm beyond all slices the lift keeps series apart, and what is beyond is as far.
        within = wanted.clip(self.positions.min() - 1, self.positions.max() + 1)
        after = np.searchsorted(self.positions + lift, within + lift).clip(first, last)
        before = (after - 1).clip(first)
        nearer = np.abs(self.positions[before] - wanted) <= np.abs(self.positions[after] - wanted)
        nearest = np.where(nearer, before, after)
        there = np.abs(self.positions[nearest] - wanted) <= SAME_PLACE * spacings
        return np.where(there | (offset == 0), nearest, -1)


def slab(stack: Stack, slice_: int, size: int) -> np.ndarray:
    """The ``size`` slices around one of them, in its series; at an end of the series, the ``size``
    slices there, and the whole series where it has fewer.
    """
    first, last = (
        np.searchsorted(stack.series, stack.series[slice_], "left"),
        np.searchsorted(stack.series, stack.series[slice_], "right"),
    )
    start = min(max(slice_ - size // 2, first), max(last - size, first))
    return np.arange(start, min(start + size, last))


def fits(
    queries: Stack, asked: Sequence[int] | np.ndarray, sizes: Sequence[int], index: Stack
) -> Iterator[np.ndarray]:
    """For each asked slice, how well slabs of some sizes around it fit at each slice of the index:
    ``(len(sizes), n)``, the mean cosine of the slices of the slab with their partners.

    Minus infinity where fewer than half of the slab's slices have a partner.
    """
    for each in asked:
        widest = slab(queries, int(each), max(sizes))
        cosines = queries.vectors[widest] @ index.vectors.T
        scores = np.empty((len(sizes), len(index.positions)), dtype=np.float64)
        for row, size in enumerate(sizes):
            rows = slab(queries, int(each), size)
            offsets = queries.positions[rows] - queries.positions[each]
            scores[row] = overlaid(cosines[rows - widest[0]], offsets, index)
        yield scores


def overlaid(cosines: np.ndarray, offsets: np.ndarray, index: Stack) -> np.ndarray:
    """How well one slab fits at each slice of the index: ``(n,)``, the mean cosine of its slices with
    their partners, minus infinity where fewer than half of them have one.

    ``cosines`` ``(q, n)`` are those of the slab's slices with all of the index, ``offsets`` ``(q,)``
    where these lie from the one that is put on a slice of the index, in mm.
    """
    total, count = np.zeros((2, len(index.positions)))
    for row, offset in zip(cosines, offsets, strict=True):
        partner = index.partners(offset)
        there = partner >= 0
        total[there] += row[partner[there]]
        count += there
    return np.where(2 * count >= len(offsets), total / np.maximum(count, 1), -np.inf)
