"""The table of labels."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from radcbir.report.dots import FEWEST_SHOWN_FULLY
from radcbir.report.numbers import heat, is_missing


def label_sections(by_group: pd.DataFrame, models: Sequence[str]) -> list[dict]:
    """Rows of the label table, one section per query split and level, from a comparison's
    ``by_group.csv``.
    """
    titles = {
        "modality": "By modality",
        "region": "By region",
        "modality_region": "By modality and region",
        "label": "By label",
    }
    here = by_group[by_group["neighbors"] == "all"]
    sections = []
    for split in here["query_split"].unique():
        for level, title in titles.items():
            part = here[(here["query_split"] == split) & (here["level"] == level)]
            values = part.pivot_table(
                index="group", columns="model", values="precision_at_1", dropna=False
            )
            intervals = part.set_index(["group", "model"])
            counts = part.drop_duplicates("group").set_index("group").sort_index()
            rows = []
            for group, count in counts.iterrows():
                cells: list[Any] = [
                    values.loc[group, model] if group in values.index and model in values else None
                    for model in models
                ]
                rows.append(
                    {
                        "group": group,
                        "index_images": int(count["index_images"]),
                        "queries": int(count["queries"]) + int(count["queries_without_relevant"]),
                        "rare": 0 < int(count["queries"]) < FEWEST_SHOWN_FULLY,
                        "unanswerable": int(count["queries"]) == 0,
                        "cells": [
                            heat(None if is_missing(value) else float(value))
                            | {"interval": _interval(intervals, group, model)}
                            for value, model in zip(cells, models, strict=True)
                        ],
                    }
                )
            sections.append(
                {
                    "title": f"{title} (queries: {split})",
                    "level": level.replace("_", " and "),
                    "rows": rows,
                }
            )
    return sections


def _interval(rows: pd.DataFrame, group: Any, model: str) -> str:
    """The interval of a cell in words, empty where there is none."""
    if (group, model) not in rows.index:
        return ""
    found: Any = rows.loc[(group, model)]
    if is_missing(float(found["precision_at_1_low"])):
        return ""
    return (
        f"95 % interval {found['precision_at_1_low']:.2f} to {found['precision_at_1_high']:.2f}, "
        f"from effectively {found['effective_patients']:.1f} patients"
    )
