"""All models side by side: precision against bytes per vector."""

from radcbir.analyses.dimensions.figure import precision_against_bytes
from radcbir.analyses.summary import Given, Summary
from radcbir.analyses.variants import variant_table


def summarise(given: Given) -> Summary:
    """The figure of the first query split."""
    splits = given.settings["query_splits"]
    table = variant_table(list(given.cards), splits, given.files)
    figure = precision_against_bytes(table, given.names, splits[0])
    return Summary(tables={"dimensions": table}, figures={"dimensions": figure})
