"""All models side by side."""

from radcbir.analyses.shortcuts.figure import shortcuts_figure
from radcbir.analyses.shortcuts.page import shortcuts_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure and tables by query split."""
    table = given.tables["shortcuts"]
    return Summary(
        figures={"shortcuts": shortcuts_figure(table, given.names, given.controls)},
        page={
            "title": f"Shortcuts on {given.experiment}",
            "sections": shortcuts_sections(table, given.shown),
        },
    )
