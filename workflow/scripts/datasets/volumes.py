"""Catalog -> the lists of its volumes."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.retrieval.units.volume_lists import write_volumes

with script_log(snakemake.log[0], f"volumes {snakemake.wildcards.dataset}"):
    write_volumes(
        pd.read_parquet(snakemake.input[0]),
        snakemake.wildcards.dataset,
        snakemake.output[0],
        snakemake.params.size,
    )
