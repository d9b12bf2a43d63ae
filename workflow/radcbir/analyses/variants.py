"""What the analyses of approximate indexes and of dimensions share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radcbir.core.vectors import NEAR_TIE
from radcbir.metrics.per_query import capped_precision

Files = Mapping[str, Sequence[str]]

QUERIES = 2000
"""So many queries are asked of every variant, evenly spread over all by id: enough to tell shares
of a percent apart."""

DEPTH = 10

RECALL_AT = (1, 10, 100)

PRECISION_AT = (1, 10)


def sampled(
    ids: np.ndarray, vectors: np.ndarray, count: int = QUERIES
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` of the ids ``(n,)`` with their vectors ``(n, d)``, evenly spread in the order
    given; all if fewer.
    """
    if len(ids) <= count:
        return ids, vectors
    rows = np.linspace(0, len(ids) - 1, count).round().astype(np.int64)
    return ids[rows], vectors[rows]


def recall(found: np.ndarray, exact: np.ndarray, k: int) -> float:
    """Recall@k: the mean share of a query's first k that are as near as the k nearest.

    ``found`` and ``exact`` ``(q, >= k)`` are exact similarities of what was found and of the true
    nearest, minus infinity where nothing was found. An image that ties with the k-th nearest counts
    (Aumuller et al., ANN-Benchmarks, 2020). NaN where the index holds fewer than k images.
    """
    if exact.shape[1] < k:
        return float("nan")
    return float((found[:, :k] >= exact[:, k - 1 : k] - NEAR_TIE).sum() / (len(exact) * k))


def neighbors_of(
    variant: str, ids: np.ndarray, query_ids: np.ndarray, positions: np.ndarray
) -> pd.DataFrame:
    """Rows variant, query, rank, neighbor of the positions ``(q, c)``, :data:`DEPTH` deep, without
    those not found.
    """
    positions = positions[:, :DEPTH]
    rows, ranks = np.nonzero(positions >= 0)
    found = {
        "query": query_ids[rows],
        "rank": (ranks + 1).astype(np.int32),
        "neighbor": ids[positions[rows, ranks]],
    }
    return pd.DataFrame({"variant": pd.Categorical([variant] * len(rows)), **found})


NUMBERS = {"explained_variance": "", "recall_at_100": ""}
"""Columns that may be blank; ``none`` is a word in the others."""


def variant_table(models: Sequence[str], splits: Sequence[str], files: Files) -> pd.DataFrame:
    """The variants of all models and query splits with the P@k that each reaches.

    ``files`` are those of :func:`~radcbir.analyses.variant_files.variant_files`.
    """
    catalog = pd.read_parquet(files["catalog"][0], columns=["id", "label"])
    labels = catalog.set_index("id")["label"]
    pairs = [(model, split) for model in models for split in splits]
    relevant = dict(zip(models, map(_relevant, files["per_query"]), strict=True))
    tables = []
    for (model, split), variants, neighbors in zip(
        pairs, files["variants"], files["neighbors"], strict=True
    ):
        table = pd.read_csv(variants, keep_default_na=False, na_values=NUMBERS)
        found = variant_precision(
            pd.read_parquet(neighbors), labels, relevant[model][split], table["variant"].iloc[0]
        )
        tables.append(table.merge(found, on="variant").assign(model=model, query_split=split))
    stacked, first = pd.concat(tables, ignore_index=True), ["model", "query_split"]
    return stacked[[*first, *stacked.columns.drop(first)]]


def _relevant(path: str | Path) -> dict[Any, pd.Series]:
    """Per query split, how many index images are right for each query."""
    columns = ["query", "query_split", "neighbors", "relevant_in_index"]
    table = pd.read_parquet(path, columns=columns)
    table = table[table["neighbors"] == "all"]
    return {
        split: part.set_index("query")["relevant_in_index"]
        for split, part in table.groupby("query_split")
    }


def variant_precision(
    neighbors: pd.DataFrame, labels: pd.Series, relevant: pd.Series, reference: str
) -> pd.DataFrame:
    """P@1 and P@10 of every variant (capped, mean over queries), and their change against the
    variant ``reference``.

    ``neighbors`` has the columns variant, query, rank, neighbor; ``labels`` maps an image to its
    label, ``relevant`` a query to the number of index images with its label. Queries that nothing
    can answer are left out. Returns variant, queries, precision_at_1, change_in_precision_at_1, and
    so on.
    """
    asked = pd.Index(neighbors["query"].unique())
    answerable = asked[relevant.reindex(asked).to_numpy() > 0]
    available = relevant.reindex(answerable).to_numpy(np.int64)
    rows = []
    for variant, found in neighbors.groupby("variant", sort=False, observed=True):
        place = answerable.get_indexer(found["query"])
        found, place = found[place >= 0], place[place >= 0]
        relevance = np.zeros((len(answerable), DEPTH), dtype=bool)
        right = (
            labels.reindex(found["neighbor"]).to_numpy()
            == labels.reindex(found["query"]).to_numpy()
        )
        relevance[place, found["rank"].to_numpy() - 1] = right
        row = {"variant": variant, "queries": len(answerable)}
        for k in PRECISION_AT:
            values = capped_precision(relevance, available, k)
            row[f"precision_at_{k}"] = float(values.mean()) if len(values) else np.nan
        rows.append(row)
    table = pd.DataFrame(rows)
    for k in PRECISION_AT:
        means = table.set_index("variant")[f"precision_at_{k}"]
        table[f"change_in_precision_at_{k}"] = (means - means[reference]).to_numpy()
    return table
