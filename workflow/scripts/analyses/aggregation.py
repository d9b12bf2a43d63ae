"""Embeddings of images and the images of each unit -> ways to compare two units, of one model."""

import pandas as pd

from radcbir.analyses.aggregation.compute import aggregation
from radcbir.analyses.aggregation.scores import Slices
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.units.catalog import read_members
from radcbir.retrieval.units.vectors import members_with_vectors

with script_log(
    snakemake.log[0], f"aggregation {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, [members] = snakemake.params, snakemake.input.members
    vectors, units, starts = members_with_vectors(snakemake.input.embeddings, read_members(members))
    table = aggregation(
        pd.read_parquet(snakemake.input.catalog),
        units,
        Slices(vectors, starts),
        params.index_split,
        params.query_splits,
        params.k,
    )
    write_csv(table, snakemake.output[0])
