"""All models side by side."""

from radcbir.analyses.graded_relevance.figure import graded_relevance_figure
from radcbir.analyses.graded_relevance.page import graded_relevance_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure and tables by query split."""
    table = given.tables["graded_relevance"]
    return Summary(
        figures={"graded_relevance": graded_relevance_figure(table, given.names, given.controls)},
        page={
            "title": f"Graded relevance on {given.experiment}",
            "sections": graded_relevance_sections(table, given.shown),
        },
    )
