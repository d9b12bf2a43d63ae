"""The models' tables of levels -> one table per question, and figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir import analysis_figures, figures
from radcbir.cards import is_control
from radcbir.catalog import write_csv
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"levels {snakemake.wildcards.experiment}"):
    cards, files = snakemake.params.cards, snakemake.output
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    draw = {
        "precision": analysis_figures.levels,
        "conditional": analysis_figures.conditional,
        "outcomes": analysis_figures.outcomes,
    }
    for kind, figure in draw.items():
        tables = [pd.read_csv(path) for path in snakemake.input[kind]]
        stacked = pd.concat(tables, keys=list(cards), names=["model", None]).reset_index("model")
        write_csv(stacked, files[kind])
        figures.save(figure(stacked, names, controls), files[f"{kind}_svg"], files[f"{kind}_pdf"])
