"""The tables of the page on places in volumes."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.numbers import fixed
from radcbir.report.sections import by_split, count, difference, figure, section, text


def localization_sections(
    table: pd.DataFrame, cards: Mapping[str, Mapping], within_mm: float
) -> list[dict]:
    """A section per query split."""
    reading = (
        "A slab of neighboring slices is laid over every series of other patients. The place with "
        "the highest mean cosine, slice by slice, is its answer. It is right if it lies in a series "
        f"of the same view, at most {within_mm:g} mm from the query's position. Chance is a slice "
        "drawn at random. A difference to a single slice is more than chance where its interval, of "
        "this pair alone, leaves 0 out."
    )
    columns = COLUMNS
    if "box" in table:
        reading += (
            " A box is a share of the slice's area, at a random place that is not empty. The slices of "
            "the slab are cropped to it and compared with whole slices; the difference is to a single "
            "slice in a box of this size."
        )
        columns = [
            COLUMNS[0],
            ("box", "box", "share of the area; empty: whole slices", _share),
            *COLUMNS[1:],
        ]
    return [
        section(f"Where slabs are found (queries: {split})", reading, part, columns, cards)
        for split, part in by_split(table)
    ]


def _millimeters(value: float) -> str:
    return "" if pd.isna(value) else fixed(value, 0)


def _share(value: float) -> str:
    return "" if pd.isna(value) else f"{value:g}"


COLUMNS = [
    ("slices", "slices", "of the slab", count),
    ("extent_mm", "mm", "from the first to the last slice, the median", _millimeters),
    ("value", "found", "share of queries whose place is found", figure),
    ("low", "from", "where its 95 % interval by patient begins", figure),
    ("high", "to", "where the interval ends", figure),
    ("chance", "chance", "the share for a slice drawn at random", figure),
    ("difference", "difference", "to a single slice", difference),
    ("difference_low", "from", "where its 95 % interval by patient begins", difference),
    ("difference_high", "to", "where the interval ends", difference),
    ("same_view", "same view", "share of answers in a series of the same view", figure),
    ("median_error_mm", "error in mm", "median distance of answers in the same view", _millimeters),
    ("queries", "queries", "in the averages", count),
    ("queries_without_answer", "without", "queries whose place is not in the index", count),
    ("effective_patients", "effective", "effective number of patients", figure),
    ("caution", "remark", "what so few patients do not allow", text),
]
