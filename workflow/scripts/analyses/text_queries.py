"""Vectors of images and of labels' texts -> zero-shot classification and text-to-image retrieval of
one model.
"""

import pandas as pd

from radcbir.analyses.text_queries.compute import evaluate_texts, read_label_vectors
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"text_queries {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    catalog = pd.read_parquet(snakemake.input.catalog, columns=["id", "label", "split"]).dropna(
        subset="label"
    )
    evaluation = evaluate_texts(
        catalog,
        *store.read(snakemake.input.embeddings, catalog["id"].to_numpy()),
        *read_label_vectors(snakemake.input.texts),
        snakemake.params.index_split,
        snakemake.params.query_splits,
        snakemake.params.k,
    )
    for kind in ("summary", "zero_shot", "retrieval"):
        write_csv(getattr(evaluation, kind), snakemake.output[kind])
    write_parquet(evaluation.found, snakemake.output.found)
