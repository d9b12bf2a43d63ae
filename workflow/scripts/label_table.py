"""A comparison's figures by group -> the table of modalities, regions and labels as a page."""

import pandas as pd

import _library  # noqa: F401
from radcbir import pages
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"label_table {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    pages.render(
        snakemake.input.template,
        snakemake.output[0],
        title=f"Labels of {snakemake.wildcards.experiment}",
        models=[card["name"] for card in cards.values()],
        sections=pages.label_sections(pd.read_csv(snakemake.input.by_group), list(cards)),
    )
