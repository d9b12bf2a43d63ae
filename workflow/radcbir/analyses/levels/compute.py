"""Modality, region and finding apart: what a neighbor has in common with the query when not all
three are the same.

A label ``MODALITY/region/finding`` fixes three things at once, and most of a high P@k may be the
first two. Everything here reads the levels from the label itself, so that a full hit is right at
every level.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.metrics import averages
from radcbir.metrics.averages import group_means
from radcbir.metrics.lists import LabelledLists, labelled_lists, relevant_in_index
from radcbir.metrics.per_query import RankedLists

LEVELS = ("modality", "region", "modality_region", "finding", "label")
"""What has to be the same for a neighbor to be right; ``label`` is all three."""

OUTCOMES = ("full_hit", "other_finding", "other_region", "other_modality")
"""What a neighbor is, each excluding those before it: the query's label; its modality and region
but another finding; its modality but another region; another modality."""


NORMAL_FINDINGS = ("normal", "no finding", "no findings", "no_finding", "healthy")

CONDITIONAL_AT = (1, 5, 10)


@dataclass(frozen=True)
class LevelCodes:
    """The levels of ``C`` labels as codes ``(C,)``, and the names of the codes."""

    codes: dict[str, np.ndarray]
    names: dict[str, np.ndarray]
    normal: np.ndarray
    """``(C,)`` bool: the finding says that there is none."""


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
        parts[2].str.strip().str.casefold().isin(NORMAL_FINDINGS).to_numpy(),
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


def index_counts(
    lists: LabelledLists,
    variant: str,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
) -> Counts:
    """Count the index images of each query's levels, from the catalog rows that are embedded."""
    codes = level_codes(lists.names).codes
    patient = pd.Series(pd.factorize(catalog["patient_id"])[0], index=catalog["id"].to_numpy())
    index = catalog[
        (catalog["split"] == index_split) & catalog["id"].isin(embedded) & catalog["label"].notna()
    ]
    label = pd.Index(lists.names).get_indexer(index["label"])
    query_patients, index_patients = (
        patient.loc[lists.query_ids].to_numpy(),
        patient.loc[index["id"]].to_numpy(),
    )
    left_out = (query_patients, index_patients) if variant == "other_patients" else ()
    relevant = {
        level: relevant_in_index(codes[level][lists.labels], codes[level][label], *left_out)
        for level in LEVELS
    }
    all_alike = np.zeros(len(lists.labels), dtype=np.int64), np.zeros(len(index), dtype=np.int64)
    return Counts(relevant, relevant_in_index(*all_alike, *left_out))


def precision_by_level(lists: LabelledLists, counts: Counts) -> pd.DataFrame:
    """P@k of each level: columns level, definition, average, k, value, queries, classes, chance.

    As ``metrics.precision_curve``, macro averages over the groups of the level. ``chance`` is the
    expected capped P@k of random neighbors, R/N whatever k, averaged alike.
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
        tables.append(table.assign(level=level, chance=table["average"].map(chance)))
    found = pd.concat(tables, ignore_index=True)
    return found[["level", *(name for name in found if name != "level")]]


def conditional(lists: LabelledLists, counts: Counts) -> pd.DataFrame:
    """The finding, given the right modality and region; one row per group, k and way to condition.

    Asked of queries whose modality and region have their finding and another one in the index (0 <
    R < the region's index images): elsewhere the region alone decides. Two ways (column
    ``condition``):

    - ``among_neighbors``: hits among the first k, over the neighbors of the right modality and
      region among the first k; a query without any such neighbor has no value and is counted in
      ``queries_without_value``;
    - ``within_region``: the index cut down to the query's modality and region: hits among the first
      n of its neighbors there, over n = min(k, R) as in P@k. Exact where the list is deep enough to
      hold n of them; where it is not the query has no value and is counted likewise.

    ``micro`` and ``macro`` average over queries and labels, ``chance`` and ``chance_macro``
    likewise the prior of the finding inside the region (R over the region's index images) of the
    *same* queries; ``lift`` is micro over chance. Groups: all; each modality/region; ``normal`` and
    ``pathological`` findings where any label says normal.
    """
    levels = level_codes(lists.names)
    region_of, width = levels.codes["modality_region"], lists.neighbor_labels.shape[1]
    relevant, in_region = counts.relevant["label"], counts.relevant["modality_region"]
    asked = (relevant > 0) & (relevant < in_region)
    right = lists.neighbor_labels == lists.labels[:, None]
    near = (region_of[lists.neighbor_labels] == region_of[lists.labels][:, None]) & (
        lists.neighbor_labels >= 0
    )
    # Neighbors of the region move to the front of the list, in their order.
    front = np.take_along_axis(right, np.argsort(~near, axis=1, kind="stable"), axis=1)
    found = near.sum(axis=1)
    prior = np.divide(relevant, in_region, out=np.full(len(relevant), np.nan), where=in_region > 0)
    groups = _groups(lists, levels)
    rows = []
    for k in CONDITIONAL_AT:
        if k > width:
            continue
        cut = np.minimum(k, relevant)
        hits, shown = right[:, :k].sum(axis=1), near[:, :k].sum(axis=1)
        inside = (front[:, :k] & (np.arange(k) < cut[:, None])).sum(axis=1)
        ways = {
            "among_neighbors": np.divide(
                hits, shown, out=np.full(len(hits), np.nan), where=shown > 0
            ),
            "within_region": np.divide(
                inside, cut, out=np.full(len(hits), np.nan), where=(found >= cut) & (cut > 0)
            ),
        }
        for condition, values in ways.items():
            for kind, group, members in groups:
                wanted = asked & members
                counted = wanted & np.isfinite(values)
                micro, macro = _micro_macro(values[counted], lists.labels[counted])
                chance, chance_macro = _micro_macro(prior[counted], lists.labels[counted])
                rows.append(
                    {
                        "condition": condition,
                        "kind": kind,
                        "group": group,
                        "k": k,
                        "micro": micro,
                        "macro": macro,
                        "chance": chance,
                        "chance_macro": chance_macro,
                        "lift": micro / chance if counted.any() else np.nan,
                        "queries": int(counted.sum()),
                        "queries_without_value": int((wanted & ~counted).sum()),
                        "queries_not_asked": int((members & ~asked).sum()),
                    }
                )
    return pd.DataFrame(rows)


def outcomes(lists: LabelledLists, counts: Counts) -> pd.DataFrame:
    """What the first k neighbors are: columns kind, group, k, outcome (:data:`OUTCOMES`), share,
    queries.

    The mean over queries (with R > 0) of the shares of their first k neighbors, which add up to 1.
    Groups are as in :func:`conditional`, and so is the exclusion of the query's own patient.
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
    rows = []
    for k in sorted({k for k in (*CONDITIONAL_AT, width) if k <= width}):
        length = valid[:, :k].sum(axis=1)
        for place, name in enumerate(OUTCOMES):
            hits = ((outcome[:, :k] == place) & valid[:, :k]).sum(axis=1)
            share = np.divide(hits, length, out=np.full(len(hits), np.nan), where=length > 0)
            for kind, group, members in _groups(lists, levels):
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
) -> dict[str, pd.DataFrame]:
    """The tables ``precision``, ``conditional`` and ``outcomes`` of one query split, by variant of
    neighbors.

    Arguments and errors as ``metrics.evaluate``; the columns query_split and neighbors stand in
    front.
    """
    tables: dict[str, list[pd.DataFrame]] = {"precision": [], "conditional": [], "outcomes": []}
    found = labelled_lists(neighbors, catalog, embedded, index_split, query_split, k)
    for variant, lists in found.items():
        counts = index_counts(lists, variant, catalog, embedded, index_split)
        made = (
            precision_by_level(lists, counts),
            conditional(lists, counts),
            outcomes(lists, counts),
        )
        for parts, table in zip(tables.values(), made, strict=True):
            table.insert(0, "query_split", query_split)
            table.insert(1, "neighbors", variant)
            parts.append(table)
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def _groups(lists: LabelledLists, levels: LevelCodes) -> list[tuple[str, str, np.ndarray]]:
    """Kind, name and members ``(q,)`` bool of the groups of queries."""
    groups = [("all", "all", np.ones(len(lists.labels), dtype=bool))]
    region = levels.codes["modality_region"][lists.labels]
    groups += [
        ("modality_region", name, region == code)
        for code, name in enumerate(levels.names["modality_region"])
        if (region == code).any()
    ]
    if levels.normal.any():
        normal = levels.normal[lists.labels]
        groups += [("finding", "normal", normal), ("finding", "pathological", ~normal)]
    return groups


def _micro_macro(values: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """The mean over queries and the mean over classes of the class means; NaN without queries."""
    if not len(values):
        return np.nan, np.nan
    present, code = np.unique(classes, return_inverse=True)
    return float(values.mean()), float(group_means(values, code, len(present)).mean())
