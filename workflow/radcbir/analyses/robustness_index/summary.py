"""All models side by side."""

from radcbir.analyses.robustness_index.figure import robustness_index_figure
from radcbir.analyses.robustness_index.page import index_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure, and tables by query split and attribute."""
    table, sites = given.tables["robustness_index"], given.tables["sites"]
    return Summary(
        figures={"robustness_index": robustness_index_figure(table, given.names, given.controls)},
        page={
            "title": f"Robustness index on {given.experiment}",
            "sections": index_sections(table, sites, given.shown, given.settings["smallest"]),
        },
    )
