"""The finding, given the right modality and region: per query, then averaged.

Averages of several models are compared over the queries that all of them answered.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.metrics.intervals import average, patients_as_clusters
from radcbir.metrics.lists import LabelledLists

CONDITIONS = ("among_neighbors", "within_region")

CONDITIONAL_AT = (1, 5, 10)

NORMAL_FINDINGS = ("normal", "no finding", "no findings", "no_finding", "healthy")

VARIANT = ["query_split", "neighbors"]


def is_normal(findings: pd.Series) -> pd.Series:
    """Whether a finding says that there is none."""
    return findings.str.strip().str.casefold().isin(NORMAL_FINDINGS)


def per_query(
    lists: LabelledLists,
    region_of: np.ndarray,
    relevant: np.ndarray,
    in_region: np.ndarray,
    searched: np.ndarray | None = None,
) -> pd.DataFrame:
    """The finding given the right modality and region, query by query.

    ``region_of`` ``(C,)`` has the code of the modality and region of each label; ``relevant`` and
    ``in_region`` ``(q,)`` count the index images of the query's label and of its modality and
    region. ``searched`` ``(q, D)`` has the labels of the first D neighbors inside the region, -1
    where they are not known: it takes the place of a list that is too short.

    A query is asked where its modality and region have its finding and another one in the index (0
    < R < the region's index images): elsewhere the region alone decides. Columns: query, label,
    asked, chance (the prior of the finding inside the region: R over the region's index images),
    and for each k of :data:`CONDITIONAL_AT` up to the length of the lists, in two ways:

    - ``among_neighbors_{k}``: hits among the first k, over the neighbors of the right modality and
      region among the first k; missing without any such neighbor;
    - ``within_region_{k}``: the index cut down to the query's modality and region: hits among the
      first n of its neighbors there, over n = min(k, R) as in P@k; missing where fewer than n are
      known.
    """
    width = lists.neighbor_labels.shape[1]
    right = lists.neighbor_labels == lists.labels[:, None]
    near = (region_of[lists.neighbor_labels] == region_of[lists.labels][:, None]) & (
        lists.neighbor_labels >= 0
    )
    # Neighbors of the region move to the front of the list, in their order.
    front = np.take_along_axis(right, np.argsort(~near, axis=1, kind="stable"), axis=1)
    known = near.sum(axis=1)
    if searched is not None:
        rows = (searched >= 0).sum(axis=1) > known
        deep = min(searched.shape[1], width)
        front[rows, :deep] = (searched == lists.labels[:, None])[rows, :deep]
        known = np.where(rows, (searched >= 0).sum(axis=1), known)
    columns: dict[str, np.ndarray] = {
        "query": lists.query_ids,
        "label": lists.names[lists.labels],
        "asked": (relevant > 0) & (relevant < in_region),
        "chance": _ratio(relevant, in_region),
    }
    for k in CONDITIONAL_AT:
        if k > width:
            continue
        cut = np.minimum(k, relevant)
        inside = (front[:, :k] & (np.arange(k) < cut[:, None])).sum(axis=1)
        shown = near[:, :k].sum(axis=1)
        columns[f"among_neighbors_{k}"] = _ratio(right[:, :k].sum(axis=1), shown)
        columns[f"within_region_{k}"] = np.where(known >= cut, _ratio(inside, cut), np.nan)
    return pd.DataFrame(columns)


def short_lists(
    lists: LabelledLists, region_of: np.ndarray, relevant: np.ndarray, in_region: np.ndarray
) -> np.ndarray:
    """The queries (positions) whose list has fewer neighbors of their region than
    ``within_region`` needs.
    """
    near = (region_of[lists.neighbor_labels] == region_of[lists.labels][:, None]) & (
        lists.neighbor_labels >= 0
    )
    depth = max(CONDITIONAL_AT)
    asked = (relevant > 0) & (relevant < in_region)
    return np.flatnonzero(asked & (near.sum(axis=1) < np.minimum(depth, relevant)))


def of_models(per_query: Mapping[str, pd.DataFrame], patients: pd.Series) -> pd.DataFrame:
    """The averages of each model: a row per query split, variant of neighbors, condition, group and
    k.

    ``per_query`` maps each model to its table of :func:`per_query` with the columns query_split and
    neighbors in front, ``patients`` the id of an image to its patient. ``micro`` and ``macro``
    average over queries and labels, over the queries that all models answered, so that models can
    be compared; ``low``, ``high`` (of micro), ``macro_low`` and ``macro_high`` are the ends of 95 %
    intervals by patient, ``effective_patients`` the number behind that of micro. ``chance`` and
    ``chance_macro`` average the prior of the same queries; ``lift`` is micro over chance.
    ``queries`` counts the common queries. ``own_micro`` and ``own_queries`` are over all that the
    model answered, ``queries_without_value`` those that it could not, ``queries_not_asked`` the
    rest. Groups: all; each modality/region; ``normal`` and ``pathological`` findings where any
    label says normal.
    """
    indexed = {model: table.set_index([*VARIANT, "query"]) for model, table in per_query.items()}
    parts = []
    some = next(iter(per_query.values()))
    ks = [k for k in CONDITIONAL_AT if f"among_neighbors_{k}" in some]
    for variant in some[VARIANT].drop_duplicates().itertuples(index=False, name=None):
        answers = {
            model: _answers(table.loc[variant], patients)
            for model, table in indexed.items()
            if variant in table.index
        }
        for condition in CONDITIONS:
            for k in ks:
                rows = _of_models(answers, f"{condition}_{k}")
                about = dict(zip(VARIANT, variant, strict=True)) | {"condition": condition, "k": k}
                parts.append(rows.assign(**about))
    table = pd.concat(parts, ignore_index=True)
    first = ["model", *VARIANT, "condition", "kind", "group", "k"]
    order = {model: place for place, model in enumerate(per_query)}
    table = table.sort_values("model", key=lambda column: column.map(order), kind="stable")
    return table[[*first, *table.columns.difference(first, sort=False)]].reset_index(drop=True)


def groups_of(labels: Sequence[str] | np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Kind, name and members ``(q,)`` bool of the groups of queries with these labels."""
    parts = pd.Series(labels, dtype=object).str.split("/", n=2, expand=True)
    region = (parts[0] + "/" + parts[1]).to_numpy(object)
    groups = [("all", "all", np.ones(len(labels), dtype=bool))]
    groups += [("modality_region", name, region == name) for name in sorted(set(region))]
    normal = is_normal(parts[2]).to_numpy(bool)
    if normal.any():
        groups += [("finding", "normal", normal), ("finding", "pathological", ~normal)]
    return groups


@dataclass(frozen=True)
class _Answers:
    """What one model answered, with what is the same for every condition and k."""

    table: pd.DataFrame
    clusters: np.ndarray
    labels: np.ndarray
    groups: list[tuple[str, str, np.ndarray]]


def _answers(table: pd.DataFrame, patients: pd.Series) -> _Answers:
    clusters, _ = patients_as_clusters(patients.loc[table.index])
    labels = table["label"].to_numpy(object)
    return _Answers(table, clusters, pd.factorize(labels)[0], groups_of(labels))


def _of_models(answers: Mapping[str, _Answers], column: str) -> pd.DataFrame:
    """The rows of one variant, condition and k."""
    common = functools.reduce(
        pd.Index.intersection,
        (
            each.table.index[(each.table["asked"] & each.table[column].notna()).to_numpy()]
            for each in answers.values()
        ),
    )
    rows = []
    for model, own_answers in answers.items():
        table, clusters, labels = own_answers.table, own_answers.clusters, own_answers.labels
        asked, value = table["asked"].to_numpy(bool), table[column].to_numpy(float)
        chance = table["chance"].to_numpy(float)
        shared, counted = table.index.isin(common), asked & np.isfinite(value)
        for kind, group, members in own_answers.groups:
            of = np.flatnonzero(shared & members)
            both = np.column_stack([value, chance])[of]
            micro = average(both, _codes(clusters[of]))
            macro = average(both, _codes(clusters[of]), _codes(labels[of]))
            (low, _), (high, _) = micro.interval()
            (macro_low, _), (macro_high, _) = macro.interval()
            own = counted & members
            rows.append(
                {
                    "model": model,
                    "kind": kind,
                    "group": group,
                    "micro": micro.value[0],
                    "low": low,
                    "high": high,
                    "macro": macro.value[0],
                    "macro_low": macro_low,
                    "macro_high": macro_high,
                    "effective_patients": micro.effective,
                    "chance": micro.value[1],
                    "chance_macro": macro.value[1],
                    "lift": micro.value[0] / micro.value[1],
                    "queries": len(of),
                    "own_micro": value[own].mean() if own.any() else np.nan,
                    "own_queries": int(own.sum()),
                    "queries_without_value": int((asked & members & ~own).sum()),
                    "queries_not_asked": int((members & ~asked).sum()),
                }
            )
    return pd.DataFrame(rows)


def _codes(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
