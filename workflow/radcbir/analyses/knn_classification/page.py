"""The tables of the page of kNN classification."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from radcbir.analyses.classifiers import (
    NEIGHBORS,
    VOTES,
    counts_sentence,
    intervals_sentence,
    table_section,
)

KNN_INTRODUCTION = [
    "The first k neighbors of a query vote for its class. A class's share of the votes is its "
    "probability. Votes are equal, or "
    "weighted by the softmax of score / 0.07, so that near neighbors count more.",
]


def knn_sections(chosen: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    """Sections of the page of kNN classification, from a comparison's ``knn_classification.csv``:
    one per query split and choice of neighbors, best accuracy first.
    """
    sections = []
    variant: Any
    for (split, variant), part in chosen.groupby(["query_split", "neighbors"], sort=False):
        selected = part["selected_on"].iloc[0]
        chosen_by = part["chosen_by"].iloc[0]
        how = f"k is {chosen_by}" if selected == "fixed" else f"k was chosen on {selected}"
        section = table_section(part, cards, {"votes": VOTES}, ("k", "k", "neighbors that vote"))
        section |= {
            "title": f"Queries: {split}{NEIGHBORS[variant]}",
            "note": f"{how}. {counts_sentence(part)} {intervals_sentence(part)}",
        }
        sections.append(section)
    return sections
