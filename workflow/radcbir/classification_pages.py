"""Tables and figures of kNN classification and linear probing, all models of an experiment side by side."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.cards import is_control
from radcbir.figures import COLORS, MARKERS, STYLE, model_styles

COLUMNS = [
    (
        "accuracy",
        "accuracy",
        "micro",
        "share of queries with the right class; micro F1, precision and recall are the same",
    ),
    ("macro F1", "f1", "macro", "mean over classes of F1"),
    ("macro precision", "precision", "macro", "mean over classes of precision; 0 for a class that is never predicted"),
    ("macro recall", "recall", "macro", "mean over classes of recall: the balanced accuracy"),
    ("micro ROC-AUC", "roc_auc", "micro", "ROC-AUC over all pairs of query and class, one class against the rest"),
    ("macro ROC-AUC", "roc_auc", "macro", "mean over classes of the ROC-AUC of the class against the rest"),
    ("ECE", "calibration_error", "micro", "expected calibration error, 15 bins: lower is better"),
]
"""The tables' columns: head, metric, average, and what it means."""

CURVES = [
    ("accuracy", "micro", "accuracy (micro F1)"),
    ("balanced_accuracy", "macro", "balanced accuracy (macro recall)"),
    ("roc_auc", "macro", "macro ROC-AUC"),
]
"""Metric, average and title of the panels of curves."""

KNN_INTRODUCTION = [
    "The first k neighbors of a query vote for its class: a class's share of the votes is its probability. Votes are equal, "
    "or weighted by the softmax of score / 0.07, so that near neighbors count more.",
]
LINEAR_INTRODUCTION = [
    "A linear classifier is trained on the embeddings of the index images. Twice: with AdamW as in Denner et al. (few "
    "steps on a small index, so that it may stay undertrained there), and as logistic regression with L-BFGS, its penalty "
    "chosen.",
]

VOTES = {"equal": "equal votes", "weighted": "votes weighted by score"}
PROBES = {"adamw": "AdamW, as in the paper", "lbfgs": "L-BFGS, penalty chosen"}
NEIGHBORS = {"all": "", "other_patients": ", neighbors of the query's own patient left out"}
DASHES = ["-", "--"]
K_TICKS = [mantissa * 10**power for power in range(7) for mantissa in (1, 2, 5)]


# --- tables ---------------------------------------------------------------------------------------------------------


def knn_sections(chosen: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page of kNN classification, from a comparison's ``knn_classification.csv``: one per query split and
    choice of neighbors, best accuracy first.
    """
    sections = []
    for (split, variant), part in chosen.groupby(["query_split", "neighbors"], sort=False):
        selected = part["selected_on"].iloc[0]
        how = "k is fixed" if selected == "fixed" else f"k was chosen on {selected}"
        section = _section(part, cards, {"votes": VOTES}, ("k", "k", "neighbors that vote"))
        section |= {"title": f"Queries: {split}{NEIGHBORS[variant]}", "note": f"{how}. {_counts(part)}"}
        sections.append(section)
    return sections


def linear_sections(metrics: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page of linear probing, from a comparison's ``linear_probing.csv``: one per query split."""
    sections = []
    for split, part in metrics.groupby("query_split", sort=False):
        selected = part["selected_on"].iloc[0]
        where = "a part of the index that does not train" if selected == "held-out" else f"the split {selected}"
        setting = ("chosen", "setting", "the epoch with AdamW, C (the inverse of the penalty) with L-BFGS")
        section = _section(part, cards, {"probe": PROBES}, setting)
        section |= {
            "title": f"Queries: {split}",
            "note": f"Trained on {_range(part['train_images'])} images, epoch and C chosen on {where}. {_counts(part)}",
        }
        sections.append(section)
    return sections


def label_fraction_sections(spread: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections on training with few images, from :func:`spread_over_tries`: accuracy, mean ± deviation over tries."""
    sections = []
    accuracy = spread[(spread["metric"] == "accuracy") & (spread["average"] == "micro")]
    for split, part in accuracy.groupby("query_split", sort=False):
        sizes = part.drop_duplicates(["subset", "amount"])[["subset", "amount", "train_images"]]
        heads = [{"text": "model", "help": "", "is_text": True}]
        for size in sizes.itertuples():
            images = f"{size.train_images:,.0f} training images on average"
            heads.append({"text": subset_name(size.subset, size.amount), "help": images, "is_text": False})
        rows = []
        for model, card in cards.items():
            own = part[part["model"] == model].set_index(["subset", "amount"])
            values = [own.loc[(size.subset, size.amount)] for size in sizes.itertuples()]
            cells = [_cell(card["name"], is_text=True)]
            for value in values:
                deviation = "" if math.isnan(value["deviation"]) else f" ± {value['deviation']:.3f}"
                cells.append(_cell(f"{value['mean']:.3f}{deviation}", value["mean"]))
            rows.append({"control": is_control(card), "cells": cells, "order": -values[-1]["mean"]})
        note = (
            f"Accuracy with L-BFGS, mean ± standard deviation of {int(part['tries'].max())} draws of training images."
        )
        _mark_best(rows, range(1, len(heads)))
        sections.append({"title": f"With few labels, queries: {split}", "heads": heads, "rows": rows, "note": note})
    return sections


def subset_name(subset: str, amount: float) -> str:
    """How a subset of the training images is called: ``10 %``, ``5 per label``."""
    return f"{100 * amount:g} %" if subset == "fraction" else f"{amount:g} per label"


def _section(
    part: pd.DataFrame, cards: Mapping[str, Mapping], kinds: Mapping[str, Mapping], setting: tuple[str, str, str]
) -> dict:
    """Heads and rows of one table: a row per model and kind, best accuracy first."""
    [(kind, titles)] = kinds.items()
    heads = [{"text": "model", "help": "", "is_text": True}, {"text": kind, "help": "", "is_text": True}]
    heads.append({"text": setting[0], "help": setting[2], "is_text": False})
    heads += [{"text": head, "help": explanation, "is_text": False} for head, _, _, explanation in COLUMNS]
    values = part.set_index(["model", kind, "metric", "average"])
    rows = []
    for model, card in cards.items():
        for name, title in titles.items():
            if (model, name) not in values.index:
                continue  # scores that are no cosine similarities weigh no votes
            own = values.loc[(model, name)]
            chosen = own[setting[1]].iloc[0]
            cells = [_cell(card["name"], is_text=True), _cell(title, is_text=True), _cell(f"{chosen:g}", chosen)]
            for _, metric, average, _ in COLUMNS:
                value = float(own["value"].loc[(metric, average)])
                cells.append(_cell("–" if math.isnan(value) else f"{value:.3f}", None if math.isnan(value) else value))
            order = cells[3]["value"]
            rows.append({"control": is_control(card), "cells": cells, "order": math.inf if order is None else -order})
    # A classifier that knows nothing and says so has a low calibration error: no best one is marked there.
    _mark_best(rows, range(3, len(heads) - 1))
    rows.sort(key=lambda row: row["order"])
    return {"heads": heads, "rows": rows}


def _cell(text: str, value: float | None = None, is_text: bool = False) -> dict:
    return {"text": text, "value": value, "is_text": is_text, "best": False}


def _mark_best(rows: Sequence[dict], columns: Sequence[int]) -> None:
    """Mark the highest values of some columns, as they are written."""
    for column in columns:
        best = max(
            (row["cells"][column]["value"] for row in rows if row["cells"][column]["value"] is not None), default=0
        )
        for row in rows:
            cell = row["cells"][column]
            cell["best"] = cell["value"] is not None and f"{cell['value']:.3f}" == f"{best:.3f}"


def _counts(part: pd.DataFrame) -> str:
    """One sentence on what stands behind the figures; models may differ where images were rejected."""
    sentence = f"{_range(part['queries'])} queries of {_range(part['classes'])} classes"
    if part["queries_without_relevant"].max():
        sentence += (
            f"; {_range(part['queries_without_relevant'])} further queries have no training image of their class"
        )
    if part["classes_without_queries"].max():
        sentence += f"; {_range(part['classes_without_queries'])} classes can be predicted and have no query"
    return f"{sentence}."


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def spread_over_tries(label_fractions: pd.DataFrame) -> pd.DataFrame:
    """Mean, sample standard deviation, lowest and highest value over the tries of each subset size.

    ``label_fractions`` is a comparison's table of the single tries, with a column ``model`` in front. One try has no
    deviation.
    """
    keys = ["model", "query_split", "subset", "amount", "metric", "average"]
    return (
        label_fractions.groupby(keys, sort=False)
        .agg(
            mean=("value", "mean"),
            deviation=("value", "std"),
            lowest=("value", "min"),
            highest=("value", "max"),
            tries=("try", "size"),
            train_images=("train_images", "mean"),
            train_classes=("train_classes", "mean"),
        )
        .reset_index()
    )


# --- figures --------------------------------------------------------------------------------------------------------


def knn_curves(
    curve: pd.DataFrame, chosen: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Metrics of kNN classification against k, equal votes, one row per query split; a ring marks the chosen k.

    ``curve`` and ``chosen`` are a comparison's tables; ``names`` maps each model to the name shown, in the order of the
    configuration.
    """
    here = curve[(curve["neighbors"] == "all") & (curve["votes"] == "equal")]
    rings = chosen[(chosen["neighbors"] == "all") & (chosen["votes"] == "equal")]
    splits, styles = list(here["query_split"].unique()), model_styles(list(names), controls)
    with plt.rc_context(STYLE):
        size = (14.5, 0.6 + 3.9 * len(splits))
        figure, axes = plt.subplots(len(splits), len(CURVES), figsize=size, squeeze=False, layout="constrained")
        for row, split in enumerate(splits):
            for column, (metric, average, title) in enumerate(CURVES):
                axis = axes[row][column]
                for model, name in names.items():
                    line, ring = (
                        part[
                            (part["query_split"] == split)
                            & (part["metric"] == metric)
                            & (part["average"] == average)
                            & (part["model"] == model)
                        ]
                        for part in (here, rings)
                    )
                    style = styles[model] | {"marker": ""}
                    axis.plot(line["k"], line["value"], label=name, linewidth=1.8, **style)
                    axis.plot(ring["k"], ring["value"], "o", color="white", mec=style["color"], mew=1.8, markersize=7)
                axis.set_title(f"{title}, queries: {split}", fontsize=10.5, loc="left")
                axis.set_xscale("log")
                axis.set_xticks([each for each in K_TICKS if each <= here["k"].max()])
                axis.xaxis.set_major_formatter("{x:.0f}")
                axis.minorticks_off()
                axis.set_ylim(bottom=_lower_end(here, metric))
                if row == len(splits) - 1:
                    axis.set_xlabel("k (number of neighbors that vote)")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def label_fraction_curves(spread: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """Accuracy and macro ROC-AUC against the share of training images (left) and images per label (right).

    ``spread`` is the table of :func:`spread_over_tries`: lines are means over tries, bands run from the lowest to the
    highest.
    """
    splits, styles = list(spread["query_split"].unique()), model_styles(list(names), controls)
    subsets = [each for each in ("fraction", "shots") if (spread["subset"] == each).any()]
    panels = [(split, *curve) for split in splits for curve in (CURVES[0], CURVES[2])]
    with plt.rc_context(STYLE):
        size = (2.5 + 5 * len(subsets), 0.6 + 3.7 * len(panels))
        figure, axes = plt.subplots(
            len(panels), len(subsets), figsize=size, sharex="col", sharey="row", squeeze=False, layout="constrained"
        )
        for row, (split, metric, average, title) in enumerate(panels):
            for column, subset in enumerate(subsets):
                axis = axes[row][column]
                here = spread[
                    (spread["query_split"] == split)
                    & (spread["subset"] == subset)
                    & (spread["metric"] == metric)
                    & (spread["average"] == average)
                ]
                for model, name in names.items():
                    part = here[here["model"] == model].sort_values("amount")
                    axis.plot(part["amount"], part["mean"], label=name, linewidth=1.8, markersize=5, **styles[model])
                    color = styles[model]["color"]
                    axis.fill_between(part["amount"], part["lowest"], part["highest"], color=color, alpha=0.12, lw=0)
                axis.set_xscale("log")
                amounts = sorted(here["amount"].unique())
                unit = " %" if subset == "fraction" else ""
                axis.set_xticks(amounts, [f"{each * (100 if unit else 1):g}{unit}" for each in amounts])
                axis.minorticks_off()
                axis.set_ylim(bottom=_lower_end(spread.assign(value=spread["lowest"]), metric))
                axis.set_title(f"{title}, queries: {split}", fontsize=10.5, loc="left")
                if row == len(panels) - 1:
                    axis.set_xlabel(
                        "share of the training images" if subset == "fraction" else "training images per label"
                    )
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def _lower_end(table: pd.DataFrame, metric: str) -> float:
    """Where the axis of a metric begins: 0, or 0.5 (chance) for a ROC-AUC, or below what is drawn."""
    chance = 0.5 if metric == "roc_auc" else 0.0
    return min(chance, float(table.loc[table["metric"] == metric, "value"].min())) - 0.02


def reliability_diagrams(reliability: pd.DataFrame, names: Mapping[str, str], kind: str) -> plt.Figure:
    """Accuracy against confidence, a panel per model and query split, a line per ``kind`` (``votes`` or ``probe``).

    ``reliability`` is a comparison's table of bins; a marker's area is the share of queries in its bin. Neighbors of all
    patients.
    """
    if "neighbors" in reliability:
        reliability = reliability[reliability["neighbors"] == "all"]
    titles = {"votes": VOTES, "probe": PROBES}[kind]
    panels = [(split, model) for split in reliability["query_split"].unique() for model in names]
    width = min(4, len(names))
    height = math.ceil(len(panels) / width)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            height, width, figsize=(0.6 + 3.1 * width, 0.9 + 3.2 * height), sharex=True, sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for axis, (split, model) in zip(axes.flat, panels, strict=False):
            axis.plot([0, 1], [0, 1], color="#8a8f98", linewidth=1, linestyle=":")
            for place, (name, title) in enumerate(titles.items()):
                part = reliability[
                    (reliability["model"] == model)
                    & (reliability["query_split"] == split)
                    & (reliability[kind] == name)
                    & (reliability["queries"] > 0)
                ]
                style = {"color": COLORS[place], "linestyle": DASHES[place]}
                area = 6 + 240 * part["queries"] / max(part["queries"].sum(), 1)
                axis.plot(part["confidence"], part["accuracy"], linewidth=1.4, **style)
                axis.scatter(
                    part["confidence"], part["accuracy"], s=area, color=COLORS[place], marker=MARKERS[place], alpha=0.8,
                    label=title,
                )  # fmt: skip
            axis.set_xlim(-0.03, 1.03)
            axis.set_ylim(-0.03, 1.03)
            axis.set_title(f"{names[model]}\nqueries: {split}", fontsize=9.5, loc="left")
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        figure.supxlabel("confidence (probability of the predicted class)", fontsize=10)
        figure.supylabel("accuracy", fontsize=10)
        handles = [
            plt.Line2D([], [], color=COLORS[place], linestyle=DASHES[place], marker=MARKERS[place], label=title)
            for place, title in enumerate(titles.values())
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure
