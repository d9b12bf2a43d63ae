"""The catalogs of an experiment's datasets -> one pooled catalog and the image lists of its
splits.
"""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.datasets.pool import pool, write_index_labels, write_splits

with script_log(snakemake.log[0], f"pool {snakemake.wildcards.experiment}"):
    pooled, counts = pool(
        dict(
            zip(
                snakemake.params.datasets,
                map(pd.read_parquet, snakemake.input.catalogs),
                strict=True,
            )
        ),
        snakemake.wildcards.experiment,
        snakemake.params.index_split,
        snakemake.params.query_splits,
        snakemake.params.labels,
    )
    write_parquet(pooled, snakemake.output.catalog)
    write_csv(counts, snakemake.output.counts)
    write_splits(pooled, snakemake.output.splits)
    write_index_labels(pooled, snakemake.params.index_split, snakemake.output.labels)
