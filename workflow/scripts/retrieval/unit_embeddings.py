"""Embeddings of images and the images of each unit, or of whole series -> embeddings of the units."""

from radcbir.core.logs import script_log
from radcbir.embedding.job import Job
from radcbir.retrieval.units.catalog import of_itself, read_members
from radcbir.retrieval.units.vectors import pool_embeddings

with script_log(
    snakemake.log[0],
    f"unit embeddings {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
):
    [members] = snakemake.input.members
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
        storage=snakemake.params.storage,
    )
    pool_embeddings(
        snakemake.input.embeddings,
        of_itself(read_members(members)) if snakemake.params.whole else read_members(members),
        job,
        snakemake.output[0],
        snakemake.params.pooling,
        snakemake.params.widths,
    )
