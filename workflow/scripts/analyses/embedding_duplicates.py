"""Neighbor tables of all models -> near duplicates by embedding, and P@k without them."""

import pandas as pd

from radcbir.analyses.leakage.compute import embedding_duplicates, without_embedding_duplicates
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.retrieval.joined import files_of, neighborhoods

with script_log(snakemake.log[0], f"leakage {snakemake.wildcards.experiment}"):
    params, models = snakemake.params, snakemake.params.models
    catalog = pd.read_parquet(snakemake.input.catalog)
    tables = files_of(models, snakemake.input.neighbors)
    embeddings = files_of(models, snakemake.input.embeddings)
    judges = [tables[model] for model in params.judges]
    pairs = embedding_duplicates(catalog, judges, params.similarity)
    hoods = (
        (model, split, hood)
        for model in models
        for split, hood in neighborhoods(
            catalog, params.index_split, params.query_splits, tables[model], embeddings[model]
        )
    )
    write_csv(pairs, snakemake.output.pairs)
    rows = without_embedding_duplicates(catalog, hoods, pairs if judges else None)
    write_csv(rows, snakemake.output.precision)
