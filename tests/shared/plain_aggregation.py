"""Scores of pairs of units in plain Python, one pair of slices at a time."""

from math import sqrt
from statistics import fmean, median


def cosine(one, other):
    """The cosine of two vectors."""
    product = sum(float(a) * float(b) for a, b in zip(one, other, strict=True))
    return product / sqrt(sum(float(a) ** 2 for a in one) * sum(float(b) ** 2 for b in other))


def plain_scores(query, index, near):
    """Way -> unit -> score. ``query`` is a list of slices, ``index`` maps units to such lists.

    A unit that a way does not rank is not there. ``freq`` is a pair: the number, then the sum.
    """
    found = {each: {} for each in ("mean", "median", "freq", "max", "sum", "late_interaction")}
    for way, of in (("mean", fmean), ("median", median)):
        own = [of(numbers) for numbers in zip(*query, strict=True)]
        for unit, slices in index.items():
            found[way][unit] = cosine(own, [of(numbers) for numbers in zip(*slices, strict=True)])
    for unit, slices in index.items():
        best = [max(cosine(mine, theirs) for theirs in slices) for mine in query]
        found["late_interaction"][unit] = fmean(best)
    hits = {}
    for mine in query:
        all_of = [
            (cosine(mine, theirs), unit) for unit, slices in index.items() for theirs in slices
        ]
        for score, unit in sorted(all_of, key=lambda each: -each[0])[:near]:
            hits.setdefault(unit, []).append(score)
    for unit, scores in hits.items():
        found["freq"][unit] = (len(scores), sum(scores))
        found["max"][unit] = max(scores)
        found["sum"][unit] = sum(scores)
    ranks = {}
    for way in ("mean", "late_interaction"):
        order = sorted(index, key=lambda unit: -found[way][unit])
        for rank, unit in enumerate(order, 1):
            ranks[unit] = ranks.get(unit, 0) + 1 / (60 + rank)
    return found | {"fusion": ranks}
