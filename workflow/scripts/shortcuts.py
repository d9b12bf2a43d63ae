"""Neighbor tables of all models -> what else than the finding nearest neighbors share: table, figure, page."""

import pandas as pd

import _library  # noqa: F401
from radcbir import figures, pages, shortcuts, trust_figures, trust_pages
from radcbir.cards import names_and_controls
from radcbir.catalog import write_csv
from radcbir.logs import script_log
from radcbir.neighborhoods import by_model, neighborhoods

with script_log(snakemake.log[0], f"shortcuts {snakemake.wildcards.experiment}"):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, list(params.cards), params.query_splits, given.neighbors, given.embeddings
    )
    table = by_model(lambda hood: shortcuts.shortcuts(catalog, hood), hoods)
    write_csv(table, output.table)
    figures.save(trust_figures.shortcuts(table, *names_and_controls(params.cards)), output.figure, output.figure_pdf)
    pages.render(
        given.template,
        output.page,
        title=f"Shortcuts on {snakemake.wildcards.experiment}",
        sections=trust_pages.shortcuts(table, params.cards),
    )
