"""Intervals, differences and ranks -> figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir import analysis_figures, figures
from radcbir.cards import is_control
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"uncertainty figures {snakemake.wildcards.experiment}"):
    cards, files = snakemake.params.cards, snakemake.output
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    intervals, differences, ranks, bounds = (pd.read_csv(path) for path in snakemake.input)
    forest = analysis_figures.forest(intervals, ranks, bounds, names, controls)
    figures.save(forest, files.intervals, files.intervals_pdf)
    figures.save(analysis_figures.difference_matrix(differences, names), files.differences, files.differences_pdf)
