"""Neighbor tables of one model -> what else than the finding nearest neighbors share."""

import pandas as pd

from radcbir.analyses.shortcuts.compute import shortcuts
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import by_split, neighborhoods

with script_log(
    snakemake.log[0], f"shortcuts {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, params.query_splits, given.neighbors, given.embeddings
    )
    write_csv(by_split(lambda hood: shortcuts(catalog, hood), hoods), snakemake.output[0])
