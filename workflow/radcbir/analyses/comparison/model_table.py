"""The table of models."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from radcbir.analyses.comparison.common_queries import without_empty_metrics
from radcbir.cards.model_card import NOT_STATED, is_control
from radcbir.cards.model_list import input_size
from radcbir.metrics.intervals import reading
from radcbir.metrics.registry import columns
from radcbir.report.numbers import as_sure, interval, is_missing, three_decimals

HEADLINES = [
    (column.heading, metric.averaged, column.average, column.help) for metric, column in columns()
]
"""The model table's columns: head, metric, average, and what it means."""

OTHER_PATIENTS = (
    "P@1 other patients",
    "precision_at_1",
    "micro",
    "P@1 without neighbors of the same patient",
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

    Cells show averages over the queries that all models answered (``common_value``), and the
    model's own average where that is another one. Order and best marks follow the former; without
    the column, the latter. ``cards`` gives the model cards in the order of the configuration. The
    column for other patients appears where those figures exist. ``intervals`` and ``differences``
    (both or none, see ``uncertainty.bootstrap``) add an interval to each cell and mark the models
    that cannot be told from the best: those whose verdict against it is ``undecided``. ``bounds``
    adds the ceiling above the models and the floor below them, ``marks`` a contamination mark per
    model (:func:`radcbir.analyses.contamination.compute.mark`).
    """
    columns = _columns(summary)
    figures = _by_figure(summary, "model")
    known = None if intervals is None else _by_figure(intervals, "model")
    splits = []
    for split in summary["query_split"].unique():
        here = summary[summary["query_split"] == split]
        places = {model: [(split, *column, model) for column in columns] for model in cards}
        own = {model: _values(figures["value"], of) for model, of in places.items()}
        shown = own
        if "common_value" in summary:
            shown = {model: _values(figures["common_value"], of) for model, of in places.items()}
        best = [
            max((value for value in column if value is not None), default=None)
            for column in zip(*shown.values(), strict=True)
        ]
        alike = [
            _alike(differences, (split, *column), [m for m in cards if shown[m][place] == top])
            for place, (column, top) in enumerate(zip(columns, best, strict=True))
        ]
        rows = [
            {
                "name": card["name"],
                "control": is_control(card),
                "mark": (marks or {}).get(model),
                "lacks": _lacks(here[here["model"] == model]),
                "cells": [
                    {
                        "value": value,
                        **_texts(known, figure, value, alone),
                        "best": value is not None and value == top,
                        "alike": value is not None and value != top and model in near,
                    }
                    for value, alone, figure, top, near in zip(
                        shown[model], own[model], places[model], best, alike, strict=True
                    )
                ],
            }
            for model, card in cards.items()
        ]
        rows.sort(key=_first, reverse=True)
        splits.append(
            {
                "name": split,
                "note": _denominators(here),
                "resampled": None
                if intervals is None
                else _resampled(intervals[intervals["query_split"] == split]),
                "ceiling": _bound(bounds, "oracle", split, columns),
                "floor": _bound(bounds, "chance", split, columns),
                "rows": rows,
            }
        )
    return splits


def _first(row: Mapping) -> float:
    value = row["cells"][0]["value"]
    return -1.0 if value is None else value


def _values(figures: pd.Series, places: Sequence[tuple[str, ...]]) -> list[float | None]:
    """Figures by their places, None where one is missing."""
    found: list[Any] = [figures.get(place) for place in places]
    return [None if is_missing(value) else float(value) for value in found]


def _lacks(of_model: pd.DataFrame) -> str:
    """What a model lacks that others have, in words; nothing where it lacks nothing."""
    here = of_model[of_model["neighbors"] == "all"]
    parts = []
    for column, what in (("lacking_queries", "queries"), ("lacking_index_images", "index images")):
        count = 0 if column not in here or here.empty else int(here[column].iloc[0])
        if count:
            parts.append(f"{count:,} {what if count > 1 else what.replace('ies', 'y').rstrip('s')}")
    return f"lacks {' and '.join(parts)}" if parts else ""


def _columns(summary: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Neighbors, metric and average of the model table's columns."""
    columns = [("all", metric, average) for _, metric, average, _ in _headlines(summary)]
    return (
        [*columns, ("other_patients", *OTHER_PATIENTS[1:3])]
        if _has_other_patients(summary)
        else columns
    )


def _headlines(summary: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """The headlines whose metric has a value: P@10 has none at k = 5. All of them, where nothing
    has one.
    """
    there = set(without_empty_metrics(summary)["metric"])
    return [each for each in HEADLINES if each[1] in there]


def _by_figure(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return table.set_index(["query_split", "neighbors", "metric", "average", *columns])


def _alike(
    differences: pd.DataFrame | None, figure: tuple[str, ...], leaders: Sequence[str]
) -> set[str]:
    """The models of which it is undecided whether they differ from the leaders."""
    if differences is None:
        return set()
    here = differences[differences["verdict"] == "undecided"]
    for key, wanted in zip(("query_split", "neighbors", "metric", "average"), figure, strict=True):
        here = here[here[key] == wanted]
    return set(here.loc[here["other"].isin(leaders), "model"]) | set(
        here.loc[here["model"].isin(leaders), "other"]
    )


def _texts(
    known: pd.DataFrame | None, figure: tuple[str, ...], value: float | None, own: float | None
) -> dict[str, str]:
    """The value over common queries, the model's own where it is another, and the interval, with as
    many decimals as the interval allows.
    """
    low = high = float("nan")
    if known is not None and figure in known.index:
        ends: Any = known.loc[figure, ["common_low", "common_high"]]
        low, high = map(float, ends)
    text, alone = ("" if each is None else as_sure(each, low, high) for each in (value, own))
    return {
        "text": text,
        "own": "" if value == own else alone,
        "interval": "" if value is None else interval(low, high),
    }


def _resampled(intervals: pd.DataFrame) -> str:
    """What the intervals of a query split follow from, and what they do not allow, in words."""
    here = intervals[(intervals["neighbors"] == "all") & (intervals["metric"] == "precision_at_1")]
    micro, macro = (here[here["average"] == each].iloc[0] for each in ("micro", "macro"))
    return reading(
        int(micro["clusters"]),
        str(micro["resampled"]),
        {
            "means over queries": micro["effective_clusters"],
            "over classes": macro["effective_clusters"],
        },
    )


def _bound(
    bounds: pd.DataFrame | None, name: str, split: str, columns: Sequence[tuple[str, str, str]]
) -> list[dict]:
    """The cells of the floor or the ceiling."""
    if bounds is None:
        return []
    values = _by_figure(bounds[bounds["model"] == name])["value"]
    found: list[Any] = [values.get((split, *column)) for column in columns]
    return [
        {"value": each, "text": three_decimals(None if is_missing(each) else float(each))}
        for each in found
    ]


def model_columns(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """Heads and explanations of the model table's columns."""
    columns = _headlines(summary)
    columns += [OTHER_PATIENTS] if _has_other_patients(summary) else []
    return [(head, explanation) for head, _, _, explanation in columns]


def card_table(cards: Mapping[str, Mapping]) -> list[dict]:
    """What a reader has to know about each model: architecture, dimension, licence, training data,
    and where these facts are documented.
    """
    return [
        {
            "slug": slug,
            "name": card["name"],
            "homepage": card.get("homepage", ""),
            "control": is_control(card),
            "architecture": f"{card['loader']}: {card.get('architecture', NOT_STATED)}",
            "dimension": card.get("dimension", NOT_STATED),
            "size": input_size(card["preprocessing"].get("size"))
            if "preprocessing" in card
            else "",
            "pooling": card.get("pooling", ""),
            "precision": card.get("precision", ""),
            "licence": card.get("licence", NOT_STATED),
            "training_data": ", ".join(card.get("training_data", []))
            or ("nothing" if is_control(card) else NOT_STATED),
            "training_texts": ", ".join(card.get("training_texts", [])),
            "sources": [_source(each) for each in card.get("sources", [])],
        }
        for slug, card in cards.items()
    ]


def _source(source: Mapping) -> dict[str, str]:
    """One of a card's ``sources`` as it is shown; ``address`` is empty where there is no link."""
    place = source["from"]
    return {
        "facts": ", ".join(each.replace("_", " ") for each in source["for"]),
        "place": place,
        "address": place if place.startswith(("https://", "http://")) else "",
        "at": source.get("at", ""),
        "note": source.get("note", ""),
    }


def _has_other_patients(summary: pd.DataFrame) -> bool:
    return bool((summary["neighbors"] == "other_patients").any())


def _denominators(summary: pd.DataFrame) -> str:
    """What the averages run over, in words; models may differ where images were rejected."""
    first = summary[
        (summary["neighbors"] == "all")
        & (summary["metric"] == "precision_at_1")
        & (summary["average"] == "micro")
    ]
    own, classes = _range(first["queries"]), _range(first["classes"])
    further = (
        f"{_range(first['queries_without_relevant'])} further queries have no index image of their "
        "class and are in no average."
    )
    if not (first["queries"] + first["queries_without_relevant"]).any():
        return "No query has exactly one label, so none of this can be measured."
    if not first["queries"].any():
        return f"No query has an index image of its class, so nothing can be measured. {further}"
    found = f"Averages over {own} queries of {classes} classes. {further}"
    if "common_queries" in first and (first["common_queries"] != first["queries"]).any():
        found = (
            f"Averages over the {_range(first['common_queries'])} queries that all models answered. "
            f"In gray: a model's average over all queries that it answered ({own} queries of {classes} "
            f"classes). {further}"
        )
    if first["classes"].max() == 1:
        found += (
            " All queries have the same class. The values show how much of the index has it, "
            "not how well a model retrieves."
        )
    return found


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
