"""The evaluation of a neighbor table: per query, per class and per group.

*Micro* averages run over queries, *macro* averages over classes (the mean of their means). Queries
that no index image can answer are in no average. They are counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.metrics.averages import group_means, precision_curve
from radcbir.metrics.intervals import class_means, patients_as_clusters
from radcbir.metrics.lists import (
    LEVELS,
    Images,
    asked_queries,
    check_asked,
    check_lengths,
    lists_by_variant,
    query_blocks,
    with_one_label,
)
from radcbir.metrics.per_query import RankedLists, first_hit_rank
from radcbir.metrics.registry import METRICS, query_metrics

GROUP_METRICS = [metric.name for metric in METRICS if metric.by_group]


@dataclass(frozen=True)
class Evaluation:
    """Tidy tables of one model, for one query split or several (:func:`concatenate`)."""

    precision: pd.DataFrame
    """query_split, neighbors, definition, average, k, value, queries, classes: the curves of
    P@k."""
    summary: pd.DataFrame
    """query_split, neighbors, metric, average, k, value, queries, queries_without_relevant,
    classes, index_images (with an embedding and one label)."""
    by_group: pd.DataFrame
    """query_split, neighbors, level, group, index_images, queries, queries_without_relevant,
    :data:`GROUP_METRICS`, ``precision_at_1_low``, ``precision_at_1_high`` (the 95 % interval by
    patient), effective_patients."""
    per_query: pd.DataFrame
    """query_split, neighbors, query, label, relevant_in_index, first_hit_rank (missing without a
    hit), every metric."""


def concatenate(evaluations: Iterable[Evaluation]) -> Evaluation:
    """The evaluations of several query splits as one."""
    evaluations = list(evaluations)
    return Evaluation(
        *(
            pd.concat(
                [getattr(evaluation, table.name) for evaluation in evaluations], ignore_index=True
            )
            for table in fields(Evaluation)
        )
    )


def evaluate_splits(
    neighbors: Mapping[str, str | Path],
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    k: int,
) -> Evaluation:
    """:func:`evaluate` for the neighbor table of each query split (split -> its Parquet file), as
    one.
    """
    return concatenate(
        evaluate(pd.read_parquet(path), catalog, embedded, index_split, split, k)
        for split, path in neighbors.items()
    )


def evaluate(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    query_split: str,
    k: int,
) -> Evaluation:
    """Evaluate the neighbor table of one query split: columns query, rank, neighbor; the rows of a
    query by rank.

    ``catalog`` has a row per image: id, split, label (``MODALITY/region/finding``), modality,
    region, patient_id (may be missing). ``embedded`` has the ids of the images that have an
    embedding; those of ``index_split`` are the index, so that R counts what can be found.

    The tables' column ``neighbors`` says ``all`` for the first k neighbors, and ``other_patients``
    where images of the query's own patient are excluded from the list and from R. Those rows exist
    whenever patients are known among the queries and in the index, shared or not. ``queries``
    counts the queries in an average, ``queries_without_relevant`` those that are excluded because R = 0.
    ``precision_at_k`` is the capped one (:func:`capped_precision`).

    Raises :class:`InputError` where the table is empty, :class:`ValueError` where the tables do not
    fit together: an image that is not in its split or is not embedded, or a list that stops too
    early for k.

    Images with several labels (their ``label`` is missing) are excluded from queries and
    index: :func:`with_one_label`. Where no query has exactly one, all averages are missing.
    """
    check_asked(neighbors, query_split)
    neighbors, catalog = with_one_label(neighbors, catalog)
    images, offsets, query_ids, queries, variants = asked_queries(
        neighbors, catalog, embedded, index_split, query_split
    )
    lists = lists_by_variant(
        neighbors["neighbor"].to_numpy(), offsets, queries, images, k, variants
    )
    evaluations = []
    for variant in variants:
        check_lengths(lists[variant].retrieved, variant, k, query_ids, queries, images)
        evaluation = _evaluate_lists(lists[variant], query_ids, queries, images)
        for table in fields(evaluation):
            getattr(evaluation, table.name).insert(0, "query_split", query_split)
            getattr(evaluation, table.name).insert(1, "neighbors", variant)
        evaluations.append(evaluation)
    return concatenate(evaluations)


def _evaluate_lists(
    lists: RankedLists, query_ids: np.ndarray, queries: np.ndarray, images: Images
) -> Evaluation:
    """The four tables of one variant, without its name."""
    blocks = [query_metrics(lists[block]) for block in query_blocks(len(queries))]
    metrics = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    labels = images.codes["label"][queries]
    first = first_hit_rank(lists.relevance)
    per_query = {
        "query": query_ids,
        "label": images.names["label"][labels],
        "relevant_in_index": lists.relevant,
        "first_hit_rank": pd.arrays.IntegerArray(first.astype(np.int32), first == 0),
    }
    return Evaluation(
        precision=precision_curve(lists, labels),
        summary=_summary(metrics, lists, labels).assign(index_images=len(images.index)),
        by_group=_by_group(metrics, lists, queries, images),
        per_query=pd.DataFrame(per_query | metrics),
    )


def _summary(
    metrics: Mapping[str, np.ndarray], lists: RankedLists, labels: np.ndarray
) -> pd.DataFrame:
    """Micro and macro average of every metric over the queries with R > 0."""
    answerable = lists.relevant > 0
    present, classes = np.unique(labels[answerable], return_inverse=True)
    rows = []
    for metric in METRICS:
        averaged = metrics[metric.name][answerable]
        averages = {"micro": np.nan, "macro": np.nan}
        if len(averaged):
            averages = {
                "micro": averaged.mean(),
                "macro": group_means(averaged, classes, len(present)).mean(),
            }
        rows += [
            (metric.averaged, average, metric.k or lists.relevance.shape[1], value)
            for average, value in averages.items()
        ]
    return pd.DataFrame(rows, columns=["metric", "average", "k", "value"]).assign(
        queries=int(answerable.sum()),
        queries_without_relevant=int((~answerable).sum()),
        classes=len(present),
    )


def _by_group(
    metrics: Mapping[str, np.ndarray], lists: RankedLists, queries: np.ndarray, images: Images
) -> pd.DataFrame:
    """Means over the queries of each modality, region, both, and label that has queries."""
    answerable = lists.relevant > 0
    patients = pd.Series(images.patient[queries]).replace(-1, None)[answerable]
    clusters, _ = patients_as_clusters(patients)
    tables = []
    for level in LEVELS:
        codes, names = images.codes[level], images.names[level]
        groups = codes[queries]
        counts = {
            "index_images": np.bincount(codes[images.index], minlength=len(names)),
            "queries": np.bincount(groups[answerable], minlength=len(names)),
            "queries_without_relevant": np.bincount(groups[~answerable], minlength=len(names)),
        }
        means = {
            name: group_means(metrics[name][answerable], groups[answerable], len(names))
            for name in GROUP_METRICS
        }
        intervals = _intervals(
            metrics["precision_at_1"][answerable], clusters, groups[answerable], len(names)
        )
        table = pd.DataFrame({"level": level, "group": names} | counts | means | intervals)
        tables.append(table[np.bincount(groups, minlength=len(names)) > 0])
    return pd.concat(tables, ignore_index=True)


def _intervals(
    values: np.ndarray, clusters: np.ndarray, groups: np.ndarray, count: int
) -> dict[str, np.ndarray]:
    """The columns of the interval of P@1 ``(count,)``, missing for groups without a query."""
    low, high, effective = np.full((3, count), np.nan)
    if len(values):
        found = class_means(values[:, None], clusters, groups)
        ends = found.intervals()
        low[found.classes], high[found.classes] = ends[0][:, 0], ends[1][:, 0]
        effective[found.classes] = found.effective
    return {
        "precision_at_1_low": low,
        "precision_at_1_high": high,
        "effective_patients": effective,
    }
