"""A comparison's figures by group -> the table of modalities, regions and labels as a page."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.comparison import label_table
from radcbir.core.logs import script_log
from radcbir.report.render import render

with script_log(snakemake.log[0], f"label_table {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    render(
        snakemake.input.template,
        snakemake.output[0],
        title=f"Labels of {snakemake.wildcards.experiment}",
        models=[card["name"] for card in cards.values()],
        sections=label_table.label_sections(pd.read_csv(snakemake.input.by_group), list(cards)),
    )
