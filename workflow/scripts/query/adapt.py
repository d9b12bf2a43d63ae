"""Vectors of query images -> those of an adapted model."""

from radcbir.core.logs import script_log
from radcbir.embedding.job import Job
from radcbir.retrieval.adaptation.apply import adapt_file

with script_log(
    snakemake.log[0], f"adapt_query {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
    )
    adapt_file(snakemake.input.embeddings, snakemake.input.fitted, snakemake.output[0], job)
