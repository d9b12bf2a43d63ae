"""Embeddings and neighbor tables of one model -> measures of its space, and what remedies do to its
hubs.
"""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.embedding_space.compute import describe
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import neighborhoods

with script_log(
    snakemake.log[0],
    f"embedding space {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
):
    catalog, paths = pd.read_parquet(snakemake.input.catalog), snakemake.input.embeddings
    params, model = snakemake.params, snakemake.wildcards.model
    hoods = neighborhoods(
        catalog, params.index_split, [model], params.query_splits, snakemake.input.neighbors, paths
    )
    space, hubness = describe(catalog, paths, params.index_split, params.query_splits, hoods)
    write_csv(space, snakemake.output.space)
    write_csv(hubness, snakemake.output.hubness)
