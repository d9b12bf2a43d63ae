"""The catalogs of an experiment's datasets -> a pool of series, studies or patients, the image lists
of its splits, and the images of each unit.
"""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.datasets.pool import write_index_labels, write_splits
from radcbir.retrieval.units.catalog import pool_units, write_members

with script_log(snakemake.log[0], f"pool {snakemake.wildcards.experiment}"):
    params, output = snakemake.params, snakemake.output
    catalogs = map(pd.read_parquet, snakemake.input.catalogs)
    pooled = pool_units(
        dict(zip(params.datasets, catalogs, strict=True)),
        snakemake.wildcards.experiment,
        params.unit,
        params.index_split,
        params.query_splits,
        params.labels,
    )
    write_parquet(pooled.units.catalog, output.catalog)
    write_parquet(pooled.images, output.images)
    write_csv(pooled.taken, output.counts)
    write_csv(pooled.counts, output.units)
    write_csv(pooled.units.ledger, output.ledger)
    write_splits(pooled.units.catalog, output.splits)
    write_index_labels(pooled.units.catalog, params.index_split, output.labels)
    write_members(pooled.units.members, output.members)
