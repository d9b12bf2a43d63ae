"""Model card -> its weights file, digest checked."""

from radcbir.cards.model_card import load_card
from radcbir.core.logs import script_log
from radcbir.fetch.weights import fetch

with script_log(snakemake.log[0], f"weights {snakemake.wildcards.model}"):
    offline = snakemake.config.get("offline", False)
    fetch(
        load_card(snakemake.resources.card).weights_files[snakemake.wildcards.file],
        snakemake.output[0],
        snakemake.wildcards.file,
        offline,
    )
