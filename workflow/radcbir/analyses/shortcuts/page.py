"""The tables of the page on shortcuts."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, figure, section, text


def shortcuts_sections(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on shortcuts: one per query split and attribute."""
    sections = []
    for split, part in by_split(table):
        for attribute, rows in part.groupby("attribute", sort=False):
            finding = attribute == "finding"
            columns = [
                (
                    "precision_at_1",
                    "P@1",
                    f"share of queries whose nearest neighbor shares the {text(attribute)}",
                    figure,
                ),
                ("chance", "chance", "of a random index image", figure),
                ("lift", "lift", "P@1 over chance", figure),
                (
                    "precision_given_finding",
                    "P@1, right finding",
                    "where the nearest neighbor has the finding",
                    figure,
                ),
                (
                    "chance_given_finding",
                    "chance, right finding",
                    "of a random index image of that finding",
                    figure,
                ),
                ("finding_precision", "P@1 of the finding", "for the same queries", figure),
                (
                    "finding_if_shared",
                    "finding if shared",
                    f"P@1 where the {text(attribute)} is shared",
                    figure,
                ),
                (
                    "finding_if_not",
                    "finding if not",
                    f"P@1 where the {text(attribute)} differs",
                    figure,
                ),
                ("queries_shared", "queries, shared", "", count),
                ("queries", "queries", "where the attribute of both images is known", count),
            ]
            reading = (
                "The finding itself. Compare the attributes below with it."
                if finding
                else "Compare P@1 with chance, and again where the finding is right. A difference there is not "
                "explained by the finding. Where the finding is right only if the attribute is "
                "shared, the attribute is a shortcut."
            )
            kept = [
                each
                for each in columns
                if not finding or each[0] in ("precision_at_1", "chance", "lift", "queries")
            ]
            title = f"{text(attribute).capitalize()}, {rows['values'].iloc[0]:,} values (queries: {split})"
            sections.append(section(title, reading, rows, kept, cards))
    return sections
