"""Vectors of one model and small images -> what the vectors tell of the images and of whom they are."""

import functools

import pandas as pd

from radcbir.analyses.privacy.compute import privacy
from radcbir.analyses.privacy.small_images import read_small_images
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"privacy {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    ids, vectors = store.read(given.embeddings, catalog["id"].to_numpy())
    tables = privacy(
        catalog,
        ids,
        vectors,
        functools.partial(read_small_images, given.small),
        params.index_split,
        params.query_splits,
        **params.most,
    )
    for name in ("privacy", "reidentified"):
        write_csv(tables[name], snakemake.output[name])
    write_parquet(tables["examples"], snakemake.output.examples)
