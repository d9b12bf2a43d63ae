"""The image list of a shard, and its pixels where they are stored -> its embeddings."""

from dataclasses import replace

from radcbir.core.logs import script_log
from radcbir.embedding.images import Means, embed_shard
from radcbir.embedding.job import Job
from radcbir.pixels.job import forget_pixels

with script_log(
    snakemake.log[0], f"embed {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    job = Job(
        model=snakemake.wildcards.model,
        dataset=snakemake.wildcards.dataset,
        card=snakemake.params.card,
        code=snakemake.params.code,
        intensity=snakemake.params.intensity,
        storage=snakemake.params.storage,
    )
    means = Means.of_rule(snakemake.resources, snakemake.threads)
    means = replace(means, image_root=snakemake.resources.image_root)
    max_rejected = float(snakemake.resources.max_rejected)
    pointer = snakemake.input.get("pixels") or None
    embed_shard(snakemake.input.images, snakemake.output[0], job, means, max_rejected, pointer)
    if pointer:
        forget_pixels(pointer, snakemake.resources.pixel_readers)
