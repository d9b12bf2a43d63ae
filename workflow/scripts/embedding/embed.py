"""The image list of a shard -> its embeddings."""

from radcbir.core.logs import script_log
from radcbir.embedding.images import embed_shard

with script_log(
    snakemake.log[0], f"embed {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    embed_shard(
        snakemake.input.images,
        snakemake.output[0],
        model=snakemake.wildcards.model,
        dataset=snakemake.wildcards.dataset,
        card=snakemake.params.card,
        weights=snakemake.resources.weights or None,
        image_root=snakemake.resources.image_root,
        max_rejected=float(snakemake.resources.max_rejected),
        batch_size=snakemake.resources.batch_size,
        device=snakemake.resources.device,
        runtime=snakemake.resources.computed_by,
        threads=snakemake.threads,
        code=snakemake.params.code,
        intensity=snakemake.params.intensity,
        storage=snakemake.params.storage,
    )
