"""The gallery: queries beside their nearest neighbors by every model, on one page that opens
without network.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from radcbir.analyses.confidence.stored import Stored, is_unlike
from radcbir.core.text.labels import in_short
from radcbir.images.thumbnails import Thumbnails

SHARPER = 2
"""Thumbnails have so many times the pixels at which they are shown: sharp on fine screens, and when
they are enlarged."""

KINDS = {"wrong": "all models wrong", "disagree": "models disagree", "right": "all models right"}
"""Kinds of queries by the first neighbor of each model, in the order of the page: errors first."""


def choose_queries(catalog: pd.DataFrame, count: int) -> pd.DataFrame:
    """``count`` queries of ``catalog``, one per label in turn (labels by name, images by id), so
    that few labels repeat.

    The choice depends on the catalog alone, never on how well a model does.
    """
    ordered = catalog.sort_values(["label", "id"], ignore_index=True)
    ordered["turn"] = ordered.groupby("label").cumcount()
    labels = sorted(ordered["label"].unique())
    if count < len(labels):
        step = len(labels) / count
        ordered = ordered[
            ordered["label"].isin([labels[int(position * step)] for position in range(count)])
        ]
    return (
        ordered.sort_values(["turn", "label"], kind="stable")
        .head(count)
        .sort_values(["label", "id"], ignore_index=True)
    )


def first_neighbors(path: str | Path, queries: pd.Series, count: int) -> pd.DataFrame:
    """The first ``count`` neighbors of some queries, from a neighbor table on disk (only those rows
    are read).
    """
    wanted = [("query", "in", [int(each) for each in queries]), ("rank", "<=", count)]
    columns = ["query", "rank", "neighbor", "score"]
    return (
        pq.read_table(path, columns=columns, filters=wanted)
        .to_pandas()
        .sort_values(["query", "rank"])
    )


def unlike_queries(
    path: str | Path, queries: pd.Series, catalog: pd.DataFrame, stored: Stored
) -> set[int]:
    """Those of some queries (ids) that are unlike the benchmark by the fit of a model, whose neighbor
    table is at ``path``. As in the fit, images of the query's patient and images without exactly one
    label are passed over.
    """
    columns, wanted = (
        ["query", "rank", "neighbor", "score", "same_patient"],
        [("query", "in", [int(each) for each in queries])],
    )
    table = pq.read_table(path, columns=columns, filters=wanted).to_pandas()
    one_label = catalog.loc[catalog["labels"].map(len) == 1, "id"]
    table = table[~table["same_patient"] & table["neighbor"].isin(one_label)]
    scores = table.sort_values(["query", "rank"]).groupby("query")["score"]
    return {int(query) for query, each in scores if is_unlike(stored, each.to_numpy())}


def gallery(
    catalog: pd.DataFrame,
    split: str,
    tables: Mapping[str, str | Path],
    names: Mapping[str, str],
    thumbnails: Thumbnails,
    count: int,
    neighbors: int,
    fits: Mapping[str, Stored] | None = None,
) -> list[dict]:
    """The queries of a gallery with their neighbors by each model, ready for the template.

    ``catalog`` is the pooled catalog of the experiment, ``tables`` maps a model to its neighbor
    table, ``names`` a model to the name shown. A neighbor is right when it shares a label with the
    query. A model that rejected a query's image shows no neighbors for it. ``fits`` maps a model to its
    fit of the analysis confidence, which says what is unlike the benchmark. Queries whose first
    neighbor is wrong for all models come first, then those on which models disagree.
    """
    catalog = catalog.assign(label=catalog["labels"].map(" + ".join))
    queries = choose_queries(catalog[catalog["split"] == split], count)
    found = {
        model: first_neighbors(path, queries["id"], neighbors) for model, path in tables.items()
    }
    unlike = {
        model: unlike_queries(tables[model], queries["id"], catalog, fit)
        for model, fit in (fits or {}).items()
    }
    needed = pd.concat([table["neighbor"] for table in found.values()]).unique()
    known = (
        catalog[catalog["id"].isin(needed)]
        .set_index("id")[["dataset", "path", "labels"]]
        .to_dict("index")
    )
    shown = []
    query: Any
    for query in queries.itertuples():
        rows = []
        for model, table in found.items():
            near: Iterable[Any] = table[table["query"] == query.id].itertuples()
            hits = [
                {
                    "thumbnail": thumbnails.name(
                        known[hit.neighbor]["dataset"], known[hit.neighbor]["path"]
                    ),
                    "path": known[hit.neighbor]["path"],
                    "label": in_short(known[hit.neighbor]["labels"]),
                    "shared": _shared(query.labels, known[hit.neighbor]["labels"]),
                    "score": "" if math.isnan(hit.score) else f"{hit.score:.3f}",
                    "right": not set(known[hit.neighbor]["labels"]).isdisjoint(query.labels),
                }
                for hit in near
            ]
            rows.append(
                {
                    "model": names[model],
                    "neighbors": hits,
                    "right": sum(hit["right"] for hit in hits),
                    "unlike": query.id in unlike.get(model, ()),
                }
            )
        answered = [row for row in rows if row["neighbors"]]
        first_right = sum(row["neighbors"][0]["right"] for row in answered)
        shown.append(
            {
                "kind": _kind(first_right, len(answered)),
                "first_right": first_right,
                "models": len(answered),
                "unlike": any(row["unlike"] for row in rows),
                "label": query.label,
                "short": in_short(query.labels),
                "path": query.path,
                "source": query.source if isinstance(query.source, str) else query.dataset,
                "thumbnail": thumbnails.name(query.dataset, query.path),
                "rows": rows,
            }
        )
    return sorted(shown, key=lambda query: list(KINDS).index(query["kind"]))


def _shared(labels: Sequence[str], found: Sequence[str]) -> str:
    """How many of a query's labels an image has, in words; nothing where the query has one."""
    return f"{len({*labels} & {*found})} of {len(labels)} labels" if len(labels) > 1 else ""


def _kind(first_right: int, models: int) -> str:
    """One of :data:`KINDS`, by how many models have a right image in the first place."""
    if not models or first_right == 0:
        return "wrong"
    return "right" if first_right == models else "disagree"
