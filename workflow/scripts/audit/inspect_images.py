"""The image list of a shard -> what one look at each image tells."""

from radcbir.audit.inspect import inspect_images
from radcbir.core.logs import script_log
from radcbir.core.tables import write_parquet

with script_log(snakemake.log[0], f"inspect {snakemake.wildcards.dataset}"):
    table = inspect_images(
        snakemake.input[0],
        snakemake.wildcards.dataset,
        snakemake.resources.image_root,
        snakemake.params.intensity,
        snakemake.threads,
    )
    write_parquet(table, snakemake.output[0])
