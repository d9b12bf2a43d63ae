"""All models side by side."""

import pandas as pd

from radcbir.analyses.privacy.figure import privacy_figure
from radcbir.analyses.privacy.page import privacy_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure of one query split, and the tables of the page."""
    tables, split = given.tables, given.settings["split"]
    examples = {
        model: pd.read_parquet(path)
        for model, path in zip(given.cards, given.files["examples"], strict=True)
    }
    decoded = tables["privacy"][tables["privacy"]["query_split"] == split]
    return Summary(
        figures={
            "privacy": privacy_figure(
                decoded,
                tables["reidentified"],
                {model: each[each["query_split"] == split] for model, each in examples.items()},
                given.names,
            )
        },
        page={
            "title": f"What vectors tell of images and patients on {given.experiment}",
            "sections": privacy_sections(tables["privacy"], tables["reidentified"], given.shown),
        },
    )
