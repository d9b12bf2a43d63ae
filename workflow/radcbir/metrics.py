"""Retrieval metrics: pure functions over arrays of hits, and the tables made of them.

A *hit* is a neighbor with the query's label. ``hits`` is a matrix (q, k) of booleans, best neighbor first; ``valid``
(q, k) is False where a query has no neighbor at that rank; ``relevant`` (q,) is R, the number of index images with the
query's label. All functions give one value per query (or per query and k), NaN where R = 0: such a query cannot be
answered, is counted, and enters no average.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

HIT_RATES = (1, 5, 10)
PRECISIONS = (1, 3, 5, 10)
GROUP_METRICS = {
    "precision_at_1": "precision_at_1",
    "precision_at_5": "precision_at_5",
    "precision_at_10": "precision_at_10",
    "r_precision": "r_precision",
    "average_precision": "mean_average_precision",
    "ndcg": "ndcg",
    "reciprocal_rank": "mean_reciprocal_rank",
}
"""Column of the tables by group -> the metric in the summary that it is the mean of."""


def capped_precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """P@k for k = 1..K with the list cut at n = min(k, R): hits among the first n, divided by n; shape (q, K).

    The definition of Denner et al. (arXiv 2403.06567): a query whose class has few index images can still reach 1.
    """
    found = np.cumsum(hits, axis=1, dtype=np.int32)
    ranks = np.arange(1, hits.shape[1] + 1)
    cut = np.minimum(ranks, np.maximum(relevant, 1)[:, None])
    return _answerable(np.take_along_axis(found, cut - 1, axis=1) / cut, relevant)


def plain_precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """P@k for k = 1..K: hits among the first k, divided by k; shape (q, K)."""
    ranks = np.arange(1, hits.shape[1] + 1)
    return _answerable(np.cumsum(hits, axis=1, dtype=np.int32) / ranks, relevant)


def r_precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Hits among the first min(R, K), divided by that number (Manning et al., Introduction to IR, 2008, 8.4)."""
    cut = np.clip(relevant, 1, hits.shape[1])
    found = np.take_along_axis(np.cumsum(hits, axis=1, dtype=np.int32), cut[:, None] - 1, axis=1)[:, 0]
    return _answerable(found / cut, relevant)


def average_precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Mean of the precision at the ranks of the hits, over the min(R, K) hits that were possible (Manning et al., 8.4)."""
    ranks = np.arange(1, hits.shape[1] + 1)
    gained = (hits * (np.cumsum(hits, axis=1, dtype=np.int32) / ranks)).sum(axis=1)
    return _answerable(gained / np.clip(relevant, 1, hits.shape[1]), relevant)


def ndcg(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Discounted cumulative gain with gain 1 per hit and discount log2(rank + 1), over the best possible one.

    Järvelin & Kekäläinen, ACM TOIS 20(4), 2002; cut at K.
    """
    discount = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(discount)[np.clip(relevant, 1, hits.shape[1]) - 1]
    return _answerable(hits @ discount / ideal, relevant)


def first_hit_rank(hits: np.ndarray) -> np.ndarray:
    """The rank of the first hit, 0 where there is none within K; shape (q,)."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)


def reciprocal_rank(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """1 / rank of the first hit, 0 where there is none within K."""
    first = first_hit_rank(hits)
    return _answerable(np.where(first > 0, 1 / np.maximum(first, 1), 0.0), relevant)


def hit_rate(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """1 where a hit is among the first k, else 0."""
    return _answerable(hits[:, :k].any(axis=1).astype(float), relevant)


def _answerable(values: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """``values`` with NaN where R = 0."""
    values = values.astype(np.float64, copy=False)
    values[relevant == 0] = np.nan
    return values


# --- from neighbor tables to hits -----------------------------------------------------------------------------------


@dataclass
class Hits:
    """The neighbors of each query as matrices; rows in the order of ``queries``."""

    queries: np.ndarray
    """Image ids, (q,) int64."""
    hits: np.ndarray
    """(q, k) booleans: the neighbor at that rank has the query's label."""
    relevant: np.ndarray
    """(q,) the number of index images with the query's label."""


def hit_matrix(neighbors: pd.DataFrame, labels: pd.Series, index_ids: np.ndarray, k: int) -> Hits:
    """Hits among the first ``k`` neighbors.

    ``neighbors`` has the columns query, rank, neighbor; ``labels`` maps image id to label; ``index_ids`` are the images
    that are really in the index. k is clamped to the longest list. Raises :class:`ValueError` where a neighbor is not
    an image of the index or a query's list has a gap.
    """
    table = neighbors[neighbors["rank"] <= k]
    return _hits(
        table["query"].to_numpy(), table["rank"].to_numpy(), table["neighbor"].to_numpy(), labels, index_ids, k
    )


def hit_matrix_of_other_patients(
    neighbors: pd.DataFrame, labels: pd.Series, patients: pd.Series, index_ids: np.ndarray, k: int
) -> Hits:
    """Hits among the first ``k`` neighbors that are not of the query's own patient.

    As :func:`hit_matrix`; ``patients`` maps image id to patient id (None or NaN where unknown). R counts the index
    images with the query's label that are not of its patient.
    """
    table = neighbors[~neighbors["same_patient"].to_numpy()]
    query = table["query"].to_numpy()
    starts = np.flatnonzero(np.r_[True, query[1:] != query[:-1]]) if len(query) else np.empty(0, dtype=int)
    lengths = np.diff(np.r_[starts, len(query)])
    rank = np.arange(len(query)) - np.repeat(starts, lengths) + 1
    kept = rank <= k
    found = _hits(query[kept], rank[kept], table["neighbor"].to_numpy()[kept], labels, index_ids, k)
    everyone = pd.unique(neighbors["query"])
    if len(found.queries) < len(everyone):  # queries whose every neighbor is of their own patient
        width = found.hits.shape[1]
        lost = np.setdiff1d(everyone, found.queries)
        found = Hits(
            np.concatenate([found.queries, lost]),
            np.concatenate([found.hits, np.zeros((len(lost), width), dtype=bool)]),
            np.concatenate([found.relevant, relevant_in_index(lost, labels, index_ids)]),
        )
    own = pd.DataFrame({"patient": patients.reindex(index_ids).to_numpy(), "label": labels.loc[index_ids].to_numpy()})
    per_patient = own.dropna().groupby(["patient", "label"]).size()
    asked = pd.MultiIndex.from_arrays(
        [patients.reindex(found.queries).to_numpy(), labels.loc[found.queries].to_numpy()]
    )
    same = per_patient.reindex(asked, fill_value=0).to_numpy()
    return Hits(found.queries, found.hits, found.relevant - same)


def relevant_in_index(queries: np.ndarray, labels: pd.Series, index_ids: np.ndarray) -> np.ndarray:
    """R per query: how many index images have its label; shape (q,) int64."""
    counts = labels.loc[index_ids].value_counts()
    return counts.reindex(labels.loc[queries].to_numpy(), fill_value=0).to_numpy(np.int64)


def _hits(
    query: np.ndarray, rank: np.ndarray, neighbor: np.ndarray, labels: pd.Series, index_ids: np.ndarray, k: int
) -> Hits:
    queries, rows = np.unique(query, return_inverse=True)
    width = min(k, int(rank.max())) if len(rank) else 1
    codes = pd.Series(pd.factorize(labels)[0], index=labels.index)
    indexed = codes.index.get_indexer(neighbor)
    if (indexed < 0).any() or not np.isin(neighbor, index_ids).all():
        raise ValueError("the neighbor table names an image that is not in the index")
    if len(np.unique(rows * np.int64(width + 1) + rank)) != len(rank):
        raise ValueError("the neighbor table has two neighbors of one query at one rank")
    hits = np.zeros((len(queries), width), dtype=bool)
    hits[rows, rank - 1] = codes.to_numpy()[indexed] == codes.loc[query].to_numpy()
    return Hits(queries, hits, relevant_in_index(queries, labels, index_ids))


# --- tables ---------------------------------------------------------------------------------------------------------


@dataclass
class Evaluation:
    """The tables of one model and query split, tidy."""

    precision: pd.DataFrame
    """query_split, neighbors, definition (capped, plain), average (micro, macro), k, value, queries, classes."""
    summary: pd.DataFrame
    """query_split, neighbors, metric, average, k, value, queries, queries_without_relevant, classes."""
    by_group: pd.DataFrame
    """query_split, neighbors, level, group, index_images, queries, queries_without_relevant, and the group's means."""
    per_query: pd.DataFrame
    """query_split, neighbors, query, label, relevant_in_index, first_hit_rank (0: none), and the metrics."""


def evaluate(
    neighbors: pd.DataFrame, catalog: pd.DataFrame, index_ids: np.ndarray, query_split: str, k: int
) -> Evaluation:
    """Evaluate the neighbor table of one query split.

    ``catalog`` has one row per image (id, label, modality, region, patient_id); ``index_ids`` are the images in the
    index. The figures ``all`` use every neighbor; the figures ``other_patients`` leave those of the query's own patient
    out and are there whenever patients are known on both sides.
    """
    images = catalog.set_index("id")
    labels, patients = images["label"], images["patient_id"]
    variants = {"all": hit_matrix(neighbors, labels, index_ids, k)}
    asked = variants["all"].queries
    if patients.loc[asked].notna().any() and patients.loc[index_ids].notna().any():
        variants["other_patients"] = hit_matrix_of_other_patients(neighbors, labels, patients, index_ids, k)
    tables = [_tables(found, images, index_ids, k) for found in variants.values()]
    stacked = []
    for parts in zip(*tables, strict=True):
        marked = [
            part.assign(query_split=query_split, neighbors=name) for name, part in zip(variants, parts, strict=True)
        ]
        table = pd.concat(marked, ignore_index=True)
        front = ["query_split", "neighbors"]
        stacked.append(table[front + [name for name in table if name not in front]])
    return Evaluation(*stacked)


def _tables(found: Hits, images: pd.DataFrame, index_ids: np.ndarray, k: int) -> tuple[pd.DataFrame, ...]:
    labels = images.loc[found.queries, "label"].to_numpy()
    classes = _Classes(labels, found.relevant > 0)
    capped, plain = capped_precision(found.hits, found.relevant), plain_precision(found.hits, found.relevant)
    curves = []
    for definition, values in (("capped", capped), ("plain", plain)):
        for average, means in (("micro", classes.micro(values)), ("macro", classes.macro(values))):
            curve = pd.DataFrame({"k": np.arange(1, len(means) + 1), "value": means})
            curves.append(curve.assign(definition=definition, average=average))
    precision = pd.concat(curves, ignore_index=True).assign(queries=classes.queries, classes=classes.count)
    precision = precision[["definition", "average", "k", "value", "queries", "classes"]]

    width = found.hits.shape[1]
    at = [each for each in PRECISIONS if each <= width]
    metrics = {f"precision_at_{each}": (each, capped[:, each - 1]) for each in at}
    metrics |= {f"plain_precision_at_{each}": (each, plain[:, each - 1]) for each in at}
    metrics["r_precision"] = (width, r_precision(found.hits, found.relevant))
    metrics["r_precision_truncated"] = (width, _answerable((found.relevant > width).astype(float), found.relevant))
    metrics["mean_average_precision"] = (width, average_precision(found.hits, found.relevant))
    metrics["ndcg"] = (width, ndcg(found.hits, found.relevant))
    metrics["mean_reciprocal_rank"] = (width, reciprocal_rank(found.hits, found.relevant))
    metrics |= {
        f"hit_rate_at_{each}": (each, hit_rate(found.hits, found.relevant, each)) for each in HIT_RATES if each <= width
    }
    rows = [
        {"metric": metric, "average": average, "k": at_k, "value": float(mean(values[:, None])[0])}
        for metric, (at_k, values) in metrics.items()
        for average, mean in (("micro", classes.micro), ("macro", classes.macro))
    ]
    summary = pd.DataFrame(rows).assign(
        queries=classes.queries, queries_without_relevant=len(labels) - classes.queries, classes=classes.count
    )

    per_query = pd.DataFrame({"query": found.queries, "label": labels, "relevant_in_index": found.relevant})
    per_query["first_hit_rank"] = first_hit_rank(found.hits)
    for column, metric in GROUP_METRICS.items():
        per_query[column] = metrics[metric][1] if metric in metrics else np.nan
    return precision, summary, _by_group(per_query, images, index_ids), per_query


def _by_group(per_query: pd.DataFrame, images: pd.DataFrame, index_ids: np.ndarray) -> pd.DataFrame:
    """Means per modality, region, both, and label; a group that no index image belongs to has counts and no means."""
    asked, indexed = images.loc[per_query["query"]], images.loc[index_ids]
    levels = {
        "modality": lambda table: table["modality"],
        "region": lambda table: table["region"],
        "modality_region": lambda table: table["modality"] + "/" + table["region"],
        "label": lambda table: table["label"],
    }
    answerable = (per_query["relevant_in_index"] > 0).to_numpy()
    parts = []
    for level, of in levels.items():
        group = of(asked).fillna("unknown").to_numpy()
        table = per_query[list(GROUP_METRICS)].groupby(group).mean()
        table.insert(0, "index_images", of(indexed).fillna("unknown").value_counts().reindex(table.index, fill_value=0))
        table.insert(1, "queries", pd.Series(answerable).groupby(group).sum())
        table.insert(2, "queries_without_relevant", pd.Series(~answerable).groupby(group).sum())
        parts.append(table.rename_axis("group").reset_index().assign(level=level))
    table = pd.concat(parts, ignore_index=True)
    return table[["level", *[name for name in table if name != "level"]]]


class _Classes:
    """Averages over queries (micro) and over the classes of answerable queries (macro)."""

    def __init__(self, labels: Sequence[str], answerable: np.ndarray):
        self.answerable = answerable
        codes, names = pd.factorize(np.asarray(labels)[answerable])
        self.order = np.argsort(codes, kind="stable")
        self.starts = np.flatnonzero(np.r_[True, np.diff(codes[self.order]) > 0]) if len(codes) else np.empty(0, int)
        self.sizes = np.bincount(codes, minlength=len(names))
        self.queries, self.count = int(answerable.sum()), len(names)

    def micro(self, values: np.ndarray) -> np.ndarray:
        """Mean over queries of values (q, m); shape (m,), NaN where no query can be answered."""
        kept = values[self.answerable]
        return kept.mean(axis=0) if len(kept) else np.full(values.shape[1], np.nan)

    def macro(self, values: np.ndarray) -> np.ndarray:
        """Mean over classes of the class's mean of values (q, m); shape (m,)."""
        kept = values[self.answerable][self.order]
        if not len(kept):
            return np.full(values.shape[1], np.nan)
        return (np.add.reduceat(kept, self.starts, axis=0) / self.sizes[:, None]).mean(axis=0)
