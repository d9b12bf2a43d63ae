"""How good chances are: discrimination, calibration, and what is left wrong when the least sure hits
are not shown. Each measure with a 95 % interval by patient.

Only the Brier score and shares are means over hits. The others follow, to first order, from how far
each hit moves them (its influence), so that a patient moves them by the sum over its hits.
"""

import numpy as np
from scipy.stats import rankdata

from radcbir.metrics.calibration import calibration_error, reliability
from radcbir.metrics.intervals import Measure, of_influence, of_mean

COVERAGES = np.arange(1, 101) / 100
"""The shares of hits at which the curve of risk is stored."""


def area_and_influence(
    better: np.ndarray, worse: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The area under the ROC curve of two samples, and how far each of their members moves it.

    The share of pairs in which the first is higher, ties half (DeLong, DeLong, Clarke-Pearson,
    *Biometrics* 44, 1988, 837-845). Summed by patient, the moves are those of clustered data
    (Obuchowski, *Biometrics* 53, 1997, 567-578).
    """
    ranks, count = rankdata(np.concatenate([better, worse])), len(better)
    above = (ranks[:count] - rankdata(better)) / len(worse)
    below = 1 - (ranks[count:] - rankdata(worse)) / count
    area = float(above.mean())
    return area, (above - area) / count, (below - area) / len(worse)


def area_under_roc(chance: np.ndarray, right: np.ndarray, clusters: np.ndarray) -> Measure:
    """How often a right hit has a higher chance than a wrong one."""
    area, above, below = area_and_influence(chance[right], chance[~right])
    influence = np.empty(len(chance))
    influence[right], influence[~right] = above, below
    return of_influence(area, influence, clusters)


def expected_calibration_error(
    chance: np.ndarray, right: np.ndarray, clusters: np.ndarray
) -> Measure:
    """ECE over 15 bins of equal width (Guo et al., arXiv 1706.04599).

    A hit moves it by its own gap, with the sign of its bin. The value is a little above 0 where
    chances are exactly right, since bins have few hits.
    """
    table = reliability(chance, right)
    edges = np.append(table["lower"], 1.0)
    place = np.clip(np.searchsorted(edges, chance, side="left") - 1, 0, len(table) - 1)
    sign = np.sign(table["accuracy"].to_numpy() - table["confidence"].to_numpy())[place]
    value = calibration_error(table)
    return of_influence(value, (sign * (right - chance) - value) / len(chance), clusters)


def risks(chance: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of hits, surest first, and the share of wrong ones ``(n,)`` among the first 1 .. n.

    Hits with the same chance have no order: each counts as the mean of them.
    """
    order = np.argsort(-chance, kind="stable")
    ordered = chance[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=np.inf) != 0)
    sizes = np.diff(starts, append=len(ordered))
    wrong = np.repeat(np.add.reduceat(~right[order], starts, dtype=np.float64) / sizes, sizes)
    return order, np.cumsum(wrong) / np.arange(1, len(wrong) + 1)


def area_under_risk(chance: np.ndarray, right: np.ndarray, clusters: np.ndarray) -> Measure:
    """AURC: the mean of :func:`risks` (Geifman, Uziel, El-Yaniv, ICLR 2019, arXiv 1805.08206).

    It is a mean over hits in which the hit of place j weighs (1/j + ... + 1/n) / n.
    """
    order, risk = risks(chance, right)
    count = len(order)
    weights = np.empty(count)
    weights[order] = np.cumsum((1 / np.arange(1, count + 1))[::-1])[::-1] / count
    value = float(risk.mean())
    return of_influence(value, weights * (~right - value), clusters, weights)


def right_among_surest(
    chance: np.ndarray, right: np.ndarray, clusters: np.ndarray, coverage: float
) -> Measure:
    """The share of right hits among that share of all hits which is the surest."""
    order, risk = risks(chance, right)
    kept = order[: max(1, int(np.ceil(coverage * len(order) - 1e-9)))]
    found = of_mean(right[kept], clusters[kept])
    moved = 1 - float(risk[len(kept) - 1]) - found.value  # the mean over ties that were cut
    low, high = (float(np.clip(each + moved, 0, 1)) for each in (found.low, found.high))
    return Measure(found.value + moved, low, high, found.effective)
