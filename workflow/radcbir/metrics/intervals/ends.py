"""The ends of intervals, and p, from values and standard errors."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from radcbir.metrics.intervals.patients import (
    FEWEST_FOR_INTERVAL,
    LEVEL,
    NOTHING,
    at_least,
    caution,
)


def quantile_of_t(effective: np.ndarray | np.floating | float, tests: int = 1) -> np.ndarray:
    """How many standard errors a two-sided interval reaches to each side: Student's t with one degree
    of freedom less than the ``effective`` number of patients.

    With several ``tests`` all their intervals together have the level (Bonferroni). It is the
    function that ``scipy.stats`` calls: that module is slow to import.
    """
    return stdtrit(effective - 1, 1 - (1 - LEVEL) / 2 / tests)


def score_interval(
    value: np.ndarray, error: np.ndarray, effective: np.ndarray | np.floating
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95 % interval of averages in [0, 1] from their standard errors.

    Missing below :data:`FEWEST_FOR_INTERVAL` effective patients. Where all patients are alike, the
    standard error is 0 and tells nothing: the effective number of patients is the sample size.
    """
    value, error, effective = np.broadcast_arrays(value, error, effective)
    enough = at_least(effective, FEWEST_FOR_INTERVAL)
    value, effective = np.clip(value, 0, 1), np.where(enough, effective, np.nan)
    spread = value * (1 - value)
    size = np.divide(spread, error**2, out=effective.copy(), where=error > NOTHING)
    squared = quantile_of_t(effective) ** 2
    size = np.where(size > 0, size, effective)
    center = (value + squared / (2 * size)) / (1 + squared / size)
    half = np.sqrt(squared * (spread / size + squared / (4 * size**2))) / (1 + squared / size)
    unknown = np.isnan(error) | np.isnan(value)
    low, high = (
        np.where(unknown, np.nan, np.clip(each, 0, 1)) for each in (center - half, center + half)
    )
    return low, high


def difference_interval(
    difference: np.ndarray, moves: np.ndarray, effective: float
) -> tuple[np.ndarray, np.ndarray]:
    """The ends ``(K,)`` of the 95 % interval of differences ``(K,)`` of two averages over the same
    queries.

    ``moves`` ``(G, K)`` are the differences of how far each patient moves the two. Half the width
    is the quantile of t times the standard error; no difference is beyond -1 and 1.

    Where effectively fewer than :data:`FEWEST_FOR_INTERVAL` patients move the difference, the
    standard error rests on them alone, and is 0 where there is none. The variance is then enlarged
    as if there were two further patients, one for each of the two (Bonett, Price, *J. Educ. Behav.
    Stat.* 37, 2012, 479-488), who differ as much as the patient that moves the difference most, or
    by 1 where nobody does.
    """
    if not at_least(effective, FEWEST_FOR_INTERVAL):
        return tuple(np.full((2, *np.shape(difference)), np.nan))
    squared = (moves**2).sum(axis=0)
    none = squared < NOTHING**2
    fourth = np.where(none, 1, (moves**4).sum(axis=0))
    few = ~at_least(np.where(none, 0, squared**2 / fourth), FEWEST_FOR_INTERVAL)
    most = np.minimum(1, effective * np.abs(moves).max(axis=0, initial=0))
    further = np.sqrt(2) / (effective + 2) * np.where(none, 1, most)
    error = np.sqrt(np.where(few, squared + further**2, squared))
    half = quantile_of_t(np.float64(effective)) * error
    return np.clip(difference - half, -1, 1), np.clip(difference + half, -1, 1)


def standard_error(moves: np.ndarray, number: int | np.integer) -> float:
    """Of a value that ``number`` G of patients move by ``moves`` (0 for any others), which add up to
    about 0: the root of their summed squares, times G / (G - 1).
    """
    return float(np.sqrt((moves**2).sum() * number / max(number - 1, 1)))


def least_error(value: float, error: float, effective: float) -> float:
    """The standard error of a share, or what its score interval makes of it where that is more: near
    0 and 1 few patients may be all alike, and the error is then too small or 0.

    Missing where patients are too few for an interval.
    """
    low, high = score_interval(np.array(value), np.array(error), np.array(effective))
    return float(np.maximum(error, (high - low) / 2 / quantile_of_t(effective)))


@dataclass(frozen=True)
class Side:
    """One side of a difference between different queries."""

    value: float
    """A share."""
    moves: np.ndarray
    """``(G,)``: how far each patient moves it, 0 where a patient takes no part."""
    effective: float
    """The effective number of patients."""


def compared(one: Side, other: Side, tests: int = 1) -> tuple[float, float, float]:
    """The 95 % interval of the difference of the shares of two groups of queries, and its p.

    By Student's t, with one degree of freedom less than the smaller effective number of patients.
    Patients may be on both sides. Near 0 and 1 the standard error of each side is
    :func:`least_error`. Interval and p are for so many ``tests`` at once (Bonferroni). All are
    missing where patients are too few for an interval, p alone where they are too few for a verdict.
    """
    difference, effective = one.value - other.value, min(one.effective, other.effective)
    found = caution(effective)
    if found == "no interval":
        return np.nan, np.nan, np.nan
    moves = one.moves - other.moves
    squared = standard_error(moves, np.count_nonzero(moves)) ** 2
    for side in (one, other):
        own = standard_error(side.moves, np.count_nonzero(side.moves))
        squared += least_error(side.value, own, side.effective) ** 2 - own**2
    error = np.sqrt(squared)
    half = quantile_of_t(effective, tests) * error
    low, high = np.clip([difference - half, difference + half], -1, 1)
    if found == "no verdict":
        return low, high, np.nan
    return low, high, min(1.0, tests * 2 * float(stdtr(effective - 1, -abs(difference) / error)))
