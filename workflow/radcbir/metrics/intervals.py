"""How sure an average is, and which models differ, given a sample of patients.

Images of one patient resemble one another, so the unit is the patient, not the query (an image
whose patient is not known is a patient of its own). An average is a mean over queries (micro), or
the mean over classes of their means (macro). Everything follows from how far each patient moves it
(:class:`Average`). The methods were chosen by simulation; ``tests/unit/metrics/test_intervals.py``
repeats it.

- **Standard error**: the square root of the summed squares of these moves. Each is enlarged for
  what the patient takes away from its own deviation, as if all patients' means had the same
  variance. A class with one patient has no deviation within itself. It takes its distance from the
  mean of all classes (collapsed strata; Wolter, *Introduction to Variance Estimation*, 2007,
  section 2.5), or the deviation that patients of the other classes have, whichever is larger: it
  may be too large, but hardly too small. So every class is part of a macro average.
- **Interval of an average in [0, 1]**: Wilson's score interval with the effective sample size
  value (1 - value) / error^2, and a quantile of t in place of the normal one (the modified Wilson
  interval; Franco, Little, Louis, Slud, *J. Surv. Stat. Methodol.* 7, 2019, 334-364).
- **Effective number of patients** (Kish, *Survey Sampling*, 1965, section 11.7): 1 over the sum of
  the squared shares that patients have in the average: their number where shares are equal, less
  where a few have most. The quantile of t has one degree of freedom less than it.
- **Which models differ**: in each draw, the answers of all models change sides at random, patient by
  patient. A difference counts if few such draws give a larger one for *any* pair of models
  (:func:`swapped`). So the chance of a single wrong verdict among all pairs is at most 5 %.

These are statements about the queries. The index is fixed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import stdtrit

LEVEL = 0.95

FEWEST_FOR_INTERVAL = 3
FEWEST_FOR_VERDICT = 6
FEW = 40
"""Effective numbers of patients: below the first there is no interval, below the second no verdict
on which model is better, below the third a warning."""

NOTHING = 1e-12
"""Spreads below this are rounding."""

PATIENTS_PER_BLOCK = 4096


def patients_as_clusters(patients: pd.Series) -> tuple[np.ndarray, str]:
    """Codes ``(q,)`` from 0 of the queries' patients, and what they count: ``patient``, ``image``
    or both.

    A query without a known patient gets a code of its own.
    """
    known = patients.notna().to_numpy()
    codes = pd.factorize(patients)[0]
    codes[~known] = codes.max(initial=-1) + 1 + np.arange((~known).sum())
    if known.all():
        return codes, "patient"
    return codes, "patient, or image where unknown" if known.any() else "image"


def caution(effective: float) -> str:
    """What an effective number of patients does not allow: ``no interval``, ``no verdict``, ``few
    patients`` or nothing.
    """
    if not _at_least(effective, FEWEST_FOR_INTERVAL):
        return "no interval"
    if not _at_least(effective, FEWEST_FOR_VERDICT):
        return "no verdict"
    return "" if _at_least(effective, FEW) else "few patients"


def reading(clusters: int, unit: str, effective: Mapping[str, float]) -> str:
    """What intervals follow from and what must not be concluded, in words.

    ``clusters`` is how many patients there are, ``unit`` what they are
    (:func:`patients_as_clusters`), ``effective`` what an average runs over -> the effective number.
    """
    units = {"patient": "patients", "image": "images (no patient is known)"}.get(
        unit, "patients, or images without one"
    )
    numbers = {f"{number:.1f}" for number in effective.values()}
    equal = numbers == {f"{clusters:.1f}"}
    counted = ", ".join(f"{number:.1f} for {name}" for name, number in effective.items())
    amount = numbers.pop() if len(numbers) == 1 else counted
    found = f"{clusters:,} {units}" + ("" if equal else f", effectively {amount}")
    least = {caution(number) for number in effective.values()}
    if "no interval" in least:
        return (
            f"{found}: with fewer than {FEWEST_FOR_INTERVAL} there is no interval, and no verdict "
            "on which model is better."
        )
    found = f"95 % intervals by patient, from {found}"
    if "no verdict" in least:
        return (
            f"{found}: with fewer than {FEWEST_FOR_VERDICT}, which model is better cannot be told, "
            "and nothing is framed."
        )
    if "few patients" in least:
        return (
            f"{found}: with fewer than {FEW}, intervals may be too narrow, and most real "
            "differences stay undecided."
        )
    return f"{found}."


def _at_least(effective: float | np.ndarray, wanted: int) -> bool | np.ndarray:
    return effective >= wanted - NOTHING


def score_interval(
    value: np.ndarray, error: np.ndarray, effective: np.ndarray | np.floating
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95 % interval of averages in [0, 1] from their standard errors.

    Missing below :data:`FEWEST_FOR_INTERVAL` effective patients. Where all patients are alike, the
    standard error is 0 and tells nothing: the effective number of patients is the sample size.
    """
    value, error, effective = np.broadcast_arrays(value, error, effective)
    enough = _at_least(effective, FEWEST_FOR_INTERVAL)
    value, effective = np.clip(value, 0, 1), np.where(enough, effective, np.nan)
    spread = value * (1 - value)
    size = np.divide(spread, error**2, out=effective.copy(), where=error > NOTHING)
    squared = _quantile(effective) ** 2
    size = np.where(size > 0, size, effective)
    center = (value + squared / (2 * size)) / (1 + squared / size)
    half = np.sqrt(squared * (spread / size + squared / (4 * size**2))) / (1 + squared / size)
    unknown = np.isnan(error) | np.isnan(value)
    low, high = (
        np.where(unknown, np.nan, np.clip(each, 0, 1)) for each in (center - half, center + half)
    )
    return low, high


def _quantile(effective: np.ndarray | np.floating) -> np.ndarray:
    """Of Student's t, by the function that ``scipy.stats`` calls: that module is slow to import."""
    return stdtrit(effective - 1, (1 + LEVEL) / 2)


@dataclass(frozen=True)
class ClassMeans:
    """The means of K metrics in each of C classes, and how far each patient moves them.

    A row has the queries of one patient in one class.
    """

    value: np.ndarray
    """``(C, K)``."""
    moves: np.ndarray
    """``(rows, K)``: enlarged as the module says; 0 where a class has one patient."""
    totals: np.ndarray
    """``(rows, K)``: the sum of the values over the number of queries of the class."""
    share: np.ndarray
    """``(rows,)``: of the queries of the class."""
    starts: np.ndarray
    """``(C,)``: the first row of each class."""
    clusters: np.ndarray
    """``(rows,)``: the patient."""
    classes: np.ndarray
    """``(C,)``: the codes of the classes, rising."""

    @cached_property
    def patients(self) -> np.ndarray:
        """``(C,)``: how many patients each class has."""
        return np.diff(self.starts, append=len(self.share))

    @cached_property
    def effective(self) -> np.ndarray:
        """``(C,)``: the effective number of them."""
        return 1 / np.add.reduceat(self.share**2, self.starts)

    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends ``(C, K)`` of the interval of each mean."""
        error = np.sqrt(np.add.reduceat(self.moves**2, self.starts, axis=0))
        return score_interval(self.value, error, self.effective[:, None])


def class_means(values: np.ndarray, clusters: np.ndarray, classes: np.ndarray) -> ClassMeans:
    """The means of ``values`` ``(q, K)``, q > 0, by class; ``clusters`` and ``classes`` ``(q,)``
    are codes from 0.
    """
    order = np.lexsort((clusters, classes))
    clusters, classes = clusters[order], classes[order]
    new_class = np.diff(classes, prepend=-1) != 0
    firsts = np.flatnonzero(new_class | (np.diff(clusters, prepend=-1) != 0))
    starts = np.searchsorted(firsts, np.flatnonzero(new_class))
    sums = np.add.reduceat(values[order].astype(np.float64), firsts, axis=0)
    counts = np.diff(firsts, append=len(order)).astype(np.float64)
    patients = np.diff(starts, append=len(firsts))
    queries = np.add.reduceat(counts, starts)
    value = np.add.reduceat(sums, starts, axis=0) / queries[:, None]
    share = counts / np.repeat(queries, patients)
    # The variance of what is left of a patient's deviation from a mean that it is a part of.
    kept = 1 - 2 * share + np.repeat(np.add.reduceat(share**2, starts), patients)
    factor = np.divide(share, np.sqrt(kept), out=np.zeros_like(share), where=kept > NOTHING)
    factor[np.repeat(patients == 1, patients)] = 0
    deviation = sums / counts[:, None] - np.repeat(value, patients, axis=0)
    return ClassMeans(
        value,
        factor[:, None] * deviation,
        sums / np.repeat(queries, patients)[:, None],
        share,
        starts,
        clusters[firsts],
        classes[firsts[starts]],
    )


@dataclass(frozen=True)
class Average:
    """Averages of K metrics over queries or over classes, and how far each of G patients moves
    them.
    """

    value: np.ndarray
    """``(K,)``."""
    error: np.ndarray
    """``(K,)``: the standard errors."""
    moves: np.ndarray
    """``(G, K)``: their squares add up to those of the errors, but for classes with one patient."""
    totals: np.ndarray
    """``(G, K)``: what each patient adds to the average; their sum is the average."""
    effective: float
    """The effective number of patients, 0 without a query."""
    lone_classes: int = 0
    """How many classes of a macro average have one patient."""

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends ``(K,)`` of the interval."""
        return score_interval(self.value, self.error, np.float64(self.effective))


def average(
    values: np.ndarray,
    clusters: np.ndarray,
    classes: np.ndarray | None = None,
    count: int | None = None,
) -> Average:
    """The mean of ``values`` ``(q, K)`` over queries or, with ``classes``, over the classes' means.

    ``clusters`` and ``classes`` ``(q,)`` are codes from 0; ``count`` G is how many patients there
    are, by default as many as have a query. An unknown value (NaN) makes the average unknown.
    """
    count = int(clusters.max(initial=-1)) + 1 if count is None else count
    if not len(values):
        unknown, nothing = np.full(values.shape[1], np.nan), np.zeros((count, values.shape[1]))
        return Average(unknown, unknown, nothing, nothing, 0.0)
    found = class_means(
        values, clusters, np.zeros(len(values), dtype=np.int64) if classes is None else classes
    )
    number, value = len(found.starts), found.value.mean(axis=0)
    moves, lone = found.moves.copy(), found.patients == 1
    lacking = np.zeros_like(value)
    if number > 1 and lone.any():
        distance = (found.value[lone] - value) * np.sqrt(number / (number - 1))
        if not lone.all():
            spread = (moves**2).sum(axis=0) / (1 / found.effective[~lone]).sum()
            lacking = np.maximum(spread - distance**2, 0).sum(axis=0)
        moves[found.starts[lone]] = distance
    by_patient = _SumsByPatient(found.clusters, count)
    shares = by_patient(found.share[:, None])[:, 0] / number
    moves = by_patient(moves) / number
    return Average(
        value,
        np.sqrt((moves**2).sum(axis=0) + lacking / number**2),
        moves,
        by_patient(found.totals) / number,
        float(1 / (shares**2).sum()),
        int(lone.sum()) if classes is not None else 0,
    )


class _SumsByPatient:
    """Sums ``(G, K)`` over the rows ``(n, K)`` of each of ``count`` patients."""

    def __init__(self, clusters: np.ndarray, count: int):
        self.count, self.order = count, np.argsort(clusters, kind="stable")
        ordered = clusters[self.order]
        self.starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.present = ordered[self.starts]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        sums = np.zeros((self.count, rows.shape[1]))
        sums[self.present] = np.add.reduceat(rows[self.order], self.starts, axis=0)
        return sums


def difference_interval(
    difference: np.ndarray, moves: np.ndarray, effective: float
) -> tuple[np.ndarray, np.ndarray]:
    """The ends ``(K,)`` of the 95 % interval of differences ``(K,)`` of two averages over the same
    queries.

    ``moves`` ``(G, K)`` are the differences of how far each patient moves the two. Half the width
    is the quantile of t times the standard error; no difference is beyond -1 and 1.
    """
    if not _at_least(effective, FEWEST_FOR_INTERVAL):
        return tuple(np.full((2, *np.shape(difference)), np.nan))
    half = _quantile(np.float64(effective)) * np.sqrt((moves**2).sum(axis=0))
    return np.clip(difference - half, -1, 1), np.clip(difference + half, -1, 1)


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
