"""The list of some volumes -> their embeddings."""

from dataclasses import replace

from radcbir.core.logs import script_log
from radcbir.embedding.images import Means
from radcbir.embedding.job import Job
from radcbir.embedding.volumes.job import embed_list

with script_log(
    snakemake.log[0], f"embed volumes {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    job = Job(
        model=snakemake.wildcards.model,
        dataset=snakemake.wildcards.dataset,
        card=snakemake.params.card,
        code=snakemake.params.code,
        storage=snakemake.params.storage,
    )
    means = Means.of_rule(snakemake.resources, snakemake.threads)
    means = replace(means, image_root=snakemake.resources.image_root)
    max_rejected = float(snakemake.resources.max_rejected)
    embed_list(snakemake.input.volumes, snakemake.output[0], job, means, max_rejected)
