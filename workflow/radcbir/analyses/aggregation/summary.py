"""All models side by side."""

import pandas as pd

from radcbir.analyses.aggregation.figure import aggregation_figure
from radcbir.analyses.aggregation.page import aggregation_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure of P@1 and mAP, a table per query split, and the number of units."""
    table, counts = given.tables["aggregation"], pd.read_csv(given.files["counts"][0])
    return Summary(
        figures={"aggregation": aggregation_figure(table, given.names, given.controls)},
        page={
            "title": f"Ways to compare units on {given.experiment}",
            "sections": aggregation_sections(table, counts, given.shown),
        },
    )
