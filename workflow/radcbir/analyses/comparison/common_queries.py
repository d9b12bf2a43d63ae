"""Averages over the queries that all models answered.

A model that rejected images has no answer for them as queries, and fewer images to find. Its own
average is over other queries than that of the others, so that the two must not be compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.metrics.averages import group_means
from radcbir.metrics.intervals import class_means, patients_as_clusters
from radcbir.metrics.lists import LEVELS
from radcbir.metrics.registry import METRICS

VARIANT = ["query_split", "neighbors"]


def with_common_queries(summary: pd.DataFrame, per_query: Mapping[str, str | Path]) -> pd.DataFrame:
    """A comparison's ``summary.csv`` with further columns.

    ``per_query`` maps each model to its ``per_query.parquet``; one is held in memory at a time. New
    columns: common_value and common_queries, over the queries that all models answered;
    lacking_queries, which another model answered and this one did not; lacking_index_images, by how
    many the model's index is smaller than the largest of the models.
    """
    answered = _answered(per_query)
    keys = list(summary[VARIANT].drop_duplicates().itertuples(index=False, name=None))
    common, anyone = _common(answered, keys)
    averages = pd.concat(
        [_averages(path, common).assign(model=model) for model, path in per_query.items()]
    )
    columns = ["model", *VARIANT, "metric", "average"]
    table = summary.merge(averages, on=columns, how="left", validate="one_to_one")
    places = list(table[VARIANT].itertuples(index=False, name=None))
    table["common_queries"] = [len(common[key]) for key in places]
    table["lacking_queries"] = [
        len(anyone[key]) - len(answered[model].get(key, ()))
        for key, model in zip(places, table["model"], strict=True)
    ]
    most = table.groupby(VARIANT)["index_images"].transform("max")
    table["lacking_index_images"] = most - table["index_images"]
    return table


def with_common_groups(
    by_group: pd.DataFrame, per_query: Mapping[str, str | Path], catalog: pd.DataFrame
) -> pd.DataFrame:
    """A comparison's ``by_group.csv`` with further columns: common_precision_at_1, common_low,
    common_high (its 95 % interval by patient) and common_queries, over the queries that all models
    answered.

    ``per_query`` as for :func:`with_common_queries`; ``catalog`` has id, modality, region and
    patient_id of the queries.
    """
    images = catalog.set_index("id")
    for level in ("modality", "region"):
        images[level] = images[level].astype(object).fillna("unknown")
    images["modality_region"] = images["modality"] + "/" + images["region"]
    keys = list(by_group[VARIANT].drop_duplicates().itertuples(index=False, name=None))
    common, _ = _common(_answered(per_query), keys)
    averages = pd.concat(
        [_by_group(path, common, images).assign(model=model) for model, path in per_query.items()]
    )
    places = ["model", *VARIANT, "level", "group"]
    table = by_group.merge(averages, on=places, how="left", validate="one_to_one")
    return table.assign(common_queries=table["common_queries"].fillna(0).astype(np.int64))


def compared(by_group: pd.DataFrame) -> pd.DataFrame:
    """The table of :func:`with_common_groups` with the columns over common queries in place of each
    model's own: what figures and pages show.
    """
    return by_group.assign(
        queries=by_group["common_queries"],
        precision_at_1=by_group["common_precision_at_1"],
        precision_at_1_low=by_group["common_low"],
        precision_at_1_high=by_group["common_high"],
    )


def _answered(per_query: Mapping[str, str | Path]) -> dict[str, dict[tuple, np.ndarray]]:
    """Model -> query split and variant of neighbors -> the queries that it answered."""
    answered: dict[str, dict[tuple, np.ndarray]] = {}
    for model, path in per_query.items():
        table = pd.read_parquet(path, columns=[*VARIANT, "query", "relevant_in_index"])
        table = table[table["relevant_in_index"] > 0]
        answered[model] = {
            tuple(key): part["query"].to_numpy() for key, part in table.groupby(VARIANT, sort=False)
        }
    return answered


def _common(
    answered: Mapping[str, Mapping[tuple, np.ndarray]], keys: Sequence[tuple]
) -> tuple[dict[tuple, np.ndarray], dict[tuple, np.ndarray]]:
    """The queries that all models answered, and those that any did."""
    nothing = np.empty(0, dtype=np.int64)
    common, anyone = {}, {}
    for key in keys:
        of_models = [found.get(key, nothing) for found in answered.values()]
        ids, counts = np.unique(np.concatenate(of_models), return_counts=True)
        common[key], anyone[key] = ids[counts == len(of_models)], ids
    return common, anyone


def _by_group(
    path: str | Path, common: Mapping[tuple, np.ndarray], images: pd.DataFrame
) -> pd.DataFrame:
    """One model's P@1 over some queries, by modality, region, both, and label."""
    table = pd.read_parquet(path, columns=[*VARIANT, "query", "label", "precision_at_1"])
    parts = []
    for key, part in table.groupby(VARIANT, sort=False):
        part = part[np.isin(part["query"].to_numpy(), common[tuple(key)])]
        if not len(part):
            continue
        of_queries = images.loc[part["query"]].assign(label=part["label"].to_numpy(object))
        clusters, _ = patients_as_clusters(of_queries["patient_id"])
        values = part["precision_at_1"].to_numpy(np.float64)[:, None]
        about = dict(zip(VARIANT, tuple(key), strict=True))
        for level in LEVELS:
            codes, names = pd.factorize(of_queries[level].to_numpy(object), sort=True)
            found = class_means(values, clusters, codes)
            low, high = found.intervals()
            columns: dict[str, object] = {
                "level": level,
                "group": names[found.classes],
                "common_precision_at_1": found.value[:, 0],
                "common_low": low[:, 0],
                "common_high": high[:, 0],
                "common_queries": np.bincount(codes)[found.classes],
            }
            parts.append(pd.DataFrame(about | columns))
    nothing = ["common_precision_at_1", "common_low", "common_high", "common_queries"]
    return (
        pd.concat(parts) if parts else pd.DataFrame(columns=[*VARIANT, "level", "group", *nothing])
    )


def _averages(path: str | Path, common: Mapping[tuple, np.ndarray]) -> pd.DataFrame:
    """One model's averages over some queries of each split and variant of neighbors."""
    names = [metric.name for metric in METRICS]
    table = pd.read_parquet(path, columns=[*VARIANT, "query", "label", *names])
    rows = []
    for key, part in table.groupby(VARIANT, sort=False):
        part = part[np.isin(part["query"].to_numpy(), common[key])]
        if not len(part):
            continue
        present, classes = np.unique(part["label"].to_numpy(object), return_inverse=True)
        for metric in METRICS:
            values = part[metric.name].to_numpy(float)
            macro = group_means(values, classes, len(present)).mean()
            rows += [
                (*key, metric.averaged, average, value)
                for average, value in (("micro", values.mean()), ("macro", macro))
            ]
    return pd.DataFrame(rows, columns=[*VARIANT, "metric", "average", "common_value"])


def without_empty_metrics(summary: pd.DataFrame) -> pd.DataFrame:
    """The table without metrics that have no value for any model and split, such as plain P@10 at
    k = 5; the whole table where nothing has a value.
    """
    there = summary.loc[summary["value"].notna(), "metric"].unique()
    kept = summary[summary["metric"].isin(there)].reset_index(drop=True)
    return summary if kept.empty else kept
