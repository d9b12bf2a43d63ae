"""The tables of the page on subgroups."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, difference, figure, section, text

NOTHING = (
    "No query has a known sex, age, view, source or scanner, or none of them can be answered. The "
    "columns `sex`, `age`, `view`, `source` and `scanner` of the dataset's CSV say what they are."
)


def subgroups_sections(
    groups: pd.DataFrame, gaps: pd.DataFrame, cards: Mapping[str, Mapping]
) -> list[dict]:
    """The largest gaps, then one section per query split and attribute."""
    if groups.empty:
        return [section("Nothing is known of the queries", NOTHING, groups, [], cards)]
    sections = [_gaps(split, rows, cards) for split, rows in by_split(gaps)]
    for split, part in by_split(groups):
        for attribute, rows in part.groupby("attribute", sort=False):
            title = f"{text(attribute).capitalize()} (queries: {split})"
            sections.append(section(title, READING, rows, COLUMNS, cards))
    return sections


READING = (
    "Compare the group with the others: these are the queries of all other groups, their labels in the "
    "same shares, so that a harder mix of labels is no reason. Less often means that the difference "
    "is more than chance."
)

COLUMNS = [
    ("group", "group", "of the query", text),
    ("k", "k", "", count),
    ("precision", "P@k", "capped, without neighbors of the query's own patient", figure),
    ("low", "from", "where its 95 % interval by patient begins", figure),
    ("high", "to", "where the interval ends", figure),
    ("same_labels", "group", "P@k of the queries that can be compared", figure),
    ("others", "others", "P@k of the other groups with the same labels", figure),
    ("difference", "difference", "of the two", difference),
    ("difference_low", "from", "where its 95 % interval by patient begins", difference),
    ("difference_high", "to", "where the interval ends", difference),
    ("verdict", "verdict", "adjusted for all groups of the attribute (Holm)", text),
    ("queries", "queries", "of the group", count),
    ("patients", "patients", "of these queries", count),
    ("effective_patients", "effective", "effective number of patients", figure),
    ("remark", "remark", "why there is nothing", text),
]


def _gaps(split: str, rows: pd.DataFrame, cards: Mapping[str, Mapping]) -> dict:
    columns = [
        ("attribute", "by", "", text),
        ("k", "k", "", count),
        ("worst", "worst group", "", text),
        ("worst_precision", "P@k", "of the worst group", figure),
        ("best", "best group", "", text),
        ("best_precision", "P@k", "of the best group", figure),
        ("gap", "gap", "between them", difference),
        (
            "low",
            "from",
            "where its 95 % interval begins, for all pairs of groups at once",
            difference,
        ),
        ("high", "to", "where the interval ends", difference),
        ("verdict", "verdict", "apart: the gap is more than chance, whichever pair it is", text),
        ("groups", "groups", "that are large enough", count),
        ("left_out", "too small", "groups that are left out", text),
    ]
    reading = (
        "The group for which a model is right least often, and the one for which it is right most "
        "often. A gap with the verdict apart is more than chance. Labels differ between groups: the "
        "tables below compare the same labels."
    )
    return section(f"Largest gaps (queries: {split})", reading, rows, columns, cards)
