"""Embeddings and neighbor tables of one model -> measures of its space, and what remedies do to its hubs."""

import pandas as pd

from radcbir.analyses.embedding_space.compute import describe
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import neighborhoods

with script_log(
    snakemake.log[0],
    f"embedding space {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, params.query_splits, given.neighbors, given.embeddings
    )
    space, hubness = describe(
        catalog, given.embeddings, params.index_split, params.query_splits, hoods
    )
    write_csv(space, snakemake.output.space)
    write_csv(hubness, snakemake.output.hubness)
