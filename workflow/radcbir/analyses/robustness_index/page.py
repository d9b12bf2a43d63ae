"""The tables of the page on the robustness index."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, figure, section, text

NOTHING = (
    "No query has a known source, scanner, view or sex, or the index has none. The columns `source`, "
    "`scanner`, `view` and `sex` of the dataset's CSV say what they are."
)

COUNTS = [
    ("queries", "queries", "for which the index has images of both kinds", count),
    ("patients", "patients", "of these queries", count),
    ("effective_patients", "effective", "effective number of patients", figure),
    ("neighbors", "neighbors", "that are of one of the two kinds", count),
    ("without", "without", "queries that have no such neighbor", count),
]

COLUMNS = [
    ("robustness_index", "index", "robustness index", figure),
    ("low", "from", "where its 95 % interval by patient begins", figure),
    ("high", "to", "where the interval ends", figure),
    ("chance", "chance", "the index of a random neighbor", figure),
    ("verdict", "neighbors follow", "by the interval: above or below 0.5", text),
    ("worst_site", "worst", "the value whose queries have the lowest index", text),
    ("worst", "index", "of these queries", figure),
    ("worst_low", "from", "where its 95 % interval by patient begins", figure),
    ("worst_high", "to", "where the interval ends", figure),
    *COUNTS,
    ("left_out", "left out", "queries for which the index lacks one of the two kinds", count),
    ("remark", "remark", "why there is nothing", text),
]

SITE_COLUMNS = [
    ("site", "value", "of the query", text),
    ("robustness_index", "index", "robustness index", figure),
    ("low", "from", "where its 95 % interval by patient begins", figure),
    ("high", "to", "where the interval ends", figure),
    ("chance", "chance", "the index of a random neighbor", figure),
    *COUNTS,
    ("remark", "remark", "why there is nothing", text),
]


def index_sections(
    table: pd.DataFrame, sites: pd.DataFrame, cards: Mapping[str, Mapping], smallest: int
) -> list[dict]:
    """Per query split and attribute all models, then all values of the attribute.

    Values with fewer than ``smallest`` queries were no worst value.
    """
    if table.empty:
        return [section("Nothing is known of the queries", NOTHING, table, [], cards)]
    sections = []
    for split, part in by_split(table):
        for attribute, rows in part.groupby("attribute", sort=False):
            name = text(attribute)
            title = f"{name.capitalize()}, {rows['sites'].iloc[0]:,} values (queries: {split})"
            if rows["robustness_index"].isna().all():
                sentence = "Nothing can be told: " + "; ".join(rows["remark"].unique()) + "."
                sections.append(section(title, sentence, rows[:0], [], cards))
                continue
            reading = (
                f"Right neighbors from another {name}, over these and wrong ones from the same {name}, "
                f"among the first {rows['k'].iloc[0]}. Above 0.5 neighbors follow the label, below it the "
                f"{name}. Compare with chance where labels differ between the values. The worst value "
                f"is the lowest of those with {smallest} queries or more: part of that is chance."
            )
            sections.append(section(title, reading, rows, COLUMNS, cards))
            own = sites[(sites["query_split"] == split) & (sites["attribute"] == attribute)]
            of_each = f"{name.capitalize()}: each value (queries: {split})"
            each = f"The same by the {name} of the query."
            sections.append(section(of_each, each, own, SITE_COLUMNS, cards))
    return sections
