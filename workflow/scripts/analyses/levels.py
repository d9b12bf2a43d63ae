"""Neighbor tables and labels of one model -> its tables of levels."""

import numpy as np
import pandas as pd

from radcbir.analyses.levels.compute import evaluate_levels
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding.store import read_ids

with script_log(
    snakemake.log[0], f"levels {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    catalog = pd.read_parquet(snakemake.input.catalog)
    embedded = np.concatenate([read_ids(path) for path in snakemake.input.embeddings])
    tables = [
        evaluate_levels(
            pd.read_parquet(path),
            catalog,
            embedded,
            snakemake.params.index_split,
            split,
            snakemake.params.k,
        )
        for split, path in zip(
            snakemake.params.query_splits, snakemake.input.neighbors, strict=True
        )
    ]
    for kind in tables[0]:
        write_csv(
            pd.concat([table[kind] for table in tables], ignore_index=True), snakemake.output[kind]
        )
