"""Comparison tables -> figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir import figures
from radcbir.cards import is_control
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"figures {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    curves = figures.precision_curves(pd.read_csv(snakemake.input.precision), names, controls)
    figures.save(curves, snakemake.output.curves, snakemake.output.curves_pdf)
    groups = figures.precision_by_group(pd.read_csv(snakemake.input.by_group), names, controls)
    figures.save(groups, snakemake.output.groups, snakemake.output.groups_pdf)
