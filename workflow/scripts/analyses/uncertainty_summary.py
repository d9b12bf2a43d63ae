"""Intervals, differences and ranks -> figures."""

from radcbir.analyses.order import best_first
from radcbir.analyses.summary import Summary, write
from radcbir.analyses.uncertainty.figure import difference_matrix, forest_plot
from radcbir.cards.model_card import names_and_controls
from radcbir.core.logs import script_log
from radcbir.core.tables import read_csv

with script_log(snakemake.log[0], f"uncertainty {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    intervals, differences, ranks, bounds = (read_csv(path) for path in snakemake.input)
    order = best_first(cards, intervals, snakemake.params.split)
    names, controls = names_and_controls(cards, order)
    figures = {
        "intervals": forest_plot(intervals, ranks, bounds, names, controls),
        "differences": difference_matrix(differences, names, controls),
    }
    write(Summary(figures=figures), "", snakemake, "uncertainty", list(snakemake.input)[:3])
