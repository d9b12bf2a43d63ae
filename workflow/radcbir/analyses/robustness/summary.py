"""All models side by side."""

from radcbir.analyses.robustness.figure import areas_figure, severities_figure
from radcbir.analyses.robustness.page import robustness_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """Two figures of P@1, and a table per perturbation."""
    table, areas = given.tables["robustness"], given.tables["areas"]
    return Summary(
        figures={
            "areas": areas_figure(areas, given.names, given.controls),
            "severities": severities_figure(table, areas, given.names, given.controls),
        },
        page={
            "title": f"Robustness on {given.experiment}",
            "sections": robustness_sections(areas, given.shown, given.settings["left_out"]),
        },
    )
