"""Embeddings of one model -> P@k of each dataset's queries in each dataset's index, and where
neighbors come from.
"""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.cross_dataset.compute import cross_dataset, source_purity
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store
from radcbir.retrieval.joined import by_model, neighborhoods

with script_log(
    snakemake.log[0], f"cross-dataset {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    catalog, paths = pd.read_parquet(snakemake.input.catalog), snakemake.input.embeddings
    index_split, splits = snakemake.params.index_split, snakemake.params.query_splits
    tables = []
    for split in splits:
        table = cross_dataset(catalog, lambda ids: store.read(paths, ids), index_split, split)
        table.insert(0, "query_split", split)
        tables.append(table)
    write_csv(pd.concat(tables, ignore_index=True), snakemake.output.matrix)
    model = [snakemake.wildcards.model]
    hoods = neighborhoods(
        catalog, index_split, model, splits, snakemake.input.neighbors, paths, one_label=False
    )
    purity = by_model(lambda hood: source_purity(catalog, hood), hoods)
    write_csv(purity.drop(columns="model"), snakemake.output.purity)
