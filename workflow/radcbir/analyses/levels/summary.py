"""All models side by side: modality, region and finding apart."""

import pandas as pd

from radcbir.analyses.levels.conditional import of_models
from radcbir.analyses.levels.figure import conditional_figure, levels_figure, outcomes_figure
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """The averages given the region over the queries that all models answered, and a figure per
    table.
    """
    shown = given.names, given.controls
    [pool] = given.files["catalog"]
    patients = pd.read_parquet(pool, columns=["id", "patient_id"]).set_index("id")["patient_id"]
    values = map(pd.read_parquet, given.files["per_query"])
    conditional = of_models(dict(zip(given.cards, values, strict=True)), patients)
    return Summary(
        tables={"conditional": conditional},
        figures={
            "levels": levels_figure(given.tables["precision"], *shown),
            "conditional": conditional_figure(conditional, *shown),
            "outcomes": outcomes_figure(given.tables["outcomes"], *shown),
        },
    )
