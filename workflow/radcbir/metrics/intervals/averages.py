"""Means over queries (micro) and over classes (macro), and how far each patient moves them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radcbir.metrics.intervals.ends import score_interval
from radcbir.metrics.intervals.patients import NOTHING


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
