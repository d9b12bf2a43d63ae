"""Tables of pages: sections with a title, a sentence on how to read them, heads and rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from radcbir.cards.model_card import is_control
from radcbir.report.numbers import fixed, signed

Column = tuple[str, str, str, Callable[[Any], str]]
"""Of a table's column: the frame's column, the head, what it means, and how a value is written."""


def figure(value: Any) -> str:
    """Three decimals; nothing for a missing value."""
    return "" if pd.isna(value) else fixed(value, 3)


def difference(value: Any) -> str:
    """Three decimals with a sign."""
    return "" if pd.isna(value) else signed(value, 3)


def count(value: Any) -> str:
    """A whole number with thousands apart."""
    return "" if pd.isna(value) else f"{int(value):,}"


def text(value: Any) -> str:
    """Words as they are, underscores as spaces."""
    return "" if pd.isna(value) else str(value).replace("_", " ")


def section(
    title: str, reading: str, frame: pd.DataFrame, columns: Sequence[Column], cards: Mapping
) -> dict:
    """One table with its reading: a row per row of ``frame``, the model's name first where there is
    a column ``model``. Models stand in the order of ``cards``.
    """
    if "model" in frame:
        places = {model: place for place, model in enumerate(cards)}
        frame = frame.sort_values("model", key=lambda names: names.map(places), kind="stable")
    rows = []
    for row in frame.to_dict("records"):
        card = cards.get(row.get("model"))
        first = [{"text": card["name"], "value": card["name"], "kind": "text"}] if card else []
        cells = [
            {
                "text": written(row[name]),
                "value": "" if pd.isna(row[name]) else row[name],
                "kind": "text" if written is text else "",
            }
            for name, _, _, written in columns
        ]
        rows.append({"control": bool(card and is_control(card)), "cells": first + cells})
    heads = [
        {"head": head, "help": meaning, "kind": "text" if how is text else ""}
        for _, head, meaning, how in columns
    ]
    if "model" in frame:
        heads.insert(0, {"head": "model", "help": "", "kind": "text"})
    return {"title": title, "reading": reading, "heads": heads, "rows": rows}


def by_split(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each query split."""
    return [
        (split, frame[frame["query_split"] == split]) for split in frame["query_split"].unique()
    ]
