"""Neighbor tables and labels -> metric tables of one model."""

import numpy as np
import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.embedding.store import read_ids
from radcbir.metrics.evaluation import evaluate_splits

with script_log(
    snakemake.log[0], f"metrics {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    catalog = pd.read_parquet(snakemake.input.catalog)
    embedded = np.concatenate([read_ids(path) for path in snakemake.input.embeddings])
    params = snakemake.params
    neighbors = dict(zip(params.query_splits, snakemake.input.neighbors, strict=True))
    evaluation = evaluate_splits(neighbors, catalog, embedded, params.index_split, params.k)
    for kind in ("precision", "summary", "by_group"):
        write_csv(getattr(evaluation, kind), snakemake.output[kind])
    write_parquet(evaluation.per_query, snakemake.output.per_query)
