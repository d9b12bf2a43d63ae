"""Embeddings of the slices of series -> where slabs of them are found in other series, of one model."""

import pandas as pd

from radcbir.analyses.localization.boxes import read_boxed
from radcbir.analyses.localization.compute import localization
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"localization {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.images)
    boxed = read_boxed(given.slabs, given.boxes) if given.boxes else None
    table = localization(
        catalog,
        *store.read(given.embeddings, catalog["id"].to_numpy()),
        params.index_split,
        params.query_splits,
        slices=params.localization["slices"],
        within_mm=params.localization["within_mm"],
        queries=params.localization["queries"],
        boxed=boxed,
    )
    write_csv(table, snakemake.output[0])
