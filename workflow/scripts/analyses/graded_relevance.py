"""Neighbor tables of one model -> nDCG with graded gains."""

import pandas as pd

from radcbir.analyses.graded_relevance.compute import graded_relevance
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import by_split, neighborhoods

with script_log(
    snakemake.log[0],
    f"graded relevance {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog,
        params.index_split,
        params.query_splits,
        given.neighbors,
        given.embeddings,
        one_label=False,
    )
    write_csv(
        by_split(lambda hood: graded_relevance(catalog, hood, params.k), hoods), snakemake.output[0]
    )
