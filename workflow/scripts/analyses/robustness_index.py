"""Neighbor tables of one model -> the robustness index by source, scanner, view and sex."""

import pandas as pd

from radcbir.analyses.robustness_index.compute import robustness_index
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import neighborhoods

with script_log(
    snakemake.log[0],
    f"robustness_index {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, params.query_splits, given.neighbors, given.embeddings
    )
    k = min(params.k, params.most)
    found = [(split, robustness_index(catalog, hood, k, params.smallest)) for split, hood in hoods]
    for place, name in enumerate(("robustness_index", "sites")):
        tables = {split: each[place] for split, each in found}
        stacked = pd.concat(tables, names=["query_split", None]).reset_index("query_split")
        write_csv(stacked, snakemake.output[name])
