"""A dataset's embeddings -> the same as a zarr store."""

import _library  # noqa: F401
from radcbir.export import export_zarr
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"zarr {snakemake.wildcards.model} {snakemake.wildcards.dataset}"):
    export_zarr(snakemake.input[0], snakemake.output[0])
