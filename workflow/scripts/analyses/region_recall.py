"""Neighbor tables of one model -> how often first results show what the query shows."""

import pandas as pd

from radcbir.analyses.region_recall.compute import region_recall
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import neighborhoods

with script_log(
    snakemake.log[0], f"region_recall {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
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
    found = [(split, region_recall(catalog, hood, params.k)) for split, hood in hoods]
    for place, name in enumerate(("region_recall", "by_label")):
        tables = {split: each[place] for split, each in found}
        stacked = pd.concat(tables, names=["query_split", None]).reset_index("query_split")
        write_csv(stacked, snakemake.output[name])
