"""Neighbor tables of one model -> P@k without patients, studies and near duplicates."""

import pandas as pd

from radcbir.analyses.leakage.compute import NEAR_DUPLICATES, leakage
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import by_split, neighborhoods

with script_log(
    snakemake.log[0], f"leakage {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, params.query_splits, given.neighbors, given.embeddings
    )
    paths = given.near_duplicates
    duplicates = {NEAR_DUPLICATES: pd.read_parquet(paths)} if paths else {}
    write_csv(by_split(lambda hood: leakage(catalog, hood, duplicates), hoods), snakemake.output[0])
