"""All models side by side."""

from radcbir.analyses.localization.figure import localization_figure
from radcbir.analyses.localization.page import localization_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure of the share of places that are found, and a table per query split."""
    table, within = given.tables["localization"], given.settings["within_mm"]
    return Summary(
        figures={"localization": localization_figure(table, given.names, given.controls, within)},
        page={
            "title": f"Where in the volume, on {given.experiment}",
            "sections": localization_sections(table, given.shown, within),
        },
    )
