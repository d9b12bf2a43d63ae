"""All models side by side: P@k without patients, studies and near duplicates."""

import pandas as pd

from radcbir.analyses.leakage.compute import VARIANTS
from radcbir.analyses.leakage.figure import leakage_figure
from radcbir.analyses.leakage.page import leakage_sections
from radcbir.analyses.summary import Given, Summary
from radcbir.core.tables import read_csv


def summarise(given: Given) -> Summary:
    """One table of all variants, a figure, and tables by query split and k."""
    [path] = given.files["without_duplicates"]
    table = pd.concat([given.tables["leakage"], read_csv(path)], ignore_index=True)
    splits = list(dict.fromkeys(table["query_split"]))
    places = {
        "model": list(given.cards),
        "query_split": splits,
        "neighbors": VARIANTS,
    }
    keys = pd.DataFrame(
        {column: pd.Categorical(table[column], order).codes for column, order in places.items()}
    )
    table = table.loc[keys.sort_values(list(places), kind="stable").index].reset_index(drop=True)
    return Summary(
        tables={"leakage": table},
        figures={"leakage": leakage_figure(table, given.names, given.controls)},
        page={
            "title": f"Leakage on {given.experiment}",
            "sections": leakage_sections(table, given.shown),
        },
    )
