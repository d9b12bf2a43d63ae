"""Embeddings of the slices of series -> where slabs of them are found in other series, of one model."""

import pandas as pd

from radcbir.analyses.localization.compute import localization
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"localization {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params = snakemake.params
    catalog = pd.read_parquet(snakemake.input.images)
    table = localization(
        catalog,
        *store.read(snakemake.input.embeddings, catalog["id"].to_numpy()),
        params.index_split,
        params.query_splits,
        **params.localization,
    )
    write_csv(table, snakemake.output[0])
