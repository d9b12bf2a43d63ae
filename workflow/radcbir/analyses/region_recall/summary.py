"""All models side by side."""

from radcbir.analyses.region_recall.figure import region_recall_figure
from radcbir.analyses.region_recall.page import region_recall_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure of recall at 1, and tables by query split and level."""
    means, labels = given.tables["region_recall"], given.tables["by_label"]
    return Summary(
        figures={"region_recall": region_recall_figure(means, labels, given.names, given.controls)},
        page={
            "title": f"Region recall on {given.experiment}",
            "sections": region_recall_sections(means, labels, given.shown),
        },
    )
