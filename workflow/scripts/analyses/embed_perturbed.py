"""A sample of queries, perturbed -> their vectors by one model."""

import json

from radcbir.analyses.robustness.embed import embed_perturbed
from radcbir.core.logs import script_log
from radcbir.embedding.images import Means
from radcbir.embedding.job import Job

with script_log(
    snakemake.log[0],
    f"embed_perturbed {snakemake.wildcards.model} {snakemake.wildcards.perturbation}",
):
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
    )
    means = Means.of_rule(snakemake.resources, snakemake.threads)
    embed_perturbed(
        snakemake.input.queries,
        snakemake.output[0],
        job,
        means,
        snakemake.wildcards.perturbation,
        snakemake.params.severities,
        json.loads(snakemake.resources.image_roots),
        snakemake.params.intensities,
    )
