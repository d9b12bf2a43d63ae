"""The tables of the page on leakage."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, difference, figure, section, text


def leakage_sections(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on leakage."""
    sections = []
    for split, part in by_split(table):
        for k, rows in part.groupby("k"):
            others = rows[rows["neighbors"] != "all"]
            sections.append(
                section(
                    f"P@{k} (queries: {split})",
                    "Leakage is what P@k loses, for the same queries, when neighbors that are "
                    "close for another reason than their finding are excluded. A value near 0 means "
                    "that P@k is not inflated. A large value means that P@k comes from recognising "
                    "patients or copies.",
                    others if len(others) else rows,
                    [
                        ("neighbors", "neighbors", "which neighbors count", text),
                        (
                            "precision_all",
                            f"P@{k} of all",
                            "with every neighbor, for the same queries",
                            figure,
                        ),
                        ("precision", f"P@{k} of these", "without the excluded neighbors", figure),
                        ("leakage", "leakage", "the difference", difference),
                        ("low", "from", "where its 95 % interval by patient begins", difference),
                        ("high", "to", "where the interval ends", difference),
                        (
                            "left_out",
                            "excluded",
                            f"mean number excluded among the first {k}",
                            figure,
                        ),
                        ("queries", "queries", "in these averages", count),
                        (
                            "queries_without_relevant",
                            "not answerable",
                            "no image of their class remains",
                            count,
                        ),
                        (
                            "queries_too_short",
                            "list too short",
                            "the list ends before enough others",
                            count,
                        ),
                    ],
                    cards,
                )
            )
    return sections
