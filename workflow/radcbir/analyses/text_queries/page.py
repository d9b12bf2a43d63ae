"""The table and the pictures of the page of text queries."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from radcbir.images.thumbnails import Thumbnails

TOP = 5

HEADLINES = [
    ("accuracy", "zero_shot", "accuracy", "micro"),
    ("macro accuracy", "zero_shot", "accuracy", "macro"),
    ("top-5 accuracy", "zero_shot", "top_5_accuracy", "micro"),
    ("text P@1", "retrieval", "precision_at_1", "macro"),
    ("text P@10", "retrieval", "precision_at_10", "macro"),
    ("text AP", "retrieval", "average_precision", "macro"),
]
"""The page's columns: head, task, metric, average."""


def page_rows(summary: pd.DataFrame, names: Mapping[str, str]) -> list[dict]:
    """Rows of the page's table: per query split and model the :data:`HEADLINES`, the best of a
    column marked.
    """
    values = summary.fillna({"query_split": ""}).set_index(
        ["model", "task", "query_split", "metric", "average"]
    )["value"]
    values = values.astype(object).where(values.notna(), None)
    splits = [each for each in summary["query_split"].dropna().unique() if each]
    sections = []
    for split in splits:
        table = {
            model: [
                values.get((model, task, split if task == "zero_shot" else "", metric, average))
                for _, task, metric, average in HEADLINES
            ]
            for model in names
        }
        best = [
            max((each for each in column if each is not None), default=None)
            for column in zip(*table.values(), strict=True)
        ]
        rows = [
            {
                "name": names[model],
                "cells": [
                    {
                        "value": value,
                        "text": "" if value is None else f"{value:.3f}",
                        "best": value is not None and value == top,
                    }
                    for value, top in zip(found, best, strict=True)
                ],
            }
            for model, found in table.items()
        ]
        classes = int(summary.loc[(summary["query_split"] == split), "classes"].iloc[0])
        sections.append({"name": split, "rows": rows, "classes": classes})
    return sections


def page_gallery(
    catalog: pd.DataFrame,
    prompts: pd.DataFrame,
    found: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
    thumbnails: Thumbnails,
    shown: int,
    neighbors: int,
) -> list[dict]:
    """Per label (``shown`` of them, evenly spread) its prompts and the first images by each model,
    ready for the template.
    """
    labels = list(dict.fromkeys(prompts["label"]))
    images = catalog.set_index("id")[["dataset", "path", "label"]]
    sections = []
    for place in np.unique(
        np.linspace(0, len(labels) - 1, min(shown, len(labels))).round().astype(int)
    ):
        rows = []
        for model, table in found.items():
            here = table[(table["label"] == labels[place]) & (table["rank"] <= neighbors)]
            hits = [
                {
                    "thumbnail": thumbnails.name(*images.loc[hit.neighbor, ["dataset", "path"]]),
                    "path": images.loc[hit.neighbor, "path"],
                    "label": images.loc[hit.neighbor, "label"],
                    "score": f"{hit.score:.3f}",
                    "right": images.loc[hit.neighbor, "label"] == labels[place],
                }
                for hit in here.itertuples()
            ]
            rows.append(
                {
                    "model": names[model],
                    "neighbors": hits,
                    "right": sum(hit["right"] for hit in hits),
                }
            )
        texts = prompts.loc[prompts["label"] == labels[place], "prompt"].tolist()
        sections.append({"label": labels[place], "prompts": texts, "rows": rows})
    return sections
