"""Labels of a CSV with column names of the user's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.text.csv_reader import wrong_cells
from radcbir.datasets.catalog import LABEL, one_hot_labels, reads_as_several, split_labels


def prefix_of(options: Mapping) -> list[str]:
    """The parts of `label_prefix`."""
    return [part.strip() for part in options.get("label_prefix", "").split("/") if part.strip()]


def label_columns(columns: Mapping[str, str], header: Sequence[str]) -> dict[str, str]:
    """The columns with labels, where `columns:` names none: those with our names."""
    named = [name for name in ("label", "labels") if name in columns]
    one_hot = [name for name in columns if LABEL.fullmatch(name)]
    if len(named) + bool(one_hot) > 1:
        raise InputError(
            f"`columns:` names {' and '.join(f'`{name}`' for name in [*named, *one_hot[:1]])}: "
            "keep one way to give labels"
        )
    if named or one_hot:
        return {}
    one_hot = [name for name in header if LABEL.fullmatch(name) and not name.startswith("x_")]
    if "label" not in header and ("labels" in header or one_hot):
        return {name: name for name in (["labels"] if "labels" in header else one_hot)}
    return {"label": "label"}


def labels_of_csv(
    table: pd.DataFrame, columns: Mapping[str, str], path: Path, prefix: Sequence[str]
) -> list[list[str]]:
    """The labels of each row, the parts ``prefix`` before each.

    Raises :class:`InputError` with the row of a label that is none, or of a cell with several.
    """
    one_hot = {theirs: ours for ours, theirs in columns.items() if LABEL.fullmatch(ours)}
    if one_hot:
        return one_hot_labels(table, one_hot, path)
    several = "labels" in columns
    given = table[columns["labels" if several else "label"]]
    if not several:
        joined = given.map(
            lambda text: ";" in text or reads_as_several(text.replace("|", "")), "ignore"
        )
        if (joined := joined.eq(True)).any():
            mend = (
                ", which reads as several labels: name the column under `columns: labels:` "
                "instead of `label:`"
            )
            raise wrong_cells(joined, given, path, "the label ", mend)
    parts = given.fillna("").map(split_labels)
    labels = parts.map(
        lambda names: ["/".join([*prefix, name.strip()]) for name in names if name.strip()]
    )
    wrong = ~labels.map(lambda names: all(map(LABEL.fullmatch, names)))
    if wrong.any():
        row: Any = wrong.idxmax()
        label = next(name for name in labels[row] if not LABEL.fullmatch(name))
        raise InputError(
            f"row {row} of {path} has the label '{label}' in the column '{given.name}': "
            "write it as MODALITY/region/finding, or give the first two parts as `label_prefix: "
            "MODALITY/region`"
        )
    return labels.tolist()
