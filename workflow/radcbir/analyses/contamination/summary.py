"""Models and the datasets that they have seen."""

import pandas as pd

from radcbir.analyses.contamination.compute import statuses
from radcbir.analyses.contamination.page import contamination_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """The matrix of models and datasets."""
    found = statuses(given.cards, given.settings["known_as"])
    return Summary(
        tables={"contamination": pd.DataFrame(found).T.rename_axis("model").reset_index()},
        page={
            "title": f"What the models of {given.experiment} have seen",
            "sections": contamination_sections(found, given.shown),
        },
    )
