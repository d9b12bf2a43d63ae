"""The models' tables of levels -> one table per question, and figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.levels.figure import conditional_figure, levels_figure, outcomes_figure
from radcbir.cards.model_card import is_control
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.style import save

with script_log(snakemake.log[0], f"levels {snakemake.wildcards.experiment}"):
    cards, files = snakemake.params.cards, snakemake.output
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    draw = {
        "precision": levels_figure,
        "conditional": conditional_figure,
        "outcomes": outcomes_figure,
    }
    for kind, figure in draw.items():
        tables = [pd.read_csv(path) for path in snakemake.input[kind]]
        stacked = pd.concat(tables, keys=list(cards), names=["model", None]).reset_index("model")
        write_csv(stacked, files[kind])
        save(figure(stacked, names, controls), files[f"{kind}_svg"], files[f"{kind}_pdf"])
