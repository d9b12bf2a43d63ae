"""The tables of the page of linear probing."""

import math
from collections.abc import Mapping

import pandas as pd

from radcbir.analyses.classifiers import (
    PROBES,
    cell,
    counts_sentence,
    mark_best,
    number_range,
    table_section,
)
from radcbir.cards.model_card import is_control

LINEAR_INTRODUCTION = [
    "Two linear classifiers are trained on the embeddings of the index images. The first uses AdamW "
    "as in Denner et al.: few steps on a small index, so it may be undertrained there. The second is "
    "logistic regression with L-BFGS and a chosen penalty.",
]


def linear_sections(metrics: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page of linear probing, from a comparison's ``linear_probing.csv``: one per
    query split.
    """
    sections = []
    for split, part in metrics.groupby("query_split", sort=False):
        selected = part["selected_on"].iloc[0]
        where = (
            "a part of the index that is not trained on"
            if selected == "held-out"
            else f"the split {selected}"
        )
        setting = (
            "chosen",
            "setting",
            "the epoch with AdamW, C (the inverse of the penalty) with L-BFGS",
        )
        section = table_section(part, cards, {"probe": PROBES}, setting)
        section |= {
            "title": f"Queries: {split}",
            "note": f"Trained on {number_range(part['train_images'])} images. Epoch and C were chosen on "
            f"{where}. {counts_sentence(part)}",
        }
        sections.append(section)
    return sections


def label_fraction_sections(spread: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections on training with few images, from :func:`spread_over_tries`: accuracy, mean ±
    deviation over tries.
    """
    sections = []
    accuracy = spread[(spread["metric"] == "accuracy") & (spread["average"] == "micro")]
    for split, part in accuracy.groupby("query_split", sort=False):
        sizes = part.drop_duplicates(["subset", "amount"])[["subset", "amount", "train_images"]]
        heads = [{"text": "model", "help": "", "is_text": True}]
        for size in sizes.itertuples():
            images = f"{size.train_images:,.0f} training images on average"
            heads.append(
                {"text": subset_name(size.subset, size.amount), "help": images, "is_text": False}
            )
        rows = []
        for model, card in cards.items():
            own = part[part["model"] == model].set_index(["subset", "amount"])
            values = [own.loc[(size.subset, size.amount)] for size in sizes.itertuples()]
            cells = [cell(card["name"], is_text=True)]
            for value in values:
                deviation = "" if math.isnan(value["deviation"]) else f" ± {value['deviation']:.3f}"
                cells.append(cell(f"{value['mean']:.3f}{deviation}", value["mean"]))
            rows.append({"control": is_control(card), "cells": cells, "order": -values[-1]["mean"]})
        note = f"Accuracy with L-BFGS, mean ± standard deviation of {int(part['tries'].max())} draws of training images."
        mark_best(rows, range(1, len(heads)))
        sections.append(
            {
                "title": f"With few labels, queries: {split}",
                "heads": heads,
                "rows": rows,
                "note": note,
            }
        )
    return sections


def subset_name(subset: str, amount: float) -> str:
    """How a subset of the training images is called: ``10 %``, ``5 per label``."""
    return f"{100 * amount:g} %" if subset == "fraction" else f"{amount:g} per label"


def spread_over_tries(label_fractions: pd.DataFrame) -> pd.DataFrame:
    """Mean, sample standard deviation, lowest and highest value over the tries of each subset size.

    ``label_fractions`` is a comparison's table of the single tries, with a column ``model`` in
    front. One try has no deviation.
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
