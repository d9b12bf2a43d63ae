"""Vectors of query images by one model -> those of the series, studies or patients that they make."""

from radcbir.core.logs import script_log
from radcbir.embedding.job import Job
from radcbir.query.image_list import read_queries
from radcbir.query.units.group import members_of
from radcbir.retrieval.units.vectors import pool_embeddings

with script_log(
    snakemake.log[0], f"pool_query {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    _, members = members_of(read_queries(snakemake.input.queries))
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
    )
    pool_embeddings(
        [snakemake.input.embeddings],
        members,
        job,
        snakemake.output[0],
        snakemake.params.pooling,
        snakemake.params.widths,
    )
