"""Adapted and reranked models against the model that they are made from, on the same queries.

The statistics are those of the analysis ``uncertainty``: paired intervals by patient, verdicts
adjusted for all models that are made from the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from radcbir.analyses.cross_dataset.compute import Read
from radcbir.analyses.gains.folds import Fold
from radcbir.analyses.uncertainty.compute import bootstrap
from radcbir.core.vectors import normalised_or_zero
from radcbir.metrics.evaluation import evaluate
from radcbir.retrieval.adaptation.transform import Transform
from radcbir.retrieval.exact import exact_searcher
from radcbir.retrieval.neighbor_table import Queries, table_of

METRICS = ("precision_at_1", "mean_average_precision")

AVERAGE = "micro"

KEYS = ["query_split", "neighbors", "metric"]

GAIN_COLUMNS = [*KEYS, "base", "base_value", "value", "difference", "low", "high", "p_adjusted",
    "verdict", "queries", "effective_patients"]  # fmt: skip

LEFT_OUT_COLUMNS = ["left_out", *KEYS, "base_value", "seen_value", "value", "difference", "low",
    "high", "verdict", "lost", "lost_low", "lost_high", "queries", "effective_patients", "fits",
    "remark"]  # fmt: skip

Nearest = Callable[[Any, int], tuple[np.ndarray, np.ndarray]]

UNSEEN, SEEN, BASE = "unseen", "seen", "base"


def gains(
    per_query: Mapping[str, pd.DataFrame],
    patients: pd.Series,
    model: str,
    base: str,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """How much better ``model`` is than ``base``: :data:`GAIN_COLUMNS`.

    ``per_query`` has the tables of the base and of all models that are made from it, ``patients``
    the patient by id. Differences are over the queries that all of them answered.
    """
    intervals, differences, _ = bootstrap(per_query, patients, resamples, seed)
    found = _against(intervals, differences, model, base).assign(base=base)
    return found.rename(columns={f"{base}_value": "base_value", f"{model}_value": "value"})


def _against(
    intervals: pd.DataFrame, differences: pd.DataFrame, model: str, base: str
) -> pd.DataFrame:
    """The differences of ``model`` minus ``base``, with the values of all models beside them."""
    one = differences[(differences["model"] == model) & (differences["other"] == base)]
    other = differences[(differences["model"] == base) & (differences["other"] == model)]
    turned = other.assign(
        difference=-other["difference"],
        low=-other["high"],
        high=-other["low"],
        verdict=other["verdict"].replace({"better": "worse", "worse": "better"}),
    )
    pairs = pd.concat([one, turned])
    pairs = pairs[(pairs["average"] == AVERAGE) & pairs["metric"].isin(METRICS)]
    values = intervals[intervals["average"] == AVERAGE].pivot_table(
        index=KEYS, columns="model", values="common_value", dropna=False
    )
    values.columns = [f"{each}_value" for each in values.columns]
    return pairs.join(values, on=KEYS).rename(columns={"effective_clusters": "effective_patients"})


def unseen_per_query(
    catalog: pd.DataFrame,
    read: Read,
    fits: Iterable[tuple[Fold, Transform | None]],
    index_split: str,
    query_splits: Iterable[str],
    k: int,
) -> dict[str, tuple[pd.DataFrame, int, str]]:
    """What queries find whose label, or dataset, was no part of the fit: kind of fold -> the table
    ``per_query``, the number of fits, and what could not be fitted.

    Each query is asked once, with the map that has not seen its label (its dataset). The index is
    the whole one, after the same map. ``catalog`` is the pooled one.
    """
    usable = catalog[catalog["label"].notna()]
    patients = usable.set_index("id")["patient_id"]
    ids, vectors = read(usable.loc[usable["split"] == index_split, "id"].to_numpy())
    found: dict[str, tuple[list[pd.DataFrame], list[bool], list[str]]] = {}
    for fold, each in fits:
        tables, made, errors = found.setdefault(fold.kind, ([], [], []))
        made.append(each is not None)
        if each is None:
            errors.append(f"without {', '.join(fold.held)}: {fold.error}")
            continue
        nearest = exact_searcher(normalised_or_zero(each.apply(vectors)).astype(np.float32))
        for split in query_splits:
            rows = (usable["split"] == split) & fold.asked(usable)
            asked, queries = read(usable.loc[rows, "id"].to_numpy())
            if not len(asked):
                continue
            moved = normalised_or_zero(each.apply(queries)).astype(np.float32)
            table = table_of(
                _search(nearest, moved),
                ids,
                Queries(asked, moved, k, patients.loc[asked].to_numpy(), patients),
            )
            embedded = np.concatenate([ids, asked])
            tables.append(
                evaluate(table.to_pandas(), usable, embedded, index_split, split, k).per_query
            )
    return {
        kind: (pd.concat(tables, ignore_index=True), sum(made), "; ".join(errors))
        for kind, (tables, made, errors) in found.items()
        if tables
    }


def _search(nearest: Nearest, queries: np.ndarray) -> Nearest:
    """A search of some vectors for runs of queries, as ``table_of`` takes it."""
    return lambda block, depth: nearest(queries[block], depth)


def left_out(
    unseen: Mapping[str, tuple[pd.DataFrame, int, str]],
    seen: pd.DataFrame,
    base: pd.DataFrame,
    patients: pd.Series,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """The queries of :func:`unseen_per_query` against the base, and against the model as it is
    (``seen``): :data:`LEFT_OUT_COLUMNS`.

    ``difference`` is that to the base; ``lost`` is what the fit loses by not having seen the label
    (the dataset).
    """
    parts = []
    for kind, (table, fits, remark) in unseen.items():
        asked = table[["query_split", "neighbors", "query"]].drop_duplicates()
        tables = {
            UNSEEN: table,
            SEEN: seen.merge(asked, on=list(asked)),
            BASE: base.merge(asked, on=list(asked)),
        }
        intervals, differences, _ = bootstrap(tables, patients, resamples, seed)
        found = _against(intervals, differences, UNSEEN, BASE).set_index(KEYS)
        lost = _against(intervals, differences, UNSEEN, SEEN).set_index(KEYS)
        found = found.assign(
            lost=lost["difference"], lost_low=lost["low"], lost_high=lost["high"]
        ).rename(columns={f"{UNSEEN}_value": "value"})
        parts.append(found.reset_index().assign(left_out=kind, fits=fits, remark=remark))
    if not parts:
        return pd.DataFrame(columns=LEFT_OUT_COLUMNS)
    return pd.concat(parts, ignore_index=True)[LEFT_OUT_COLUMNS]
