"""All models side by side: recall against speed."""

import pandas as pd

from radcbir.analyses.index_fidelity.figure import recall_against_speed
from radcbir.analyses.summary import Given, Summary
from radcbir.analyses.variants import variant_table
from radcbir.core.tables import read_csv


def summarise(given: Given) -> Summary:
    """The figure of the first query split, and the timings of all models in one table."""
    splits = given.settings["query_splits"]
    pairs = [(model, split) for model in given.cards for split in splits]
    tables = [
        read_csv(path).assign(model=model, query_split=split)
        for (model, split), path in zip(pairs, given.files["timings"], strict=True)
    ]
    timings, first = pd.concat(tables), ["model", "query_split"]
    table = variant_table(list(given.cards), splits, given.files)
    figure = recall_against_speed(table, timings, given.names, splits[0])
    return Summary(
        tables={
            "index_fidelity": table,
            "index_timings": timings[[*first, *timings.columns.drop(first)]],
        },
        figures={"index_fidelity": figure},
    )
