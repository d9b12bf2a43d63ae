"""Findings about single images: unreadable ones, odd ranges and sizes."""

from collections.abc import Mapping, Sequence

import pandas as pd

from radcbir.audit.finding import SHOWN, finding
from radcbir.datasets.checks import too_many

FEW_LEVELS, MOST, SHORT, LONG = 16, 0.98, 32, 5
"""An image is odd with fewer gray levels than this, with more than this share of black and white,
with a shorter side in pixels, or where one side is so many times the other."""


def unreadable(inspected: pd.DataFrame, max_rejected: Mapping[str, float]) -> list[dict]:
    """The unreadable images of each dataset: serious where they are more than it may have."""
    rows = []
    for dataset, images in inspected.groupby("dataset", sort=False):
        bad = images[images["reason"] != ""]
        if bad.empty:
            continue
        what = f"{len(bad)} of {len(images)} images of the dataset '{dataset}' cannot be read"
        severity, allowed = "warning", max_rejected[str(dataset)]
        if too_many(len(bad), len(images), allowed):
            severity = "serious"
            what += f", more than its `max_rejected: {allowed:g}` allows"
        examples = [f"{row.path} ({row.reason})" for row in bad.head(SHOWN + 1).itertuples()]
        rows.append(finding("unreadable", severity, what, len(bad), examples))
    return rows


def odd(readable: pd.DataFrame) -> list[dict]:
    """Images of an odd range or size, and datasets that mix types of pixels."""
    rows = []

    def note(
        check: str,
        severity: str,
        odd: pd.DataFrame,
        what: str,
        examples: Sequence[str] | None = None,
    ) -> None:
        if len(odd):
            listed = list(odd["path"][: SHOWN + 1]) if examples is None else examples
            rows.append(finding(check, severity, f"{len(odd)} images {what}", len(odd), listed))

    marked = readable[readable["burned_in"] != ""]
    examples = [f"{row.path} ({row.burned_in})" for row in marked.head(6).itertuples()]
    note(
        "burned_in_annotation",
        "warning",
        marked,
        "may show who the patient is: their header says so",
        examples,
    )
    levels = readable["levels"]
    note("odd_range", "warning", readable[levels == 1], "have one gray value throughout")
    few = readable[(levels > 1) & (levels < FEW_LEVELS)]
    note("odd_range", "warning", few, f"have fewer than {FEW_LEVELS} gray levels")
    extreme = readable[(levels >= FEW_LEVELS) & (readable["extreme"] > MOST)]
    note(
        "odd_range",
        "warning",
        extreme,
        f"are black or white in more than {MOST:.0%} of their pixels",
    )
    sides = readable[["width", "height"]]
    note(
        "odd_size",
        "warning",
        readable[sides.min(axis=1) < SHORT],
        f"have a side of fewer than {SHORT} pixels",
    )
    long = readable[(sides.max(axis=1) > LONG * sides.min(axis=1)) & (sides.min(axis=1) >= SHORT)]
    note(
        "odd_size",
        "warning",
        long,
        f"are more than {LONG} times as long as they are wide, or as wide as long",
    )
    for dataset, part in readable.groupby("dataset"):
        kinds = part["kind"].value_counts().sort_index()
        if len(kinds) > 1:
            what = f"the dataset '{dataset}' mixes {len(kinds)} types of stored pixels"
            examples = [f"{kind}: {count}" for kind, count in kinds.items()]
            rows.append(finding("pixel_types", "notice", what, len(kinds), examples))
    return rows
