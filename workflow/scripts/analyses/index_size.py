"""Vectors and labels of one model -> its metrics with parts of the index."""

import pandas as pd

from radcbir.analyses.index_size.compute import index_size_table
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.datasets.pool import read_split
from radcbir.embedding import store
from radcbir.retrieval.gpu.search import search_device

with (
    script_log(
        snakemake.log[0], f"index size {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
    ),
    search_device(snakemake.resources.search_device),
):
    settings, catalog = snakemake.params, pd.read_parquet(snakemake.input.catalog)
    catalog = catalog[catalog["label"].notna()]

    def read(path):
        """The images of a split that have one label and are embedded, and their vectors."""
        images = read_split(path)
        images = images[images["id"].isin(catalog["id"])].set_index("id", drop=False)
        ids, vectors = store.read(snakemake.input.embeddings, images.index.to_numpy())
        return images.loc[ids].reset_index(drop=True), vectors

    index = read(snakemake.input.images)
    tables = [
        index_size_table(
            *index,
            *read(path),
            catalog,
            settings.index_split,
            split,
            **settings.index_size,
            k=settings.k,
            fused=settings.fusion,
        ).assign(query_split=split)
        for split, path in zip(settings.query_splits, snakemake.input.queries, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    write_csv(table[["query_split", *table.columns.drop("query_split")]], snakemake.output[0])
