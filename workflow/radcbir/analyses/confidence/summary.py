"""All models side by side."""

from radcbir.analyses.confidence.figure import reliability_figure, risk_coverage_figure
from radcbir.analyses.confidence.page import confidence_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """Reliability diagrams, curves of risk and of first right hits, and the tables of the page."""
    tables = given.tables
    return Summary(
        figures={
            "reliability": reliability_figure(
                tables["reliability"], tables["confidence"], given.names
            ),
            "risk_coverage": risk_coverage_figure(
                tables["risk_coverage"],
                tables["first_right"],
                tables["sets"],
                given.names,
                given.controls,
            ),
        },
        page={
            "title": f"The chance that a hit is right on {given.experiment}",
            "sections": confidence_sections(tables, given.shown),
        },
    )
