"""The table of models."""

from collections.abc import Mapping, Sequence

import pandas as pd

from radcbir.cards.model_card import is_control
from radcbir.metrics.registry import columns
from radcbir.report.heat import is_missing, three_decimals

FEW_PATIENTS = 20
"""With fewer resampled patients than this, percentile intervals are known to be too narrow."""

HEADLINES = [
    (column.heading, metric.averaged, column.average, column.help) for metric, column in columns()
]
"""The model table's columns: head, metric, average, and what it means."""

OTHER_PATIENTS = (
    "P@1 other patients",
    "precision_at_1",
    "micro",
    "P@1 when same-patient neighbors are left out",
)


def model_table(
    summary: pd.DataFrame,
    cards: Mapping[str, Mapping],
    intervals: pd.DataFrame | None = None,
    differences: pd.DataFrame | None = None,
    bounds: pd.DataFrame | None = None,
    marks: Mapping[str, Mapping] | None = None,
) -> list[dict]:
    """Rows of the model table per query split, best first by micro P@1, from a comparison's
    ``summary.csv``.

    ``cards`` gives the model cards in the order of the configuration. The column for other patients
    appears where those figures exist. ``intervals`` and ``differences`` (both or none, see
    ``uncertainty.bootstrap``) add an interval to each cell and mark the models that cannot be told
    from the best, whose paired difference from it may be 0. ``bounds`` adds the ceiling above the
    models and the floor below them, ``marks`` a contamination mark per model
    (:func:`radcbir.analyses.contamination.compute.mark`).
    """
    columns = _columns(summary)
    values = _by_figure(summary, "model")["value"]
    known = None if intervals is None else _by_figure(intervals, "model")
    splits = []
    for split in summary["query_split"].unique():
        here = summary[summary["query_split"] == split]
        rows = []
        for model in cards:
            cells = [values.get((split, *column, model)) for column in columns]
            rows.append(
                {
                    "model": model,
                    "values": [None if is_missing(value) else float(value) for value in cells],
                }
            )
        best = [
            max((v for v in column if v is not None), default=None)
            for column in zip(*(r["values"] for r in rows), strict=True)
        ]
        leaders = [
            next(
                (row["model"] for row in rows if top is not None and row["values"][place] == top),
                None,
            )
            for place, top in enumerate(best)
        ]
        alike = [
            set()
            if differences is None or leader is None
            else _alike(differences, (split, *column), leader)
            for column, leader in zip(columns, leaders, strict=True)
        ]
        rows.sort(key=lambda row: -(row["values"][0] if row["values"][0] is not None else -1))
        splits.append(
            {
                "name": split,
                "note": _denominators(here),
                "resampled": None
                if intervals is None
                else _resampled(intervals[intervals["query_split"] == split]),
                "ceiling": _bound(bounds, "oracle", split, columns),
                "floor": _bound(bounds, "chance", split, columns),
                "rows": [
                    {
                        "name": cards[row["model"]]["name"],
                        "control": is_control(cards[row["model"]]),
                        "mark": (marks or {}).get(row["model"]),
                        "cells": [
                            {
                                "value": value,
                                "text": three_decimals(value),
                                "interval": _interval(known, (split, *column, row["model"]), value),
                                "best": value is not None and value == top,
                                "alike": value is not None
                                and value != top
                                and row["model"] in near,
                            }
                            for value, top, column, near in zip(
                                row["values"], best, columns, alike, strict=True
                            )
                        ],
                    }
                    for row in rows
                ],
            }
        )
    return splits


def _columns(summary: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Neighbors, metric and average of the model table's columns."""
    columns = [("all", metric, average) for _, metric, average, _ in HEADLINES]
    return (
        [*columns, ("other_patients", *OTHER_PATIENTS[1:3])]
        if _has_other_patients(summary)
        else columns
    )


def _by_figure(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return table.set_index(["query_split", "neighbors", "metric", "average", *columns])


def _alike(differences: pd.DataFrame, figure: tuple[str, ...], leader: str) -> set[str]:
    """The models whose paired difference from the leader has an interval that holds 0."""
    keys = ("query_split", "neighbors", "metric", "average")
    here = differences
    for key, wanted in zip(keys, figure, strict=True):
        here = here[here[key] == wanted]
    near = here[(here["low"] <= 0) & (here["high"] >= 0)]
    return set(near.loc[near["other"] == leader, "model"]) | set(
        near.loc[near["model"] == leader, "other"]
    )


def _interval(known: pd.DataFrame | None, figure: tuple[str, ...], value: float | None) -> str:
    if (
        known is None
        or value is None
        or figure not in known.index
        or is_missing(float(known.loc[figure, "low"]))
    ):
        return ""
    return f"{known.loc[figure, 'low']:.3f} – {known.loc[figure, 'high']:.3f}"


def _resampled(intervals: pd.DataFrame) -> dict:
    """What the intervals of a query split go by: how many of what were resampled, and whether those
    are few.
    """
    first = intervals[intervals["neighbors"] == "all"].iloc[0]
    count, unit = int(first["clusters"]), str(first["resampled"])
    units = {"patient": "patients", "image": "images (no patient is known)"}.get(
        unit, "patients, or images without one"
    )
    return {"count": f"{count:,}", "units": units, "few": count < FEW_PATIENTS, "none": count < 2}


def _bound(
    bounds: pd.DataFrame | None, name: str, split: str, columns: Sequence[tuple[str, str, str]]
) -> list[dict]:
    """The cells of the floor or the ceiling."""
    if bounds is None:
        return []
    values = _by_figure(bounds[bounds["model"] == name])["value"]
    found = [values.get((split, *column)) for column in columns]
    return [
        {"value": each, "text": three_decimals(None if is_missing(each) else float(each))}
        for each in found
    ]


def model_columns(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """Heads and explanations of the model table's columns."""
    columns = [*HEADLINES, OTHER_PATIENTS] if _has_other_patients(summary) else HEADLINES
    return [(head, explanation) for head, _, _, explanation in columns]


def card_table(cards: Mapping[str, Mapping]) -> list[dict]:
    """What a reader has to know about each model: architecture, dimension, licence, training
    data.
    """
    return [
        {
            "slug": slug,
            "name": card["name"],
            "homepage": card.get("homepage", ""),
            "control": is_control(card),
            "architecture": f"{card['loader']}: {card['architecture']}",
            "dimension": card["dimension"],
            "size": card.get("preprocessing", {}).get("size", ""),
            "pooling": card.get("pooling", ""),
            "precision": card.get("precision", ""),
            "licence": card.get("licence", ""),
            "training_data": ", ".join(card.get("training_data", [])) or "nothing",
        }
        for slug, card in cards.items()
    ]


def _has_other_patients(summary: pd.DataFrame) -> bool:
    return bool((summary["neighbors"] == "other_patients").any())


def _denominators(summary: pd.DataFrame) -> str:
    """One sentence on what the averages run over; models may differ where images were rejected."""
    first = summary[
        (summary["neighbors"] == "all")
        & (summary["metric"] == "precision_at_1")
        & (summary["average"] == "micro")
    ]
    queries, lone = (
        sorted(first["queries"].unique()),
        sorted(first["queries_without_relevant"].unique()),
    )
    return (
        f"Averages over {_range(queries)} queries of {_range(sorted(first['classes'].unique()))} "
        "classes; "
        f"{_range(lone)} further queries have no index image of their class and stand in no "
        "average."
    )


def _range(values: Sequence) -> str:
    low, high = int(values[0]), int(values[-1])
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
