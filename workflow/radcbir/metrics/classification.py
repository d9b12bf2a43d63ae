"""The metrics of any classifier, from its probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.metrics.calibration import calibration_error, reliability
from radcbir.metrics.intervals import average

METRICS = [
    ("roc_auc", "micro"),
    ("roc_auc", "macro"),
    ("f1", "micro"),
    ("f1", "macro"),
    ("precision", "macro"),
    ("recall", "macro"),
    ("accuracy", "micro"),
    ("balanced_accuracy", "macro"),
    ("calibration_error", "micro"),
]
"""Metric and average of every row that a classifier gets, in this order."""


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of ``q`` queries: the probabilities as a list of those that are not
    zero.

    Counts of votes can replace probabilities where every query has the same number of votes: the
    ranking is the same.
    """

    labels: np.ndarray
    """``(q,)`` int: the true class of each query, or -1 for a query that is not to be counted."""
    predicted: np.ndarray
    """``(q,)`` int: the class with the highest probability, -1 where no class has one."""
    confidence: np.ndarray
    """``(q,)`` float64: its probability."""
    entry_query: np.ndarray
    """``(e,)`` int: the query of each listed probability."""
    entry_class: np.ndarray
    """``(e,)`` int: its class."""
    entry_value: np.ndarray
    """``(e,)``: its value, 0 or more: a probability, or a count of votes as an integer."""


def from_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> Predictions:
    """The predictions of a matrix ``(q, C)`` of probabilities; of equal ones the first class is
    predicted.
    """
    queries, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    return Predictions(
        labels=labels,
        predicted=predicted,
        confidence=probabilities[np.arange(queries), predicted].astype(np.float64),
        entry_query=np.repeat(np.arange(queries, dtype=np.int32), classes),
        entry_class=np.tile(np.arange(classes, dtype=np.int32), queries),
        entry_value=probabilities.ravel(),
    )


def classification_metrics(predictions: Predictions, classes: int) -> dict[tuple[str, str], float]:
    """The :data:`METRICS` by name and average. ``classes`` C is how many classes the classifier
    knows.

    Queries whose label is -1 are left out. NaN where there is nothing to average, or where a
    ROC-AUC has no negatives.
    """
    counted = predictions.labels >= 0
    labels, predicted = predictions.labels[counted], predictions.predicted[counted]
    confidence = predictions.confidence[counted]
    width = (
        int(
            max(
                labels.max(initial=-1),
                predicted.max(initial=-1),
                predictions.entry_class.max(initial=-1),
            )
        )
        + 1
    )
    positives = np.bincount(labels, minlength=width)
    if not len(labels) or (predicted < 0).any():
        return dict.fromkeys(METRICS, np.nan)
    right = labels == predicted
    true_positives = np.bincount(labels[right], minlength=width)
    present = positives > 0
    called = np.bincount(predicted, minlength=width)[present]
    positives_here, true_here = positives[present], true_positives[present]
    precision = np.divide(true_here, called, out=np.zeros(len(called)), where=called > 0)
    recall = true_here / positives_here
    micro_auc, class_auc = _roc_aucs(predictions, counted, positives, classes)
    values = [
        micro_auc,
        np.nanmean(class_auc[present]) if np.isfinite(class_auc[present]).any() else np.nan,
        right.mean(),
        (2 * true_here / (called + positives_here)).mean(),
        precision.mean(),
        recall.mean(),
        right.mean(),
        recall.mean(),
        calibration_error(reliability(confidence, right)),
    ]
    return dict(zip(METRICS, map(float, values), strict=True))


MEANS_OF_RIGHT = {
    ("f1", "micro"): "micro",
    ("accuracy", "micro"): "micro",
    ("recall", "macro"): "macro",
    ("balanced_accuracy", "macro"): "macro",
}
"""The metrics that are means of whether a query is right, over queries or over classes."""


def with_intervals(
    table: pd.DataFrame, predictions: Predictions, clusters: np.ndarray
) -> pd.DataFrame:
    """A table of metrics (columns metric, average) with low, high and effective_patients: the 95 %
    interval by patient of those in :data:`MEANS_OF_RIGHT`. The others have none.

    ``clusters`` ``(q,)`` are codes of the queries' patients.
    """
    counted = predictions.labels >= 0
    labels = predictions.labels[counted]
    right = (predictions.predicted[counted] == labels).astype(np.float64)[:, None]
    patients = np.unique(clusters[counted], return_inverse=True)[1]
    classes = np.unique(labels, return_inverse=True)[1]
    ends = {}
    for kind, grouped in (("micro", None), ("macro", classes)):
        found = average(right, patients, grouped)
        low, high = found.interval()
        ends[kind] = float(low[0]), float(high[0]), found.effective
    kinds = [MEANS_OF_RIGHT.get(key) for key in zip(table["metric"], table["average"], strict=True)]
    columns = ("low", "high", "effective_patients")
    rows = [ends[kind] if kind else (np.nan,) * len(columns) for kind in kinds]
    return table.assign(**dict(zip(columns, np.array(rows).reshape(-1, 3).T, strict=True)))


def classification_counts(labels: np.ndarray, known: np.ndarray) -> dict[str, int]:
    """The counts behind the metrics: ``labels`` ``(q,)`` as in :class:`Predictions`, ``known``
    classes of the classifier.
    """
    asked = np.unique(labels[labels >= 0])
    return {
        "queries": int((labels >= 0).sum()),
        "queries_without_relevant": int((labels < 0).sum()),
        "classes": len(asked),
        "classes_without_queries": len(np.setdiff1d(known, asked)),
    }


def _roc_aucs(
    predictions: Predictions, counted: np.ndarray, positives: np.ndarray, classes: int
) -> tuple[float, np.ndarray]:
    """ROC-AUC over all pairs of query and class, and of each class ``(width,)``, NaN without
    positives or negatives.

    The area is the share of pairs of a positive and a negative that are in the right order; ties
    count half (Mann-Whitney). Probabilities that are not listed are 0. Pairs are counted in
    whole numbers, so the areas are exact up to the last division.
    """
    queries, width = int(positives.sum()), len(positives)
    kept = counted[predictions.entry_query] & (predictions.entry_value > 0)
    entry_class, value = predictions.entry_class[kept], predictions.entry_value[kept]
    positive = predictions.labels[predictions.entry_query[kept]] == entry_class
    # Entries of the same class and value are one group, by class and rising value.
    if value.dtype.kind in "iu":
        levels = int(value.max(initial=0)) + 1
        key = entry_class.astype(np.int64) * levels + value
        members = np.bincount(key, minlength=width * levels)
        groups = np.flatnonzero(members)
        members, right = (
            members[groups],
            np.bincount(key[positive], minlength=width * levels)[groups],
        )
        group_class, group_value = np.divmod(groups, levels)
    else:
        order = np.lexsort((value, entry_class))
        entry_class, value, positive = entry_class[order], value[order], positive[order]
        first = np.ones(len(value), dtype=bool)
        first[1:] = (value[1:] != value[:-1]) | (entry_class[1:] != entry_class[:-1])
        starts = np.flatnonzero(first)
        members = np.diff(np.append(starts, len(value)))
        right = (
            np.add.reduceat(positive, starts, dtype=np.int64)
            if len(starts)
            else np.zeros(0, dtype=np.int64)
        )
        group_class, group_value = entry_class[starts], value[starts]
    class_auc = _areas(group_class, right, members - right, positives, queries - positives)
    values, level = np.unique(group_value, return_inverse=True)
    right_of_level = np.bincount(level, right, minlength=len(values)).astype(np.int64)
    wrong_of_level = np.bincount(level, members - right, minlength=len(values)).astype(np.int64)
    everything = np.array([queries]), np.array([queries * (classes - 1)])
    micro_auc = _areas(
        np.zeros(len(values), dtype=np.int64), right_of_level, wrong_of_level, *everything
    )
    return float(micro_auc[0]), class_auc


def _areas(
    group_class: np.ndarray,
    right: np.ndarray,
    wrong: np.ndarray,
    positives: np.ndarray,
    negatives: np.ndarray,
) -> np.ndarray:
    """The area per class ``(C,)`` from groups ``(g,)`` of equal values above 0, sorted by class,
    then by value.

    ``right`` and ``wrong`` are the positives and negatives of each group; the rest of ``positives``
    and ``negatives`` ``(C,)`` has the value 0.
    """
    width = len(positives)
    zero_right = positives - np.bincount(group_class, right, minlength=width).astype(np.int64)
    zero_wrong = negatives - np.bincount(group_class, wrong, minlength=width).astype(np.int64)
    before = np.cumsum(wrong) - wrong
    first = np.searchsorted(group_class, np.arange(width))
    below = before - np.append(before, 0)[first][group_class] + zero_wrong[group_class]
    twice = (
        np.bincount(group_class, right * (2 * below + wrong), minlength=width)
        + zero_right * zero_wrong
    )
    pairs = 2.0 * positives * negatives
    return np.divide(twice, pairs, out=np.full(width, np.nan), where=pairs > 0)


def in_front(table: pd.DataFrame, values: Mapping[str, object]) -> pd.DataFrame:
    """The table with constant columns in front."""
    return pd.concat([pd.DataFrame(dict(values), index=table.index), table], axis=1)
