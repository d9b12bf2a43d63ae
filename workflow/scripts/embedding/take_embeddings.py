"""The image lists of a dataset and a file of embeddings -> the dataset's embedding file."""

from radcbir.core.logs import script_log
from radcbir.embedding.job import Job
from radcbir.embedding.precomputed import take_embeddings

with script_log(
    snakemake.log[0], f"take {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    job = Job(
        model=snakemake.wildcards.model,
        dataset=snakemake.wildcards.dataset,
        card=snakemake.params.card,
        code=snakemake.params.code,
        storage=snakemake.params.storage,
    )
    take_embeddings(
        snakemake.input.images,
        snakemake.input.source,
        snakemake.input.get("metadata") or None,
        snakemake.output[0],
        job,
        float(snakemake.resources.max_rejected),
    )
