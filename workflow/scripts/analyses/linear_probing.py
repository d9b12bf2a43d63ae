"""Embeddings and labels -> linear classifiers of one model: metrics, calibration, label-fraction
curves.
"""

import pandas as pd
import torch

from radcbir.analyses.linear_probing.compute import probe_linearly, probing_data
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"linear_probing {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    catalog = pd.read_parquet(snakemake.input.catalog)
    ids, vectors = store.read(snakemake.input.embeddings, catalog["id"].to_numpy())
    data = probing_data(
        catalog, ids, vectors, params.index_split, params.query_splits, params.val_split
    )
    found = probe_linearly(
        data,
        epochs=params.epochs,
        fractions=params.fractions,
        shots=params.shots,
        tries=params.tries,
        device=snakemake.resources.device,
    )
    write_csv(found.metrics, snakemake.output.linear_probing)
    write_csv(found.reliability, snakemake.output.linear_calibration)
    write_csv(found.label_fractions, snakemake.output.label_fractions)
