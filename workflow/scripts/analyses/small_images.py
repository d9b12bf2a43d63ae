"""The image list of a shard -> small gray images."""

from radcbir.analyses.privacy.small_images import small_images
from radcbir.core.logs import script_log
from radcbir.core.tables import write_parquet

with script_log(snakemake.log[0], f"small_images {snakemake.wildcards.dataset}"):
    table = small_images(
        snakemake.input[0],
        snakemake.wildcards.dataset,
        snakemake.resources.image_root,
        snakemake.params.intensity,
        snakemake.threads,
    )
    write_parquet(table, snakemake.output[0])
