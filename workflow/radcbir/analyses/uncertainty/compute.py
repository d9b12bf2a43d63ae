"""How sure a figure is: intervals by patient, paired differences between models, and how often each
ranks first.

What is concluded from the patients is in :mod:`radcbir.metrics.intervals`. All models see the same
draws, so that differences are paired. They speak of the queries; the index is taken as given.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.metrics import registry
from radcbir.metrics.intervals import (
    ERROR_RATE,
    Average,
    average,
    caution,
    difference_interval,
    drawn_signs,
    patients_as_clusters,
    swapped,
)

METRICS = tuple(metric.name for metric in registry.METRICS if metric.interval)
"""The metrics of one query whose averages get an interval."""

AVERAGES = ("micro", "macro")

KEYS = ["query_split", "neighbors", "metric", "average"]


def share_first(resampled: np.ndarray) -> np.ndarray:
    """Per model the share of resamples ``(resamples, models)`` in which it ranks first; models that
    tie share it.
    """
    first = resampled == resampled.max(axis=1, keepdims=True)
    return (first / first.sum(axis=1, keepdims=True)).mean(axis=0)


def mean_rank(resampled: np.ndarray) -> np.ndarray:
    """Per model its mean rank over the resamples ``(resamples, models)``, 1 the best; ties get the
    mean of their ranks.
    """
    better = (resampled[:, None, :] > resampled[:, :, None]).sum(axis=2)
    alike = (resampled[:, None, :] == resampled[:, :, None]).sum(axis=2)
    return (1 + better + (alike - 1) / 2).mean(axis=0)


@dataclass(frozen=True)
class Answers:
    """The queries of one split and variant that any of M models answered, by id."""

    values: np.ndarray
    """``(q, M, K)``: the metrics, NaN where a model did not answer."""
    answered: np.ndarray
    """``(q, M)`` bool."""
    labels: np.ndarray
    """``(q,)`` codes."""
    clusters: np.ndarray
    """``(q,)`` codes of the patients."""
    unit: str

    @property
    def patients(self) -> int:
        """How many patients have a query."""
        return int(self.clusters.max(initial=-1)) + 1

    def averages(self, kind: str, rows: np.ndarray, models: slice | int) -> Average:
        """The averages of all metrics of some models, side by side, over some of the queries."""
        values = self.values[rows, models]
        values = values.reshape(len(values), math.prod(values.shape[1:]))
        classes = self.labels[rows] if kind == "macro" else None
        return average(values, self.clusters[rows], classes, self.patients)


def bootstrap(
    per_query: Mapping[str, pd.DataFrame], patients: pd.Series, resamples: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Intervals, paired differences and ranks of all models, for each query split and variant of
    neighbors.

    ``per_query`` maps each model to its ``per_query.parquet``, ``patients`` the id of an image to
    its patient (missing where unknown: that image is then a patient of its own).

    Returns three tidy tables with the columns query_split, neighbors, metric, average, then

    - intervals: model, value, low, high, queries (the model's own), resampled (what counts as a
      patient), clusters (how many there are), effective_clusters (Kish's number of them in this
      average), lone_classes (classes with one patient), caution
      (:func:`~radcbir.metrics.intervals.caution`); common_value, common_low, common_high,
      common_queries: the same over the queries that *all* models answered; lacking_queries: those
      that another model answered and this one did not;
    - differences: model, other, difference (model minus other), low, high, distinguishable (the
      interval of this pair alone leaves 0 out), queries, model_only, other_only: over the queries
      that all models answered; what else each of the two answered is counted; p_adjusted (for all
      pairs of this metric and average), effective_clusters, verdict: ``better``, ``worse`` (of the
      model against the other), ``undecided``, or ``too few patients``;
    - ranks: model, first (share of resamples in which it is the best), mean_rank, queries,
      effective_clusters: over the same queries; missing where patients are too few for a verdict.
    """
    models = list(per_query)
    tables: dict[str, list[pd.DataFrame]] = {"intervals": [], "differences": [], "ranks": []}
    first = per_query[models[0]]
    for split, variant in (
        first[["query_split", "neighbors"]].drop_duplicates().itertuples(index=False)
    ):
        answers = _answers(per_query, patients, split, variant)
        for kind in AVERAGES:
            keys = {"query_split": split, "neighbors": variant, "average": kind}
            common = answers.averages(kind, np.all(answers.answered, axis=1), slice(None))
            found = (
                _intervals(answers, kind, common, models),
                *_compared(answers, common, models, resamples, seed),
            )
            for name, table in zip(tables, found, strict=True):
                tables[name].append(table.assign(**keys))
    intervals, differences, ranks = (_stacked(parts) for parts in tables.values())
    return intervals, differences, ranks


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True)
    return table[[*KEYS, *(each for each in table if each not in KEYS)]]


def _intervals(answers: Answers, kind: str, common: Average, models: list[str]) -> pd.DataFrame:
    """The table of intervals of one average: a row per metric and model."""
    everyone = int(answers.answered.all(axis=1).sum())
    shape = len(models), len(METRICS)
    ends = [each.reshape(shape) for each in (common.value, *common.interval())]
    tables = []
    for place, model in enumerate(models):
        rows = answers.answered[:, place]
        own, own_ends = common, [each[place] for each in ends]
        if rows.sum() != everyone:
            own = answers.averages(kind, rows, place)
            own_ends = [own.value, *own.interval()]
        tables.append(
            pd.DataFrame(
                {
                    "metric": [registry.averaged_name(metric) for metric in METRICS],
                    "model": model,
                    **dict(zip(("value", "low", "high"), own_ends, strict=True)),
                    "queries": int(rows.sum()),
                    "resampled": answers.unit,
                    "clusters": answers.patients,
                    "effective_clusters": own.effective,
                    "lone_classes": own.lone_classes,
                    "caution": caution(own.effective),
                    "common_value": ends[0][place],
                    "common_low": ends[1][place],
                    "common_high": ends[2][place],
                    "common_queries": everyone,
                    "lacking_queries": len(rows) - int(rows.sum()),
                }
            )
        )
    table = pd.concat(tables)
    return table.sort_index(kind="stable").reset_index(drop=True)


def _compared(
    answers: Answers, common: Average, models: list[str], resamples: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of differences and of ranks of one average: metric by metric."""
    shape = -1, len(models), len(METRICS)
    value = common.value.reshape(shape)[0]
    moves, totals = (each.reshape(shape) for each in (common.moves, common.totals))
    signed = [
        each.reshape(shape) for each in drawn_signs([common.totals, common.moves], resamples, seed)
    ]
    one, other = np.triu_indices(len(models), 1)
    difference = value[one] - value[other]
    ends = np.empty((2, *difference.shape))
    for place, (left, right) in enumerate(zip(one, other, strict=True)):
        ends[:, place] = difference_interval(
            difference[place], moves[:, left] - moves[:, right], common.effective
        )
    low, high = ends
    p = swapped(totals, signed[0], one, other)
    judged = caution(common.effective) in ("", "few patients")
    apart = (low > 0) | (high < 0)
    verdict = np.full(difference.shape, "undecided", dtype=object)
    sure = apart & (p <= ERROR_RATE)
    verdict[sure] = np.where(difference[sure] > 0, "better", "worse")
    if not judged:
        verdict[:] = "too few patients"
    # Matrix products may differ in the last bits between columns that are alike: models that tie
    # have to tie exactly.
    drawn = np.round(value + signed[1], 12)
    everyone = int(answers.answered.all(axis=1).sum())
    only = answers.answered.sum(axis=0) - everyone
    names = np.array(models, dtype=object)
    differences, ranks = [], []
    for place, metric in enumerate(METRICS):
        about = {"metric": registry.averaged_name(metric)}
        counts = {"queries": everyone, "effective_clusters": common.effective}
        columns = {
            "model": names[one],
            "other": names[other],
            "difference": difference[:, place],
            "low": low[:, place],
            "high": high[:, place],
            "distinguishable": apart[:, place],
            "model_only": only[one],
            "other_only": only[other],
            "p_adjusted": p[:, place],
            "verdict": verdict[:, place],
        }
        differences.append(pd.DataFrame(columns).assign(**about, **counts))
        known = judged and np.isfinite(drawn[:, :, place]).all()
        shares = {
            "first": share_first(drawn[:, :, place]) if known else np.nan,
            "mean_rank": mean_rank(drawn[:, :, place]) if known else np.nan,
        }
        ranks.append(pd.DataFrame({"model": models} | shares).assign(**about, **counts))
    return pd.concat(differences), pd.concat(ranks)


def _answers(
    per_query: Mapping[str, pd.DataFrame], patients: pd.Series, split: str, variant: str
) -> Answers:
    """Line the tables of the models up by query."""
    parts = []
    for table in per_query.values():
        here = table[(table["query_split"] == split) & (table["neighbors"] == variant)]
        parts.append(here.set_index("query"))
    ids = np.unique(np.concatenate([part.index.to_numpy() for part in parts]))
    values = np.full((len(ids), len(parts), len(METRICS)), np.nan)
    answered = np.zeros((len(ids), len(parts)), dtype=bool)
    label = pd.Series(index=ids, dtype=object)
    for place, part in enumerate(parts):
        rows = np.searchsorted(ids, part.index.to_numpy())
        values[rows, place] = part[list(METRICS)].to_numpy(float)
        answered[rows, place] = part["relevant_in_index"].to_numpy() > 0
        label.iloc[rows] = part["label"].to_numpy(object)
    asked = np.any(answered, axis=1)
    clusters, unit = patients_as_clusters(patients.reindex(ids[asked]))
    labels = pd.factorize(label[asked], sort=True)[0]
    return Answers(values[asked], answered[asked], labels, clusters, unit)
