"""Several tests at once: the chance of a single wrong verdict stays at 5 %."""

import numpy as np

from radcbir.metrics.intervals.patients import NOTHING

PATIENTS_PER_BLOCK = 4096


def drawn_signs(arrays: list[np.ndarray], resamples: int, seed: int) -> list[np.ndarray]:
    """Sums over patients of ``arrays`` ``(G, K)`` in which each patient's row keeps or changes its
    sign.

    Returns ``(resamples, K)`` for each array. All see the same signs, which are drawn with equal
    chances. Memory follows :data:`PATIENTS_PER_BLOCK`, not the number of patients.
    """
    random = np.random.default_rng(seed)
    patients = len(arrays[0])
    sums = [np.zeros((resamples, each.shape[1])) for each in arrays]
    for start in range(0, patients, PATIENTS_PER_BLOCK):
        block = slice(start, min(start + PATIENTS_PER_BLOCK, patients))
        size = resamples, block.stop - start
        signs = 1.0 - 2.0 * random.integers(0, 2, size, dtype=np.int8)
        for total, each in zip(sums, arrays, strict=True):
            total += signs @ each[block]
    return sums


def swapped(
    totals: np.ndarray, drawn: np.ndarray, one: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Adjusted p values ``(pairs, K)`` of the differences between models ``one`` and ``other``
    ``(pairs,)``.

    ``totals`` ``(G, M, K)`` is what each patient adds to the averages of M models, ``drawn``
    ``(resamples, M, K)`` the sums of :func:`drawn_signs`. If two models were equally good, it would
    not matter which of the two gave which answers of a patient: the patient's difference could as
    well have the other sign. The statistic of a pair is the absolute difference over the root of
    the patients' summed squares; p is the share of draws (and the data themselves) whose largest
    statistic among *all* pairs is as large (the maximum test; Westfall and Young,
    *Resampling-Based Multiple Testing*, 1993; Winkler et al., *NeuroImage* 92, 2014, 381-397).
    """
    scale = np.empty((len(one), totals.shape[2]))
    for place, (left, right) in enumerate(zip(one, other, strict=True)):
        scale[place] = np.sqrt(((totals[:, left] - totals[:, right]) ** 2).sum(axis=0))
    observed = np.abs(totals.sum(axis=0)[one] - totals.sum(axis=0)[other])
    largest = np.zeros((len(drawn), totals.shape[2]))
    for place, (left, right) in enumerate(zip(one, other, strict=True)):
        difference = np.abs(drawn[:, left] - drawn[:, right])
        np.maximum(largest, _over(difference, scale[place]), out=largest)
    reached = np.zeros(scale.shape)
    statistics = _over(observed, scale)
    for place, statistic in enumerate(statistics):
        reached[place] = (largest >= statistic * (1 - 1e-9)).sum(axis=0)
    unknown = np.isnan(observed)
    return np.where(unknown, np.nan, (1 + reached) / (1 + len(drawn)))


def _over(difference: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The quotient, 0 where no patient tells two models apart."""
    apart = np.broadcast_to(scale > NOTHING, difference.shape)
    return np.divide(difference, scale, out=np.zeros_like(difference), where=apart)


def holm(chances: np.ndarray) -> np.ndarray:
    """The p values ``(n,)`` of a family, adjusted (Holm, *Scandinavian Journal of Statistics* 6, 1979,
    65-70). NaN is no test and stays.
    """
    adjusted, known = chances.copy(), np.flatnonzero(~np.isnan(chances))
    order = known[np.argsort(chances[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(chances[order] * factors))
    return adjusted


def pairs_of(members: int) -> int:
    """How many pairs a family of all against all has (Bonferroni)."""
    return members * (members - 1) // 2
