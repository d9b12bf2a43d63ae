"""Neighbor tables and labels of one model -> the chance that a hit is right, and the fit behind it."""

import numpy as np
import pandas as pd

from radcbir.analyses.confidence.compute import benchmark, evaluate_confidence
from radcbir.analyses.confidence.stored import write_stored
from radcbir.analyses.levels.region_search import vectors_of
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding.store import read_ids

with script_log(
    snakemake.log[0], f"confidence {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, given = snakemake.params, snakemake.input
    paths = zip(params.query_splits, given.neighbors, strict=True)
    found = benchmark(
        {split: pd.read_parquet(path) for split, path in paths},
        pd.read_parquet(given.catalog),
        np.concatenate([read_ids(path) for path in given.embeddings]),
        params.index_split,
        params.k,
    )
    vectors = vectors_of(given.embeddings) if params.own_vectors else None
    tables, stored = evaluate_confidence(found, params.alpha, vectors, params.own_vectors)
    for name, table in tables.items():
        write_csv(table, snakemake.output[name])
    write_stored(snakemake.output.fitted, stored)
