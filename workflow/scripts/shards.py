"""Catalog -> the image lists of its shards."""

import pandas as pd

import _library  # noqa: F401
from radcbir.catalog import write_shards
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"shards {snakemake.wildcards.dataset}"):
    catalog = pd.read_parquet(snakemake.input[0], columns=["id", "path", "bytes"])
    write_shards(catalog, snakemake.output[0], snakemake.params.size)
