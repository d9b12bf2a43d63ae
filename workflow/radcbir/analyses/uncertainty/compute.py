"""How sure a figure is: bootstrap intervals by patient, paired differences between models, and how
often each ranks first.

Images of one patient resemble one another, so patients are resampled, not queries: each resample
draws as many patients as there are, with replacement, and takes all their queries along (the
cluster bootstrap; Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section
3.8). Intervals are 95 % percentile intervals. All models see the same resamples, so that
differences are paired. They speak of the queries; the index is taken as given.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from radcbir.metrics import registry

METRICS = tuple(metric.name for metric in registry.METRICS if metric.interval)
"""The metrics of one query whose averages get an interval."""

LEVEL = 0.95

RESAMPLES_PER_BLOCK = 50


def resampled_means(
    values: np.ndarray,
    answered: np.ndarray,
    labels: np.ndarray,
    clusters: np.ndarray,
    resamples: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Micro and macro means ``(resamples, models, metrics)`` of resampled clusters.

    ``values`` ``(q, models, metrics)`` are the queries' metrics, ``answered`` ``(q, models)`` bool
    says which of them count, ``labels`` and ``clusters`` ``(q,)`` are codes from 0. A query counts
    as often as its cluster was drawn. The macro mean is the mean over the classes that the resample
    holds (of the model's answered queries). A class, not a query, is a step of the loop; beside the
    arguments, memory follows q x :data:`RESAMPLES_PER_BLOCK` numbers.
    """
    queries, models, metrics = values.shape
    order = np.lexsort((clusters, labels))
    new = (np.diff(labels[order], prepend=-1) != 0) | (np.diff(clusters[order], prepend=-1) != 0)
    # A metric and the count of queries side by side: one matrix product per class gives numerators
    # and denominators.
    counted = np.concatenate([values, np.ones((queries, models, 1))], axis=2)
    columns = np.where(answered[:, :, None], counted, 0.0).reshape(queries, -1)[order]
    # Queries of one class and cluster are drawn together: they are summed once.
    columns, cluster = np.add.reduceat(columns, np.flatnonzero(new), axis=0), clusters[order][new]
    bounds = np.flatnonzero(np.diff(labels[order][new], prepend=-1, append=np.iinfo(np.int64).max))
    count = int(clusters.max(initial=-1)) + 1
    random = np.random.default_rng(seed)
    micro, macro = np.empty((2, resamples, models, metrics))
    for start in range(0, resamples, RESAMPLES_PER_BLOCK):
        block = slice(start, min(start + RESAMPLES_PER_BLOCK, resamples))
        drawn = np.stack(
            [
                np.bincount(random.integers(0, count, count), minlength=count)
                for _ in range(start, block.stop)
            ],
            axis=1,
        ).astype(np.float64)
        total = np.zeros((drawn.shape[1], models, metrics + 1))
        class_means, classes = (
            np.zeros((len(total), models, metrics)),
            np.zeros((len(total), models, 1)),
        )
        for first, end in itertools.pairwise(bounds):
            sums = (drawn[cluster[first:end]].T @ columns[first:end]).reshape(total.shape)
            total += sums
            present = sums[:, :, -1:] > 0
            class_means += np.divide(
                sums[:, :, :-1], sums[:, :, -1:], out=np.zeros_like(class_means), where=present
            )
            classes += present
        micro[block], macro[block] = (
            _mean(total[:, :, :-1], total[:, :, -1:]),
            _mean(class_means, classes),
        )
    return micro, macro


def interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95 % percentile interval along the first axis."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return low, high


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


def bootstrap(
    per_query: Mapping[str, pd.DataFrame], patients: pd.Series, resamples: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Intervals, paired differences and ranks of all models, for each query split and variant of
    neighbors.

    ``per_query`` maps each model to its ``per_query.parquet``, ``patients`` the id of an image to
    its patient (missing where unknown: that image is then a patient of its own).

    Returns three tidy tables with the columns query_split, neighbors, metric, average, then

    - intervals: model, value, low, high, queries (the model's own), resampled (what was resampled),
      clusters (how many);
    - differences: model, other, difference (model minus other), low, high, distinguishable (the
      interval leaves 0 out), queries, model_only, other_only: over the queries that *all* models
      answered; what else each of the two answered is counted;
    - ranks: model, first (share of resamples in which it is the best), mean_rank, queries: over the
      same queries.

    With fewer than two clusters there is nothing to resample and the intervals are missing.
    """
    names = [registry.averaged_name(metric) for metric in METRICS]
    models = list(per_query)
    tables: dict[str, list[pd.DataFrame]] = {"intervals": [], "differences": [], "ranks": []}
    first = per_query[models[0]]
    for split, variant in (
        first[["query_split", "neighbors"]].drop_duplicates().itertuples(index=False)
    ):
        values, answered, labels, cluster_of, unit = _aligned(per_query, patients, split, variant)
        clusters = int(cluster_of.max(initial=-1)) + 1
        common = answered.all(axis=1)
        own = _averages(values, answered, labels, cluster_of, resamples, seed)
        paired = own
        if not (answered == common[:, None]).all():
            all_answered = np.repeat(common[:, None], len(models), axis=1)
            paired = _averages(values, all_answered, labels, cluster_of, resamples, seed)
        for average in ("micro", "macro"):
            estimate, drawn = own[average]
            low, high = interval(drawn)
            common_estimate, common_drawn = paired[average]
            for place, metric in enumerate(names):
                keys = {
                    "query_split": split,
                    "neighbors": variant,
                    "metric": metric,
                    "average": average,
                }
                tables["intervals"].append(
                    pd.DataFrame(
                        keys
                        | {"model": models, "value": estimate[:, place], "low": low[:, place]}
                        | {"high": high[:, place], "queries": answered.sum(axis=0)}
                        | {"resampled": unit, "clusters": clusters}
                    )
                )
                tables["differences"].append(
                    _differences(
                        common_estimate[:, place], common_drawn[:, :, place], models, answered
                    ).assign(**keys)
                )
                known = np.isfinite(common_drawn[:, :, place]).all()
                tables["ranks"].append(
                    pd.DataFrame(
                        keys
                        | {"model": models}
                        | {"first": share_first(common_drawn[:, :, place]) if known else np.nan}
                        | {"mean_rank": mean_rank(common_drawn[:, :, place]) if known else np.nan}
                        | {"queries": int(common.sum())}
                    )
                )
    intervals, differences, ranks = (
        pd.concat(parts, ignore_index=True) for parts in tables.values()
    )
    keys = ["query_split", "neighbors", "metric", "average"]
    return (
        intervals,
        differences[[*keys, *(each for each in differences if each not in keys)]],
        ranks,
    )


def _differences(
    estimate: np.ndarray, drawn: np.ndarray, models: list[str], answered: np.ndarray
) -> pd.DataFrame:
    """The pairs of models: ``estimate`` ``(models,)`` and ``drawn`` ``(resamples, models)`` of the
    common queries.
    """
    one, other = np.triu_indices(len(models), 1)
    low, high = interval(drawn[:, one] - drawn[:, other])
    only = answered.sum(axis=0) - answered.all(axis=1).sum()
    return pd.DataFrame(
        {
            "model": np.array(models, dtype=object)[one],
            "other": np.array(models, dtype=object)[other],
            "difference": estimate[one] - estimate[other],
            "low": low,
            "high": high,
            "distinguishable": (low > 0) | (high < 0),
            "queries": int(answered.all(axis=1).sum()),
            "model_only": only[one],
            "other_only": only[other],
        }
    )


def _aligned(
    per_query: Mapping[str, pd.DataFrame], patients: pd.Series, split: str, variant: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str]:
    """Values, answered, labels and clusters for :func:`resampled_means`, over all queries of any
    model, by id.
    """
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
    asked = answered.any(axis=1)
    patient = patients.reindex(ids[asked])
    known = patient.notna().to_numpy()
    codes = pd.factorize(patient)[0]
    codes[~known] = codes.max(initial=-1) + 1 + np.arange((~known).sum())
    unit = (
        "patient"
        if known.all()
        else "image"
        if not known.any()
        else "patient, or image where unknown"
    )
    return values[asked], answered[asked], pd.factorize(label[asked], sort=True)[0], codes, unit


def _averages(
    values: np.ndarray,
    answered: np.ndarray,
    labels: np.ndarray,
    clusters: np.ndarray,
    resamples: int,
    seed: int,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Estimates ``(models, metrics)`` and resampled means ``(resamples, models, metrics)``, micro
    and macro.

    A metric that is unknown for an answered query (a list too short to tell) is unknown on average,
    as in the summary.
    """
    unknown = (np.isnan(values) & answered[:, :, None]).any(axis=0)
    filled = np.nan_to_num(values)
    counts = answered.sum(axis=0)[:, None]
    kept = np.where(answered[:, :, None], filled, 0.0)
    shape = (int(labels.max(initial=-1)) + 1, *kept.shape[1:])
    sums, sizes = np.zeros(shape), np.zeros((*shape[:2], 1))
    np.add.at(sums, labels, kept)
    np.add.at(sizes, labels, answered[:, :, None].astype(float))
    class_means = np.divide(sums, sizes, out=np.zeros_like(sums), where=sizes > 0)
    estimates = (
        _mean(kept.sum(axis=0), counts),
        _mean(class_means.sum(axis=0), (sizes > 0).sum(axis=0)),
    )
    if clusters.max(initial=-1) >= 1:
        resampled = resampled_means(filled, answered, labels, clusters, resamples, seed)
    else:
        resampled = (np.full((resamples, *unknown.shape), np.nan),) * 2
    # Matrix products may differ in the last bits between columns that are alike: models that tie
    # have to tie exactly.
    return {
        average: (
            np.where(unknown, np.nan, estimate),
            np.where(unknown, np.nan, np.round(drawn, 12)),
        )
        for average, estimate, drawn in zip(("micro", "macro"), estimates, resampled, strict=True)
    }


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The quotient, NaN where nothing was counted."""
    quotient = np.full(np.broadcast_shapes(total.shape, count.shape), np.nan)
    return np.divide(total, count, out=quotient, where=count > 0)
