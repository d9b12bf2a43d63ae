"""All models side by side: the figures the paper's way and corrected."""

from radcbir.analyses.paper_mode.compute import QUIRKS
from radcbir.analyses.paper_mode.page import page_rows
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """A table per model, with the quirks that move each figure."""
    table, settings = given.tables["paper_mode"], given.settings
    of_models = {model: table[table["model"] == model] for model in given.shown}
    return Summary(
        page={
            "title": f"Paper mode of {given.experiment}",
            "splits": settings["splits"],
            "quirks": [(name, settings["paper_mode"][name], text) for name, text in QUIRKS.items()],
            "models": [(given.names[model], page_rows(rows)) for model, rows in of_models.items()],
        },
    )
