"""The members' embeddings of a dataset -> those of their fusion."""

from radcbir.core.logs import script_log
from radcbir.embedding.fuse import fuse

with script_log(
    snakemake.log[0], f"fuse {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    card = snakemake.params.card
    fuse(
        dict(zip(card["of"], snakemake.input, strict=True)),
        snakemake.output[0],
        snakemake.wildcards.model,
        card,
        snakemake.params.code,
        dataset=snakemake.wildcards.dataset,
        storage=snakemake.params.storage,
    )
