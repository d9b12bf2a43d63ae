"""Intervals for the curves of P@k."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.metrics.intervals import average, patients_as_clusters
from radcbir.metrics.registry import PRECISION_AT


def curve_intervals(per_query: Mapping[str, str | Path], patients: pd.Series) -> pd.DataFrame:
    """The 95 % intervals by patient of P@k at each k of
    :data:`~radcbir.metrics.registry.PRECISION_AT`, over the queries that the model answered.

    ``per_query`` maps each model to its ``per_query.parquet``, ``patients`` the id of an image to
    its patient. Columns: model, query_split, average (micro, macro), k, low, high. Ends are missing
    where there are too few patients (:mod:`radcbir.metrics.intervals`) or fewer neighbors than k.
    """
    metrics = [f"precision_at_{k}" for k in PRECISION_AT]
    columns = ["query_split", "neighbors", "query", "label", "relevant_in_index", *metrics]
    rows = []
    for model, path in per_query.items():
        table = pd.read_parquet(path, columns=columns)
        table = table[(table["neighbors"] == "all") & (table["relevant_in_index"] > 0)]
        for split, part in table.groupby("query_split", sort=False):
            clusters, _ = patients_as_clusters(patients.reindex(part["query"]))
            values = part[metrics].to_numpy(np.float64)
            classes = pd.factorize(part["label"])[0]
            for kind, given in (("micro", None), ("macro", classes)):
                low, high = average(values, clusters, given).interval()
                rows += [
                    (model, split, kind, *each)
                    for each in zip(PRECISION_AT, low, high, strict=True)
                ]
    return pd.DataFrame(rows, columns=["model", "query_split", "average", "k", "low", "high"])
