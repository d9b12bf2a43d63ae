"""Where slabs of slices are found, computed with plain loops."""

import itertools


def plain_place(query, around, index):
    """The slice of the index, as (series, position), where a slab fits best; None where none does.

    ``query`` is a position; ``around`` are the slab's slices as (position, vector); ``index`` maps a
    series to its slices as (position, vector), by position.
    """
    best = None
    for series, slices in index.items():
        places = [place for place, _ in slices]
        gaps = sorted(after - before for before, after in itertools.pairwise(places))
        middle = len(gaps) // 2
        spacing = 0 if not gaps else (gaps[middle] + gaps[-1 - middle]) / 2
        for center in places:
            cosines = []
            for place, vector in around:
                wanted = center + place - query
                other, found = min(slices, key=lambda each: (abs(each[0] - wanted), each[0]))
                if abs(other - wanted) <= 0.501 * spacing or place == query:
                    cosines.append(float(vector @ found))
            if 2 * len(cosines) >= len(around):
                score = sum(cosines) / len(cosines)
                if best is None or score > best[0] + 1e-12:
                    best = score, series, center
    return best and best[1:]


def plain_slab(slices, number, size):
    """The ``size`` slices around one of a series."""
    start = max(0, min(number - size // 2, len(slices) - size))
    return slices[start : start + size]
