"""The list of query images -> the vectors of the series that they make, by a model of whole volumes."""

from radcbir.core.logs import script_log
from radcbir.embedding.images import Means
from radcbir.embedding.job import Job
from radcbir.query.units.volumes import embed_query_volumes

with script_log(
    snakemake.log[0], f"embed_query_volumes {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
    )
    means = Means.of_rule(snakemake.resources, snakemake.threads)
    embed_query_volumes(snakemake.input.queries, snakemake.output[0], job, means)
