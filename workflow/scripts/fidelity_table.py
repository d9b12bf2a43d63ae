"""Variants of search or storage, their neighbors and the labels -> one table of all models and
query splits.
"""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.variants import variant_precision
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv

with script_log(snakemake.log[0], f"{snakemake.rule} {snakemake.wildcards.experiment}"):
    labels = pd.read_parquet(snakemake.input.catalog, columns=["id", "label"]).set_index("id")[
        "label"
    ]
    pairs = [
        (model, split)
        for model in snakemake.params.models
        for split in snakemake.params.query_splits
    ]
    tables = []
    for (model, split), variants, neighbors, per_query in zip(
        pairs,
        snakemake.input.variants,
        snakemake.input.neighbors,
        snakemake.input.per_query,
        strict=True,
    ):
        table = pd.read_csv(
            variants,
            keep_default_na=False,
            na_values={"explained_variance": "", "recall_at_100": ""},
        )
        queries = pd.read_parquet(
            per_query, columns=["query", "query_split", "neighbors", "relevant_in_index"]
        )
        queries = queries[(queries["query_split"] == split) & (queries["neighbors"] == "all")]
        relevant = queries.set_index("query")["relevant_in_index"]
        found = variant_precision(
            pd.read_parquet(neighbors), labels, relevant, table["variant"].iloc[0]
        )
        tables.append(table.merge(found, on="variant").assign(model=model, query_split=split))
    stacked = pd.concat(tables, ignore_index=True)
    first = ["model", "query_split"]
    write_csv(stacked[[*first, *stacked.columns.drop(first)]], snakemake.output[0])
