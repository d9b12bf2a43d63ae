"""The tables of the page of linear probing."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from radcbir.analyses.classifiers import (
    PROBES,
    cell,
    counts_sentence,
    intervals_sentence,
    mark_best,
    number_range,
    table_section,
)
from radcbir.cards.model_card import is_control

LINEAR_INTRODUCTION = [
    "A linear classifier is trained on the embeddings of the index images. Twice: with AdamW as in "
    "Denner et al. (for at least 1,000 steps), and as logistic regression with L-BFGS, its penalty "
    "chosen.",
    "Epoch and C are chosen on the validation split. Without one they are chosen by "
    "cross-validation over the patients of the index, and all index images train with what was "
    "chosen. Where patients are too few for that (below six, or most images of classes that one "
    "patient has), they are fixed: all epochs, and C = 100.",
]


def linear_sections(metrics: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page of linear probing, from a comparison's ``linear_probing.csv``: one per
    query split.
    """
    sections = []
    for split, part in metrics.groupby("query_split", sort=False):
        selected = " and ".join(
            {"cross-validation": "chosen by cross-validation", "fixed": "fixed"}.get(
                each, f"chosen on the split {each}"
            )
            for each in part["selected_on"].unique()
        )
        setting = (
            "chosen",
            "setting",
            "the epoch with AdamW, C (the inverse of the penalty) with L-BFGS",
        )
        section = table_section(part, cards, {"probe": PROBES}, setting)
        section |= {
            "title": f"Queries: {split}",
            "note": f"Trained on {number_range(part['train_images'])} images, epoch and C {selected}. "
            f"{counts_sentence(part)} {intervals_sentence(part)}",
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
        sizes = subset_sizes(part)
        heads = [{"text": "model", "help": "", "is_text": True}]
        amounts: list[Any] = list(sizes.itertuples())
        for size in amounts:
            images = f"{size.train_images:,.0f} training images on average"
            if size.subset == "fraction":
                images += f"; {100 * size.amount:g} % were wanted, patients are drawn whole"
            heads.append({"text": size.name, "help": images, "is_text": False})
        rows = []
        for model, card in cards.items():
            own = part[part["model"] == model].set_index(["subset", "amount"])
            cells = [cell(card["name"], is_text=True)]
            for size in amounts:
                if (size.subset, size.amount) not in own.index:
                    cells.append(cell("–"))
                    continue
                value = own.loc[(size.subset, size.amount)]
                deviation = "" if math.isnan(value["deviation"]) else f" ± {value['deviation']:.3f}"
                cells.append(cell(f"{value['mean']:.3f}{deviation}", value["mean"]))
            rows.append({"control": is_control(card), "cells": cells})
        note = f"Accuracy with L-BFGS, mean ± standard deviation of {int(part['tries'].max())} draws of training images. "
        note += "A share is that of the images of the patients who were drawn."
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


def subset_sizes(spread: pd.DataFrame) -> pd.DataFrame:
    """subset, amount, train_images, train_share and ``name`` of each subset size, means over
    models.

    The name of a fraction is the share of the images that the drawn patients have (``12.3 %``), not
    the share that was asked for; of the others it is ``5 per label``.
    """
    sizes = spread.groupby(["subset", "amount"])[["train_images", "train_share"]].mean()
    sizes = sizes.reset_index()
    rows: list[Any] = list(sizes.itertuples())
    names = [
        f"{100 * size.train_share:.3g} %"
        if size.subset == "fraction"
        else f"{size.amount:g} per label"
        for size in rows
    ]
    return sizes.assign(name=names)


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
            train_share=("train_share", "mean"),
            train_classes=("train_classes", "mean"),
        )
        .reset_index()
    )
