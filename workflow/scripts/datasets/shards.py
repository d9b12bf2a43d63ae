"""Catalog -> the image lists of its shards."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.datasets.shards import write_shards

with script_log(snakemake.log[0], f"shards {snakemake.wildcards.dataset}"):
    catalog = pd.read_parquet(snakemake.input[0], columns=["id", "path", "bytes", "content"])
    write_shards(catalog, snakemake.output[0], snakemake.params.size)
