"""The tables of the page on graded relevance."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, figure, section


def graded_relevance_sections(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page on graded relevance."""
    sections = []
    for split, part in by_split(table):
        part = part.assign(key=part["gain"] + "@" + part["k"].astype(str))
        wide = (
            part.pivot_table(index="model", columns="key", values="value", dropna=False)
            .reindex(list(cards))
            .reset_index()
        )
        wide["queries"] = part.groupby("model")["queries"].max().reindex(list(cards)).to_numpy()
        what = {"jaccard": "label sets", "label_tree": "label paths"}
        keys = list(dict.fromkeys(part["key"]))
        columns = [
            (
                key,
                f"nDCG@{key.split('@')[1]}, {what[key.split('@')[0]]}",
                "1 is the best order of the index",
                figure,
            )
            for key in keys
        ]
        sections.append(
            section(
                f"nDCG (queries: {split})",
                "By label sets, a neighbor counts for the share of labels in common (Jaccard). By "
                "label paths, it counts for a third each for modality, region and finding. If a "
                "model is far better by paths than by sets, its errors are near the right label.",
                wide,
                [*columns, ("queries", "queries", "in the averages", count)],
                cards,
            )
        )
    return sections
