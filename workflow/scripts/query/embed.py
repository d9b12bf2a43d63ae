"""The list of query images -> their vectors by one model."""

from radcbir.core.logs import script_log
from radcbir.embedding.images import Means
from radcbir.embedding.job import Job
from radcbir.query.embed_images import embed_queries

with script_log(
    snakemake.log[0], f"embed_query {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
        intensity=snakemake.params.intensity,
    )
    means = Means.of_rule(snakemake.resources, snakemake.threads)
    embed_queries(snakemake.input.queries, snakemake.output[0], job, means)
