"""Neighbor tables and labels -> metric tables of one model."""

import numpy as np
import pandas as pd

import _library  # noqa: F401
from radcbir.catalog import write_csv, write_parquet
from radcbir.embeddings import read_ids
from radcbir.logs import script_log
from radcbir.metrics import evaluate

with script_log(snakemake.log[0], f"metrics {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    catalog = pd.read_parquet(snakemake.input.catalog)
    embedded = np.concatenate([read_ids(path) for path in snakemake.input.embeddings])
    in_index = catalog["split"] == snakemake.params.index_split
    index_ids = np.intersect1d(catalog.loc[in_index, "id"], embedded)
    evaluations = [
        evaluate(pd.read_parquet(path), catalog, index_ids, split, snakemake.params.k)
        for split, path in zip(snakemake.params.query_splits, snakemake.input.neighbors, strict=True)
    ]
    for kind in ("precision", "summary", "by_group"):
        write_csv(pd.concat([getattr(each, kind) for each in evaluations]), snakemake.output[kind])
    write_parquet(pd.concat([each.per_query for each in evaluations]), snakemake.output.per_query)
