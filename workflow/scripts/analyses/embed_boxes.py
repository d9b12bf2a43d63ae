"""Slabs in boxes -> the vectors of their slices by one model."""

import json

from radcbir.analyses.localization.embed import embed_boxes
from radcbir.core.logs import script_log
from radcbir.embedding.images import Means
from radcbir.embedding.job import Job

with script_log(snakemake.log[0], f"embed_boxes {snakemake.wildcards.model}"):
    embed_boxes(
        snakemake.input.slabs,
        snakemake.output[0],
        Job(
            model=snakemake.wildcards.model,
            card=snakemake.params.card,
            code=snakemake.params.code,
        ),
        Means.of_rule(snakemake.resources, snakemake.threads),
        json.loads(snakemake.resources.image_roots),
        snakemake.params.intensities,
    )
