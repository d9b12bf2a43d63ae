"""The image list of a shard -> the pixels of its images in the geometry of a model, and where they
are.
"""

from radcbir.core.logs import script_log
from radcbir.pixels.job import store_pixels

with script_log(
    snakemake.log[0], f"pixels {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    store_pixels(
        snakemake.input.images,
        snakemake.output[0],
        model=snakemake.wildcards.model,
        dataset=snakemake.wildcards.dataset,
        card=snakemake.params.card,
        intensity=snakemake.params.intensity,
        image_root=snakemake.resources.image_root,
        most_bytes=snakemake.resources.most_pixels_gb * 1e9,
        processes=snakemake.threads,
    )
