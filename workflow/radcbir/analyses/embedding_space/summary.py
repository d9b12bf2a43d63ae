"""All models side by side: the shape of their spaces, and remedies against hubs."""

from radcbir.analyses.embedding_space.figure import embedding_spaces_figure, hub_remedies_figure
from radcbir.analyses.embedding_space.page import embedding_spaces_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A figure per table, and tables by query split."""
    space, hubness = given.tables["embedding_space"], given.tables["hubness"]
    shown = given.names, given.controls
    return Summary(
        figures={
            "embedding_space": embedding_spaces_figure(space, *shown),
            "hubness": hub_remedies_figure(hubness, *shown),
        },
        page={
            "title": f"Embedding spaces on {given.experiment}",
            "sections": embedding_spaces_sections(space, hubness, given.shown),
        },
    )
