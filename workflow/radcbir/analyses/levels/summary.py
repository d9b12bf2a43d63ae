"""All models side by side: modality, region and finding apart."""

from radcbir.analyses.levels.figure import conditional_figure, levels_figure, outcomes_figure
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure per table."""
    shown = given.names, given.controls
    return Summary(
        figures={
            "levels": levels_figure(given.tables["precision"], *shown),
            "conditional": conditional_figure(given.tables["conditional"], *shown),
            "outcomes": outcomes_figure(given.tables["outcomes"], *shown),
        }
    )
