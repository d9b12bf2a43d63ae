"""What queries found: one table over all models, the ledger, and the pictures of the page."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from radcbir.analyses.confidence.stored import Stored, in_ten, rated
from radcbir.core.errors import InputError
from radcbir.core.text.labels import in_short
from radcbir.datasets.catalog import LEDGER_COLUMNS
from radcbir.images import raster, reader
from radcbir.images.thumbnails import Thumbnails
from radcbir.query.image_list import Query

COLUMNS = [
    "query",
    "model",
    "rank",
    "neighbor",
    "score",
    "labels",
    "dataset",
    "patient_id",
    "neighbor_id",
    "chance",
    "unlike",
]

SHOWN = 200
"""So many queries have a place on the page; the table has all."""

QUERIES = ""
"""Stands for a dataset's name where thumbnails are of the queries: no dataset can be called so."""


def check_readable(queries: Sequence[Query], intensity: Mapping) -> None:
    """Raise :class:`InputError`, with the first reasons, where not one of the queries can be
    read.
    """
    reasons = []
    for name, path, *_ in queries:
        try:
            reader.read(path, intensity)
            return
        except raster.UnreadableImage as error:
            reasons.append(f"{name} ({error})")
    which = (
        "the query image cannot"
        if len(reasons) == 1
        else f"none of the {len(reasons)} query images can"
    )
    raise InputError(
        f"{which} be read: {'; '.join(reasons[:3])}{' ...' if len(reasons) > 3 else ''}; mend the "
        "files, or name others "
        "under `query: images:`"
    )


def result_table(
    queries: Sequence[Query],
    found: Mapping[str, pd.DataFrame],
    catalog: pd.DataFrame,
    fits: Mapping[str, Stored] | None = None,
) -> pd.DataFrame:
    """One row per query, model and neighbor, in this order (:data:`COLUMNS`; labels with ``|``
    between them).

    ``found`` maps a model to its neighbor table (query, rank, neighbor, score; queries by their
    place in ``queries``), ``catalog`` is the experiment's. ``fits`` maps a model to its fit of the
    analysis confidence: ``chance`` is the chance that a hit is right, ``unlike`` says ``yes`` or
    ``no`` of a query. Both are missing where nothing is known.
    """
    parts = [
        table.assign(model=model, place=place) for place, (model, table) in enumerate(found.items())
    ]
    table = pd.concat(parts).sort_values(
        ["query", "place", "rank"], kind="stable", ignore_index=True
    )
    known = catalog.set_index("id").loc[table["neighbor"]]
    chance, unlike = _rated(table, known["labels"], fits or {})
    return pd.DataFrame(
        {
            "query": [queries[number].name for number in table["query"]],
            "model": table["model"],
            "rank": table["rank"],
            "neighbor": known["path"].to_numpy(),
            "score": table["score"],
            "labels": [" | ".join(each) for each in known["labels"]],
            "dataset": known["dataset"].to_numpy(),
            "patient_id": known["patient_id"].to_numpy(),
            "neighbor_id": table["neighbor"],
            "chance": chance,
            "unlike": unlike,
        }
    )[COLUMNS]


def _rated(
    table: pd.DataFrame, labels: pd.Series, fits: Mapping[str, Stored]
) -> tuple[np.ndarray, np.ndarray]:
    """The columns ``chance`` and ``unlike`` of a table of hits, whose ``labels`` are lists."""
    chance, unlike = np.full(len(table), np.nan), np.full(len(table), None, dtype=object)
    one = np.array([each[0] if len(each) == 1 else None for each in labels], dtype=object)
    scores = table["score"].to_numpy()
    keys: Any
    for keys, rows in table.groupby(["query", "model"], sort=False).indices.items():
        if fit := fits.get(keys[1]):
            found = rated(fit, scores[rows], list(one[rows]))
            chance[rows] = found.chance
            unlike[rows] = {True: "yes", False: "no", None: None}[found.unlike]
    return chance, unlike


def query_ledger(
    queries: Sequence[Query], rejected: Mapping[str, Sequence[tuple[int, str, str]]]
) -> pd.DataFrame:
    """The rejected queries as a ledger: one row where all models reject for the same reason, else a
    row per model.

    ``rejected`` maps a model to what it rejected: (place in ``queries``, path, reason).
    """
    rows = []
    for number, query in enumerate(queries):
        reasons = {
            model: why
            for model, listed in rejected.items()
            for place, _, why in listed
            if place == number
        }
        # A fusion repeats what its member says, with its name before it.
        of_members = {f"{model}: {why}": why for model, why in reasons.items()}
        alike = {of_members.get(why, why) for why in reasons.values()}
        if len(reasons) == len(rejected) and len(alike) == 1:
            reasons = {"": alike.pop()}
        rows += [(query.name, "query", model, reason) for model, reason in reasons.items()]
    return pd.DataFrame(rows, columns=LEDGER_COLUMNS)


def page_queries(
    queries: Sequence[Query],
    table: pd.DataFrame,
    names: Mapping[str, str],
    thumbnails: Thumbnails,
    captions: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> list[dict]:
    """The first :data:`SHOWN` queries with neighbors of ``table`` (:func:`result_table`), ready for
    the template.

    ``names`` maps a model to the name shown; a model that rejected a query is listed without
    neighbors. ``captions`` has a text for queries by name, ``notes`` one for each row of the table.
    """
    table = table.assign(note=list(notes) or "")
    paths = {query.name: query.path for query in queries}
    sections = []
    for name in list(dict.fromkeys(table["query"]))[:SHOWN]:
        here = table[table["query"] == name]
        rows = []
        for model, shown in names.items():
            of_model = here[here["model"] == model]
            hits = [
                {
                    "thumbnail": thumbnails.name(hit.dataset, hit.neighbor),
                    "path": hit.neighbor,
                    "score": "" if math.isnan(hit.score) else f"{hit.score:.3f}",
                    "labels": _in_short(hit.labels),
                    "dataset": hit.dataset,
                    "chance": in_ten(hit.chance),
                    "note": hit.note,
                }
                for hit in of_model.itertuples()
            ]
            counted = Counter(each for each in of_model["labels"] if each).most_common(1)
            rows.append(
                {
                    "model": shown,
                    "neighbors": hits,
                    "commonest": (_in_short(counted[0][0]), counted[0][1]) if counted else None,
                    "unlike": bool((of_model["unlike"] == "yes").any()),
                }
            )
        sections.append(
            {
                "name": name,
                "caption": (captions or {}).get(name, ""),
                "thumbnail": thumbnails.name(QUERIES, paths[name]),
                "rows": rows,
            }
        )
    return sections


def _in_short(labels: str) -> str:
    """The labels of a row of the table, in few words."""
    return in_short(labels.split(" | "))
