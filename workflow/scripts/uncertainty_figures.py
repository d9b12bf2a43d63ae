"""Intervals, differences and ranks -> figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.uncertainty.figure import difference_matrix, forest_plot
from radcbir.cards.model_card import is_control
from radcbir.core.logs import script_log
from radcbir.report.style import save

with script_log(snakemake.log[0], f"uncertainty figures {snakemake.wildcards.experiment}"):
    cards, files = snakemake.params.cards, snakemake.output
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    intervals, differences, ranks, bounds = (pd.read_csv(path) for path in snakemake.input)
    forest = forest_plot(intervals, ranks, bounds, names, controls)
    save(forest, files.intervals, files.intervals_pdf)
    save(difference_matrix(differences, names), files.differences, files.differences_pdf)
