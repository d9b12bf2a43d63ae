"""The members' vectors of query images -> those of their fusion."""

from radcbir.core.logs import script_log
from radcbir.embedding.fuse import fuse

with script_log(
    snakemake.log[0], f"fuse_query {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    card = snakemake.params.card
    fuse(
        dict(zip(card["of"], snakemake.input, strict=True)),
        snakemake.output[0],
        snakemake.wildcards.model,
        card,
        snakemake.params.code,
    )
