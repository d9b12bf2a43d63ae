"""Embeddings of one model -> P@k of each dataset's queries in each dataset's index, and where neighbors come from."""

import pandas as pd

from radcbir.analyses.cross_dataset.compute import cross_dataset, source_purity
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store
from radcbir.retrieval.gpu.search import search_device
from radcbir.retrieval.joined import by_split, neighborhoods

with (
    script_log(
        snakemake.log[0],
        f"cross-dataset {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
    ),
    search_device(snakemake.resources.search_device),
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    tables = []
    for split in params.query_splits:
        table = cross_dataset(
            catalog, lambda ids: store.read(given.embeddings, ids), params.index_split, split
        )
        table.insert(0, "query_split", split)
        tables.append(table)
    write_csv(pd.concat(tables, ignore_index=True), snakemake.output.matrix)
    hoods = neighborhoods(
        catalog,
        params.index_split,
        params.query_splits,
        given.neighbors,
        given.embeddings,
        one_label=False,
    )
    purity = by_split(lambda hood: source_purity(catalog, hood), hoods)
    write_csv(purity, snakemake.output.purity)
