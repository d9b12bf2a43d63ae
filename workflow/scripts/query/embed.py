"""The list of query images -> their vectors by one model."""

from radcbir.core.logs import script_log
from radcbir.query.embed_images import embed_queries

with script_log(
    snakemake.log[0], f"embed_query {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    embed_queries(
        snakemake.input.queries,
        snakemake.output[0],
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        weights=snakemake.resources.weights or None,
        batch_size=snakemake.resources.batch_size,
        device=snakemake.resources.device,
        runtime=snakemake.resources.computed_by,
        threads=snakemake.threads,
        code=snakemake.params.code,
        intensity=snakemake.params.intensity,
    )
