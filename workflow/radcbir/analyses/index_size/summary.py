"""All models over the size of the index."""

from radcbir.analyses.index_size.figure import index_size_figure
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """The curves of all models."""
    figure = index_size_figure(given.tables["index_size"], given.names, given.controls)
    return Summary(figures={"index_size": figure})
