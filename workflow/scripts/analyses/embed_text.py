"""Prompts -> a vector per label, by a model's text tower."""

import csv

from radcbir.core.logs import script_log
from radcbir.embedding.texts import embed_prompts

with script_log(
    snakemake.log[0], f"embed_text {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    with open(snakemake.input.prompts, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    embed_prompts(
        [row["label"] for row in rows],
        [row["prompt"] for row in rows],
        snakemake.output[0],
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        weights=snakemake.resources.weights or None,
        device=snakemake.resources.device,
    )
