"""All models side by side: queries of one dataset in the index of another."""

from radcbir.analyses.cross_dataset.figure import cross_dataset_figure
from radcbir.analyses.cross_dataset.page import cross_dataset_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A matrix per model, and tables by query split."""
    matrix, purity = given.tables["cross_dataset"], given.tables["source_purity"]
    return Summary(
        figures={"cross_dataset": cross_dataset_figure(matrix, given.names)},
        page={
            "title": f"Across the datasets of {given.experiment}",
            "sections": cross_dataset_sections(matrix, purity, given.shown),
        },
    )
