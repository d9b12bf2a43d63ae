"""A dataset's embeddings -> the same as a zarr store."""

from radcbir.core.logs import script_log
from radcbir.embedding.zarr_export import export_zarr

with script_log(
    snakemake.log[0], f"zarr {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    export_zarr(snakemake.input[0], snakemake.output[0])
