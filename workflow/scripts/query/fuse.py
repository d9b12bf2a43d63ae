"""The members' vectors of query images -> those of their fusion."""

from radcbir.core.logs import script_log
from radcbir.embedding.fuse import fuse
from radcbir.embedding.job import Job

with script_log(
    snakemake.log[0], f"fuse_query {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
    )
    fuse(dict(zip(job.card["of"], snakemake.input, strict=True)), snakemake.output[0], job)
