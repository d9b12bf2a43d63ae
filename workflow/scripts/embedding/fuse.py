"""The members' embeddings of a dataset -> those of their fusion."""

from radcbir.core.logs import script_log
from radcbir.embedding.fuse import fuse
from radcbir.embedding.job import Job

with script_log(
    snakemake.log[0], f"fuse {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    job = Job(
        model=snakemake.wildcards.model,
        dataset=snakemake.wildcards.dataset,
        card=snakemake.params.card,
        code=snakemake.params.code,
        storage=snakemake.params.storage,
    )
    fuse(dict(zip(job.card["of"], snakemake.input, strict=True)), snakemake.output[0], job)
