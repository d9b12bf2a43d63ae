"""Averages over the queries that all models answered.

A model that rejected images has no answer for them as queries, and fewer images to find. Its own
average is over other queries than that of the others, so that the two must not be compared.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.metrics.averages import group_means
from radcbir.metrics.registry import METRICS

VARIANT = ["query_split", "neighbors"]


def with_common_queries(summary: pd.DataFrame, per_query: Mapping[str, str | Path]) -> pd.DataFrame:
    """A comparison's ``summary.csv`` with further columns.

    ``per_query`` maps each model to its ``per_query.parquet``; one is held in memory at a time. New
    columns: common_value and common_queries, over the queries that all models answered;
    lacking_queries, which another model answered and this one did not; lacking_index_images, by how
    many the model's index is smaller than the largest of the models.
    """
    answered: dict[str, dict[tuple, np.ndarray]] = {}
    for model, path in per_query.items():
        table = pd.read_parquet(path, columns=[*VARIANT, "query", "relevant_in_index"])
        table = table[table["relevant_in_index"] > 0]
        answered[model] = {
            key: part["query"].to_numpy() for key, part in table.groupby(VARIANT, sort=False)
        }
    nothing = np.empty(0, dtype=np.int64)
    common, anyone = {}, {}
    for key in summary[VARIANT].drop_duplicates().itertuples(index=False, name=None):
        of_models = [found.get(key, nothing) for found in answered.values()]
        ids, counts = np.unique(np.concatenate(of_models), return_counts=True)
        common[key], anyone[key] = ids[counts == len(of_models)], ids
    averages = pd.concat(
        [_averages(path, common).assign(model=model) for model, path in per_query.items()]
    )
    keys = ["model", *VARIANT, "metric", "average"]
    table = summary.merge(averages, on=keys, how="left", validate="one_to_one")
    places = list(table[VARIANT].itertuples(index=False, name=None))
    table["common_queries"] = [len(common[key]) for key in places]
    table["lacking_queries"] = [
        len(anyone[key]) - len(answered[model].get(key, nothing))
        for key, model in zip(places, table["model"], strict=True)
    ]
    most = table.groupby(VARIANT)["index_images"].transform("max")
    table["lacking_index_images"] = most - table["index_images"]
    return table


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
