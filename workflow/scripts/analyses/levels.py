"""Neighbor tables and labels of one model -> its tables of levels."""

import numpy as np
import pandas as pd

from radcbir.analyses.levels.compute import evaluate_levels
from radcbir.analyses.levels.region_search import vectors_of
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.embedding.store import read_ids

with script_log(
    snakemake.log[0], f"levels {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    catalog = pd.read_parquet(snakemake.input.catalog)
    paths = snakemake.input.embeddings
    embedded = np.concatenate([read_ids(path) for path in paths])
    vectors = vectors_of(paths) if snakemake.params.own_vectors else None
    tables = [
        evaluate_levels(
            pd.read_parquet(path),
            catalog,
            embedded,
            snakemake.params.index_split,
            split,
            snakemake.params.k,
            vectors,
        )
        for split, path in zip(
            snakemake.params.query_splits, snakemake.input.neighbors, strict=True
        )
    ]
    for kind in tables[0]:
        table = pd.concat([each[kind] for each in tables], ignore_index=True)
        write = write_parquet if kind == "per_query" else write_csv
        write(table, snakemake.output[kind])
