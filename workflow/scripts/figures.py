"""Comparison tables -> figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.comparison.figure import precision_by_group, precision_curves
from radcbir.cards.model_card import is_control
from radcbir.core.logs import script_log
from radcbir.report.style import save

with script_log(snakemake.log[0], f"figures {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    curves = precision_curves(pd.read_csv(snakemake.input.precision), names, controls)
    save(curves, snakemake.output.curves, snakemake.output.curves_pdf)
    groups = precision_by_group(pd.read_csv(snakemake.input.by_group), names, controls)
    save(groups, snakemake.output.groups, snakemake.output.groups_pdf)
