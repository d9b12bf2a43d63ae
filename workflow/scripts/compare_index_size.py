"""The models' metrics with parts of the index -> one table and a figure."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.index_size.figure import index_size_figure
from radcbir.cards.model_card import is_control
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.style import save

with script_log(snakemake.log[0], f"index size {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    tables = [pd.read_csv(path) for path in snakemake.input]
    stacked = pd.concat(tables, keys=list(cards), names=["model", None]).reset_index("model")
    write_csv(stacked, snakemake.output.table)
    figure = index_size_figure(stacked, names, controls)
    save(figure, snakemake.output.figure, snakemake.output.figure_pdf)
