"""All models side by side."""

from radcbir.analyses.subgroups.figure import subgroups_figure
from radcbir.analyses.subgroups.page import subgroups_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure of P@1, and tables by query split and attribute."""
    groups, gaps = given.tables["subgroups"], given.tables["gaps"]
    return Summary(
        figures={"subgroups": subgroups_figure(groups, given.names, given.controls)},
        page={
            "title": f"Subgroups on {given.experiment}",
            "sections": subgroups_sections(groups, gaps, given.shown),
        },
    )
