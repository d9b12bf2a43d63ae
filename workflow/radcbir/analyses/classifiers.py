"""What the pages and figures of kNN classification and linear probing share."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.typing import LineStyleType

from radcbir.cards.model_card import is_control
from radcbir.metrics.intervals import caution
from radcbir.report.dots import legend_below
from radcbir.report.numbers import as_sure, interval
from radcbir.report.style import COLORS, GRAY, MARKERS, STYLE, TWO_COLUMNS, size

COLUMNS = [
    (
        "accuracy",
        "accuracy",
        "micro",
        "share of queries with the right class; micro F1, precision and recall are the same",
    ),
    ("macro F1", "f1", "macro", "mean over classes of F1"),
    (
        "macro precision",
        "precision",
        "macro",
        "mean over classes of precision; 0 for a class that is never predicted",
    ),
    ("macro recall", "recall", "macro", "mean over classes of recall: the balanced accuracy"),
    (
        "micro ROC-AUC",
        "roc_auc",
        "micro",
        "ROC-AUC over all pairs of query and class, one class against the rest",
    ),
    (
        "macro ROC-AUC",
        "roc_auc",
        "macro",
        "mean over classes of the ROC-AUC of the class against the rest",
    ),
    ("ECE", "calibration_error", "micro", "expected calibration error, 15 bins: lower is better"),
]
"""The tables' columns: head, metric, average, and what it means."""

CHOSEN_BY = (
    "images that chose the setting: none of them is tested. Fixed: nothing could choose it. At the "
    "end of what was tried: a better setting may be beyond it"
)

CURVES = [
    ("accuracy", "micro", "accuracy (micro F1)"),
    ("balanced_accuracy", "macro", "balanced accuracy (macro recall)"),
    ("roc_auc", "macro", "macro ROC-AUC"),
]
"""Metric, average and title of the panels of curves."""

DASHES: list[LineStyleType] = ["-", "--"]


def table_section(
    part: pd.DataFrame,
    cards: Mapping[str, Mapping],
    kinds: Mapping[str, Mapping],
    setting: tuple[str, str, str],
) -> dict:
    """Heads and rows of one table: a row per model and kind, in the order of ``cards``."""
    [(kind, titles)] = kinds.items()
    heads = [
        {"text": "model", "help": "", "is_text": True},
        {"text": kind, "help": "", "is_text": True},
    ]
    heads.append({"text": setting[0], "help": setting[2], "is_text": False})
    heads.append({"text": "chosen by", "help": CHOSEN_BY, "is_text": True})
    heads += [
        {"text": head, "help": explanation, "is_text": False} for head, _, _, explanation in COLUMNS
    ]
    values = part.set_index(["model", kind, "metric", "average"]).sort_index()
    rows = []
    for model, card in cards.items():
        for name, title in titles.items():
            if (model, name) not in values.index:
                continue  # scores that are no cosine similarities weigh no votes
            own = values.loc[(model, name)]
            chosen = own[setting[1]].iloc[0]
            cells = [
                cell(card["name"], is_text=True),
                cell(title, is_text=True),
                cell(f"{chosen:g}", chosen),
                cell(choice_in_words(own.iloc[0]), is_text=True),
            ]
            for _, metric, average, _ in COLUMNS:
                value, low, high = map(float, own.loc[(metric, average), ["value", "low", "high"]])
                shown = cell(
                    "–" if math.isnan(value) else as_sure(value, low, high),
                    None if math.isnan(value) else value,
                )
                shown["interval"] = interval(low, high)
                cells.append(shown)
            rows.append({"control": is_control(card), "cells": cells})
    # A classifier that knows nothing and says so has a low calibration error: no best one is marked
    # there.
    mark_best(rows, range(4, len(heads) - 1))
    return {"heads": heads, "rows": rows}


def choice_in_words(row: pd.Series) -> str:
    """How a setting was chosen, with a mark where that means little or a better one may be
    beyond.
    """
    text = row["chosen_by"]
    if row["at_edge"]:
        text += " (at the end of what was tried)"
    doubt = row["doubt"]
    return f"{text} – chosen on too little: {doubt}" if isinstance(doubt, str) and doubt else text


def cell(text: str, value: float | None = None, is_text: bool = False) -> dict:
    """A cell of a table."""
    return {"text": text, "value": value, "is_text": is_text, "best": False, "interval": ""}


def mark_best(rows: Sequence[dict], columns: Sequence[int]) -> None:
    """Mark the highest values of some columns, as they are written."""
    for column in columns:
        known = [row["cells"][column] for row in rows]
        known = [each for each in known if each["value"] is not None]
        best = max(known, key=lambda each: each["value"], default={"text": ""})
        for each in known:
            # What follows a blank is a deviation.
            each["best"] = each["text"].partition(" ")[0] == best["text"].partition(" ")[0]


def counts_sentence(part: pd.DataFrame) -> str:
    """How many queries and classes the figures come from. Models may differ where images were
    rejected.
    """
    sentence = (
        f"{number_range(part['queries'])} queries of {number_range(part['classes'])} classes."
    )
    if part["queries_without_relevant"].max():
        sentence += f" {number_range(part['queries_without_relevant'])} further queries have no training image of their class."
    if part["classes_without_queries"].max():
        sentence += f" {number_range(part['classes_without_queries'])} classes can be predicted and have no query."
    return sentence


def intervals_sentence(part: pd.DataFrame) -> str:
    """What the intervals of a table follow from, and what they do not allow, in words."""
    effective = part["effective_patients"].dropna()
    if effective.empty or caution(effective.max()) == "no interval":
        return "There are no intervals: the queries are of fewer than 3 patients."
    low, high = (f"{each:.1f}" for each in (effective.min(), effective.max()))
    number = low if low == high else f"{low} to {high}"
    few = {caution(each) for each in effective} - {""}
    warning = " So few patients leave most differences undecided." if few else ""
    return (
        "Below accuracy and macro recall: 95 % intervals by patient, from effectively "
        f"{number} patients. An image without a known patient counts as one.{warning}"
    )


def number_range(values: pd.Series) -> str:
    """The lowest and the highest of some counts, as text; one number where they are equal."""
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def lower_end(table: pd.DataFrame, metric: str) -> float:
    """Where the axis of a metric begins: 0, or 0.5 (chance) for a ROC-AUC, or below what is
    drawn.
    """
    chance = 0.5 if metric == "roc_auc" else 0.0
    return min(chance, float(table.loc[table["metric"] == metric, "value"].min())) - 0.02


def reliability_diagrams(
    reliability: pd.DataFrame, names: Mapping[str, str], kind: str
) -> plt.Figure:
    """Accuracy against confidence, a panel per model and query split, a line per ``kind``
    (``votes`` or ``probe``).

    ``reliability`` is a comparison's table of bins; a marker's area is the share of queries in its
    bin. Neighbors of all patients.
    """
    if "neighbors" in reliability:
        reliability = reliability[reliability["neighbors"] == "all"]
    titles = {"votes": VOTES, "probe": PROBES}[kind]
    panels = [(split, model) for split in reliability["query_split"].unique() for model in names]
    width = min(4, len(names))
    height = math.ceil(len(panels) / width)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            height,
            width,
            figsize=size(TWO_COLUMNS, 14 + 46 * height),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, (split, model) in zip(axes.flat, panels, strict=False):
            axis.plot([0, 1], [0, 1], color=GRAY, linewidth=0.8, linestyle=":")
            for place, (name, title) in enumerate(titles.items()):
                part = reliability[
                    (reliability["model"] == model)
                    & (reliability["query_split"] == split)
                    & (reliability[kind] == name)
                    & (reliability["queries"] > 0)
                ]
                style = {"color": COLORS[place], "linestyle": DASHES[place]}
                area = 2 + 70 * part["queries"] / max(part["queries"].sum(), 1)
                axis.plot(part["confidence"], part["accuracy"], **style)
                axis.scatter(
                    part["confidence"],
                    part["accuracy"],
                    s=area,
                    color=COLORS[place],
                    marker=MARKERS[place],
                    alpha=0.8,
                    label=title,
                )
            axis.set_xlim(-0.03, 1.03)
            axis.set_ylim(-0.03, 1.03)
            axis.set_title(f"{names[model]}\nqueries: {split}")
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        for axis in axes[:, 0]:
            axis.set_ylabel("accuracy")
        for axis in axes.flat[max(0, len(panels) - width) : len(panels)]:
            axis.set_xlabel("confidence")
            axis.tick_params(labelbottom=True)
        handles = [
            plt.Line2D(
                [],
                [],
                color=COLORS[place],
                linestyle=DASHES[place],
                marker=MARKERS[place],
                label=title,
            )
            for place, title in enumerate(titles.values())
        ]
        legend_below(figure, handles, list(titles.values()))
    return figure


VOTES = {"equal": "equal votes", "weighted": "votes weighted by score"}

NEIGHBORS = {"all": "", "other_patients": ", without neighbors of the query's patient"}

PROBES = {"adamw": "AdamW, as in the paper", "lbfgs": "L-BFGS, penalty chosen"}
