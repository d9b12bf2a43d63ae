"""Where in other series a slab of slices fits best.

A slab is a run of neighboring slices of one series. It is laid over another series at one of its
slices after the other, slice by slice at equal distances in mm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

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
        if offset not in self._partners:
            if len(self._partners) >= KEPT_OFFSETS:
                self._partners.clear()
            self._partners[offset] = self._find(offset)
        return self._partners[offset]

    def _find(self, offset: float) -> np.ndarray:
        starts = np.flatnonzero(np.diff(self.series, prepend=-1))
        found = np.full(len(self.series), -1)
        for first, last in zip(starts, [*starts[1:], len(self.series)], strict=True):
            places = self.positions[first:last]
            wanted = places + offset
            after = np.searchsorted(places, wanted).clip(0, len(places) - 1)
            before = (after - 1).clip(0)
            nearer = np.abs(places[before] - wanted) <= np.abs(places[after] - wanted)
            nearest = np.where(nearer, before, after)
            spacing = float(np.median(np.diff(places))) if len(places) > 1 else 0.0
            there = np.abs(places[nearest] - wanted) <= SAME_PLACE * spacing
            there |= offset == 0
            found[first:last] = np.where(there, nearest + first, -1)
        return found


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
            total, count = np.zeros((2, len(index.positions)))
            rows = slab(queries, int(each), size)
            for one in rows:
                partner = index.partners(queries.positions[one] - queries.positions[each])
                there = partner >= 0
                total[there] += cosines[one - widest[0], partner[there]]
                count += there
            enough = 2 * count >= len(rows)
            scores[row] = np.where(enough, total / np.maximum(count, 1), -np.inf)
        yield scores
