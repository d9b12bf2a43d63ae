"""The models' figures both ways -> one table and a page."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.paper_mode.compute import QUIRKS
from radcbir.analyses.paper_mode.page import page_rows
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.render import render

with script_log(snakemake.log[0], f"paper mode {snakemake.wildcards.experiment}"):
    cards, settings = snakemake.params.cards, snakemake.params.paper_mode
    tables = [pd.read_csv(path) for path in snakemake.input.tables]
    write_csv(
        pd.concat(
            [
                table.assign(model=model)[["model", *table]]
                for model, table in zip(cards, tables, strict=True)
            ]
        ),
        snakemake.output.table,
    )
    render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"Paper mode of {snakemake.wildcards.experiment}",
        splits=snakemake.params.splits,
        quirks=[(name, settings[name], text) for name, text in QUIRKS.items()],
        models=[
            (card["name"], page_rows(table))
            for card, table in zip(cards.values(), tables, strict=True)
        ],
    )
