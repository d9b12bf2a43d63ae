"""Neighbor tables of one model -> P@k by sex, age, view, source and scanner."""

import pandas as pd

from radcbir.analyses.subgroups.compute import subgroups
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import neighborhoods

with script_log(
    snakemake.log[0], f"subgroups {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, params.query_splits, given.neighbors, given.embeddings
    )
    found = [(split, subgroups(catalog, hood, params.smallest)) for split, hood in hoods]
    for place, name in enumerate(("subgroups", "gaps")):
        tables = {split: tables[place] for split, tables in found}
        stacked = pd.concat(tables, names=["query_split", None]).reset_index("query_split")
        write_csv(stacked, snakemake.output[name])
