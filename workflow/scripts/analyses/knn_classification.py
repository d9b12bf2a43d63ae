"""Neighbor tables and labels -> classification by votes, one model: every k, the chosen k,
calibration.
"""

import numpy as np
import pandas as pd

from radcbir.analyses.knn_classification.compute import classify_by_neighbors
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding.store import read_ids

with script_log(
    snakemake.log[0],
    f"knn_classification {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
):
    paths = zip(snakemake.params.query_splits, snakemake.input.neighbors, strict=True)
    found = classify_by_neighbors(
        {split: pd.read_parquet(path) for split, path in paths},
        pd.read_parquet(snakemake.input.catalog),
        np.concatenate([read_ids(path) for path in snakemake.input.embeddings]),
        snakemake.params.index_split,
        snakemake.params.val_split,
        snakemake.params.k,
        snakemake.params.fixed_k,
        weighted=snakemake.params.weighted,
    )
    write_csv(found.chosen, snakemake.output.knn_classification)
    write_csv(found.curve, snakemake.output.knn_classification_curve)
    write_csv(found.reliability, snakemake.output.knn_calibration)
