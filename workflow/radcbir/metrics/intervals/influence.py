"""Values that are no means: how far each query moves them, to first order, and their intervals."""

from dataclasses import dataclass

import numpy as np

from radcbir.metrics.intervals.averages import average
from radcbir.metrics.intervals.ends import score_interval, standard_error
from radcbir.metrics.intervals.patients import effective_patients


@dataclass(frozen=True)
class Measure:
    """A value in [0, 1] with its 95 % interval (NaN where patients are too few)."""

    value: float
    low: float
    high: float
    effective: float
    """The effective number of patients."""


def of_mean(values: np.ndarray, clusters: np.ndarray) -> Measure:
    """The mean of ``values`` ``(n,)`` in [0, 1] of patients ``clusters`` ``(n,)``, codes from 0."""
    found = average(values[:, None].astype(np.float64), np.unique(clusters, return_inverse=True)[1])
    (low,), (high,) = found.interval()
    return Measure(float(found.value[0]), float(low), float(high), found.effective)


def of_influence(
    value: float, influence: np.ndarray, clusters: np.ndarray, weights: np.ndarray | None = None
) -> Measure:
    """A value whose error is the sum of the influences ``(n,)``, which add up to about 0.

    The squared standard error is G / (G - 1) times the sum of the squares of the G patients' sums.
    ``weights`` ``(n,)`` are the queries' shares in the value, by default equal.
    """
    moves = np.bincount(np.unique(clusters, return_inverse=True)[1], influence)
    effective = effective_patients(clusters, weights)
    low, high = score_interval(
        np.array(value), np.array(standard_error(moves, len(moves))), np.array(effective)
    )
    return Measure(float(value), float(low), float(high), effective)
