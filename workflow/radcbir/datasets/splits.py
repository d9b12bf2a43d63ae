"""Splits drawn by patient: alike in every run, balanced by label, and kept when others come."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

SLACK = 0.04
"""How far a bound between splits may be off, as a share of a label's patients."""


def drawn_splits(
    patients: pd.Series,
    shares: Mapping[str, float],
    seed: int,
    labels: Iterable[Sequence[str]] | None = None,
) -> pd.Series:
    """The split of each patient; ``patients`` may repeat, ``shares`` add up to 1.

    A digest of seed and name is a patient's number from 0 to 1, and the split is the share that the
    number falls into. So a patient keeps the split when others come. Among the patients of a label
    this leaves counts that vary as those of coins do: of 15 patients a fifth may be one, or seven.
    So the bounds between the shares are moved, label by label, as far as is needed for a count that
    is right within one patient, or within :data:`SLACK` of the label's patients where that is
    more. From some hundred patients of a label on the bounds seldom move. Where they do, those
    patients alone change the split whose numbers lie next to a bound.

    ``labels`` has the labels of each image; a patient with several counts for the rarest. Whether a
    part of a patient is rounded up or down differs from label to label, so that the splits are
    right in total, too. A label of one patient goes to the largest share.
    """
    number = {each: _number(seed, each) for each in patients.unique()}
    of_label = _by_rarest_label(patients, labels)
    order = sorted(of_label, key=lambda label: _number(seed, label))
    found: dict[str, Any] = {}
    for rank, label in enumerate(order):
        members = sorted(of_label[label], key=number.__getitem__)
        bounds = _bounds([number[each] for each in members], shares, (rank + 0.5) / len(order))
        places = np.searchsorted(bounds, np.arange(len(members)), side="right")
        found |= dict(zip(members, np.array(list(shares))[places], strict=True))
    return patients.map(found)


def fill_splits(
    table: pd.DataFrame, labels: pd.Series, shares: Mapping[str, float], seed: int
) -> None:
    """Fill in the missing cells of the column ``split``: a patient with a given one keeps it, the
    others are drawn. An image without a patient counts as one.
    """
    patients = table["patient_id"].fillna(table["filepath"])
    given = table["split"].groupby(patients).first()
    table["split"] = table["split"].fillna(patients.map(given))
    drawn = table["split"].isna()
    table.loc[drawn, "split"] = drawn_splits(
        patients[drawn], shares, seed, labels[drawn.to_numpy()]
    )


def _bounds(numbers: Sequence[float], shares: Mapping[str, float], part: float) -> np.ndarray:
    """How many of the sorted ``numbers`` come before the end of each share but the last.

    ``part`` of a patient, from 0 to 1, or more is rounded up, the largest share first.
    """
    count, sizes = len(numbers), np.array(list(shares.values()))
    largest_first = np.argsort(-sizes, kind="stable")
    ends = np.cumsum(sizes[largest_first])[:-1].round(9)
    rounded = np.floor(ends * count + 1 - part) if count > 1 else np.ones(len(ends))
    counts = np.empty(len(sizes), dtype=int)
    counts[largest_first] = np.diff([0, *rounded, count])
    wanted = np.cumsum(counts)[:-1]
    # Bounds that move towards each other leave one patient between them.
    slack = max(0, min(int(SLACK * count), (counts[sizes > 0].min() - 1) // 2))
    drawn = np.searchsorted(numbers, np.cumsum(sizes)[:-1].round(9))
    return np.clip(drawn, wanted - slack, wanted + slack)


def _by_rarest_label(
    patients: pd.Series, labels: Iterable[Sequence[str]] | None
) -> dict[Any, list[str]]:
    """Label -> the patients of whom it is the one that fewest patients have."""
    if labels is None:
        return {"": list(patients.unique())}
    pairs = pd.DataFrame({"patient": patients.to_numpy(), "label": list(labels)}).explode("label")
    pairs = pairs.fillna("").drop_duplicates()
    pairs["patients"] = pairs.groupby("label")["patient"].transform("size")
    rarest = pairs.sort_values(["patients", "label"]).drop_duplicates("patient")
    return rarest.groupby("label")["patient"].agg(list).to_dict()


def _number(seed: int, name: str) -> float:
    drawn = hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:7]
    return int.from_bytes(drawn) / 2**56
