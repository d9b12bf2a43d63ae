"""Modality, region and finding apart: what a neighbor has in common with the query when not all
three are the same.

A label ``MODALITY/region/finding`` fixes three things at once, and most of a high P@k may be the
first two. Everything here reads the levels from the label itself, so that a full hit is right at
every level.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.analyses.levels.conditional import (
    CONDITIONAL_AT,
    groups_of,
    per_query,
    short_lists,
)
from radcbir.analyses.levels.region_search import Vectors, nearest_within
from radcbir.core.logs import logger
from radcbir.metrics import averages
from radcbir.metrics.averages import group_means
from radcbir.metrics.intervals import average, patients_as_clusters
from radcbir.metrics.lists import LabelledLists, labelled_lists, relevant_in_index
from radcbir.metrics.per_query import RankedLists, capped_precision

LEVELS = ("modality", "region", "modality_region", "finding", "label")
"""What has to be the same for a neighbor to be right; ``label`` is all three."""

OUTCOMES = ("full_hit", "other_finding", "other_region", "other_modality")
"""What a neighbor is, each excluding those before it: the query's label; its modality and region
but another finding; its modality but another region; another modality."""

INTERVALS_AT = (1, 5, 10)
"""The k whose P@k get an interval."""


@dataclass(frozen=True)
class LevelCodes:
    """The levels of ``C`` labels as codes ``(C,)``, and the names of the codes."""

    codes: dict[str, np.ndarray]
    names: dict[str, np.ndarray]


def level_codes(labels: np.ndarray) -> LevelCodes:
    """Split labels ``(C,)`` into their levels."""
    parts = pd.Series(labels, dtype=object).str.split("/", n=2, expand=True)
    values = {
        "modality": parts[0],
        "region": parts[1],
        "modality_region": parts[0] + "/" + parts[1],
        "finding": parts[2],
        "label": pd.Series(labels, dtype=object),
    }
    factorized = {
        level: pd.factorize(each.to_numpy(object), sort=True) for level, each in values.items()
    }
    return LevelCodes(
        {level: codes for level, (codes, _) in factorized.items()},
        {level: names for level, (_, names) in factorized.items()},
    )


@dataclass(frozen=True)
class Index:
    """The index images of one variant of neighbors, and the patients of its queries."""

    ids: np.ndarray
    """``(n,)``."""
    labels: np.ndarray
    """``(n,)``: codes, as those of the lists."""
    patients: np.ndarray
    """``(n,)``: codes, -1 where unknown."""
    query_patients: np.ndarray
    """``(q,)``: likewise."""
    excludes_own: bool
    """Images of the query's own patient are not to be found."""

    def relevant(self, codes: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """R per query ``(q,)``: the index images whose label has the same code ``codes`` ``(C,)``
        as the query's label ``queries`` ``(q,)``.
        """
        left_out = (self.query_patients, self.patients) if self.excludes_own else ()
        return relevant_in_index(codes[queries], codes[self.labels], *left_out)


def index_of(
    lists: LabelledLists,
    variant: str,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
) -> Index:
    """The index images of some lists, from the catalog rows that are embedded."""
    patient = pd.Series(pd.factorize(catalog["patient_id"])[0], index=catalog["id"].to_numpy())
    index = catalog[
        (catalog["split"] == index_split) & catalog["id"].isin(embedded) & catalog["label"].notna()
    ]
    return Index(
        index["id"].to_numpy(np.int64),
        pd.Index(lists.names).get_indexer(index["label"]),
        patient.loc[index["id"]].to_numpy(),
        patient.loc[lists.query_ids].to_numpy(),
        variant == "other_patients",
    )


@dataclass(frozen=True)
class Counts:
    """What the index holds for each query ``(q,)``, its own patient left out where the variant says
    so.
    """

    relevant: dict[str, np.ndarray]
    """R per level: index images that are the same at that level."""
    index_images: np.ndarray
    """N: index images that can be found at all."""


def index_counts(lists: LabelledLists, index: Index) -> Counts:
    """Count the index images of each query's levels."""
    codes = level_codes(lists.names).codes
    return Counts(
        {level: index.relevant(codes[level], lists.labels) for level in LEVELS},
        index.relevant(np.zeros(len(lists.names), dtype=np.int64), lists.labels),
    )


def precision_by_level(lists: LabelledLists, counts: Counts, clusters: np.ndarray) -> pd.DataFrame:
    """P@k of each level: columns level, definition, average, k, value, queries, classes, chance,
    low, high, effective_patients.

    As ``metrics.precision_curve``, macro averages over the groups of the level. ``chance`` is the
    expected capped P@k of random neighbors, R/N whatever k, averaged alike. ``low`` and ``high``
    are the 95 % interval by patient (``clusters`` ``(q,)``: codes) of the capped averages at
    :data:`INTERVALS_AT`.
    """
    levels, tables = level_codes(lists.names), []
    for level in LEVELS:
        codes, relevant = levels.codes[level], counts.relevant[level]
        right = (codes[lists.neighbor_labels] == codes[lists.labels][:, None]) & (
            lists.neighbor_labels >= 0
        )
        retrieved = (lists.neighbor_labels >= 0).sum(axis=1)
        table = averages.precision_curve(
            RankedLists(right, retrieved, relevant), codes[lists.labels]
        )
        answered = relevant > 0
        prior = relevant[answered] / counts.index_images[answered]
        chance = dict(
            zip(("micro", "macro"), _micro_macro(prior, codes[lists.labels][answered]), strict=True)
        )
        intervals = _intervals(right, relevant, clusters, codes[lists.labels])
        keys = ["definition", "average", "k"]
        table = table.assign(level=level, chance=table["average"].map(chance))
        tables.append(table.merge(intervals, on=keys, how="left", validate="one_to_one"))
    found = pd.concat(tables, ignore_index=True)
    return found[["level", *(name for name in found if name != "level")]]


def _intervals(
    right: np.ndarray, relevant: np.ndarray, clusters: np.ndarray, classes: np.ndarray
) -> pd.DataFrame:
    """definition, average, k, low, high and effective_patients of the capped averages."""
    answered = relevant > 0
    ks = [k for k in INTERVALS_AT if k <= right.shape[1]]
    values = np.column_stack([capped_precision(right, relevant, k) for k in ks])[answered]
    patients, grouped = (
        np.unique(each[answered], return_inverse=True)[1] for each in (clusters, classes)
    )
    tables = []
    for kind, groups in (("micro", None), ("macro", grouped)):
        found = average(values, patients, groups)
        low, high = found.interval()
        tables.append(
            pd.DataFrame(
                {
                    "definition": "capped",
                    "average": kind,
                    "k": ks,
                    "low": low,
                    "high": high,
                    "effective_patients": found.effective,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def outcomes(lists: LabelledLists, counts: Counts) -> pd.DataFrame:
    """What the first k neighbors are: columns kind, group, k, outcome (:data:`OUTCOMES`), share,
    queries.

    The mean over queries (with R > 0) of the shares of their first k neighbors, which add up to 1.
    Groups are those of :func:`~radcbir.analyses.levels.conditional.groups_of`.
    """
    levels = level_codes(lists.names)
    same = {
        level: levels.codes[level][lists.neighbor_labels]
        == levels.codes[level][lists.labels][:, None]
        for level in ("label", "modality_region", "modality")
    }
    outcome = np.select([same["label"], same["modality_region"], same["modality"]], [0, 1, 2], 3)
    valid, answered = lists.neighbor_labels >= 0, counts.relevant["label"] > 0
    width = lists.neighbor_labels.shape[1]
    rows, groups = [], groups_of(lists.names[lists.labels])
    for k in sorted({k for k in (*CONDITIONAL_AT, width) if k <= width}):
        length = valid[:, :k].sum(axis=1)
        for place, name in enumerate(OUTCOMES):
            hits = ((outcome[:, :k] == place) & valid[:, :k]).sum(axis=1)
            share = np.divide(hits, length, out=np.full(len(hits), np.nan), where=length > 0)
            for kind, group, members in groups:
                counted = members & answered & (length > 0)
                value = share[counted].mean() if counted.any() else np.nan
                rows.append((kind, group, k, name, value, int(counted.sum())))
    return pd.DataFrame(rows, columns=["kind", "group", "k", "outcome", "share", "queries"])


def evaluate_levels(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    query_split: str,
    k: int,
    vectors: Vectors | None = None,
) -> dict[str, pd.DataFrame]:
    """The tables ``precision``, ``outcomes`` and ``per_query``
    (:func:`~radcbir.analyses.levels.conditional.per_query`) of one query split, by variant of
    neighbors.

    Arguments and errors as ``metrics.evaluate``; the columns query_split and neighbors stand in
    front. ``vectors`` gives the unit vectors of images by id, to search the region of queries whose
    list is too short. None where neighbors do not come from vectors: such queries have no value.
    """
    tables: dict[str, list[pd.DataFrame]] = {"precision": [], "outcomes": [], "per_query": []}
    found = labelled_lists(neighbors, catalog, embedded, index_split, query_split, k)
    patients = catalog.set_index("id")["patient_id"]
    for variant, lists in found.items():
        index = index_of(lists, variant, catalog, embedded, index_split)
        counts = index_counts(lists, index)
        clusters, _ = patients_as_clusters(patients.loc[lists.query_ids])
        region_of = level_codes(lists.names).codes["modality_region"]
        given = region_of, counts.relevant["label"], counts.relevant["modality_region"]
        searched = None if vectors is None else _searched(lists, index, given, vectors)
        made = (
            precision_by_level(lists, counts, clusters),
            outcomes(lists, counts),
            per_query(lists, *given, searched),
        )
        for parts, table in zip(tables.values(), made, strict=True):
            table.insert(0, "query_split", query_split)
            table.insert(1, "neighbors", variant)
            parts.append(table)
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def _searched(
    lists: LabelledLists,
    index: Index,
    given: tuple[np.ndarray, np.ndarray, np.ndarray],
    vectors: Vectors,
) -> np.ndarray:
    """The labels ``(q, D)`` of the first neighbors inside the region of queries with short lists,
    -1 elsewhere.
    """
    region_of, depth = given[0], max(CONDITIONAL_AT)
    labels = np.full((len(lists.labels), depth), -1, dtype=np.int64)
    short = short_lists(lists, *given)
    regions = region_of[lists.labels[short]]
    for region in np.unique(regions):
        rows = short[regions == region]
        inside = np.flatnonzero(region_of[index.labels] == region)
        own = (index.query_patients[rows], index.patients[inside]) if index.excludes_own else ()
        places = nearest_within(vectors, lists.query_ids[rows], index.ids[inside], depth, *own)
        labels[rows] = np.where(places >= 0, index.labels[inside][places], -1)
    if len(short):
        logger.info("%d queries: their region was searched, as their list is too short", len(short))
    return labels


def _micro_macro(values: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """The mean over queries and the mean over classes of the class means; NaN without queries."""
    if not len(values):
        return np.nan, np.nan
    present, code = np.unique(classes, return_inverse=True)
    return float(values.mean()), float(group_means(values, code, len(present)).mean())
