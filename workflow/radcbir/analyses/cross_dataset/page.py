"""The tables of the page on retrieval across datasets."""

from collections.abc import Mapping

import pandas as pd

from radcbir.report.sections import by_split, count, difference, figure, section, text


def cross_dataset_sections(
    matrix: pd.DataFrame, purity: pd.DataFrame, cards: Mapping[str, Mapping]
) -> list[dict]:
    """Sections of the page on retrieval across datasets."""
    sections = []
    for split, part in by_split(matrix):
        sections.append(
            section(
                f"Pairs of datasets (queries: {split})",
                "Only classes that both datasets have are used. Compare P@1 with that of the same "
                "queries in the index of their own dataset. The part that is lost comes from the "
                "look of the dataset, not from the finding.",
                part.assign(lost=part["own_precision_at_1"] - part["precision_at_1"]),
                [
                    ("query_dataset", "queries of", "", text),
                    ("index_dataset", "index of", "", text),
                    ("precision_at_1", "P@1", "", figure),
                    (
                        "own_precision_at_1",
                        "P@1, own dataset",
                        "the same queries and classes, in their own dataset",
                        figure,
                    ),
                    ("lost", "lost", "the difference", difference),
                    ("chance", "chance", "P@1 of a random index image", figure),
                    ("precision_at_10", "P@10", "capped", figure),
                    ("classes", "classes", "that both have", count),
                    ("queries", "queries", "", count),
                    ("index_images", "index images", "", count),
                ],
                cards,
            )
        )
    for split, part in by_split(purity):
        sections.append(
            section(
                f"Source purity (queries: {split})",
                "The share of neighbors, in the pooled index, that come from the query's own "
                "dataset. A value well above chance means that the model sees where an image "
                "comes from, either by its look or because the datasets have other classes.",
                part,
                [
                    ("query_dataset", "queries of", "", text),
                    ("k", "k", "number of neighbors", count),
                    ("purity", "own dataset", "share of the first k", figure),
                    ("chance", "chance", "the dataset's share of the index", figure),
                    ("queries", "queries", "", count),
                ],
                cards,
            )
        )
    return sections
