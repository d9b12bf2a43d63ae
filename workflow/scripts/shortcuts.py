"""Neighbor tables of all models -> what else than the finding nearest neighbors share: table,
figure, page.
"""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.shortcuts.compute import shortcuts
from radcbir.analyses.shortcuts.figure import shortcuts_figure
from radcbir.analyses.shortcuts.page import shortcuts_sections
from radcbir.cards.model_card import names_and_controls
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.render import render
from radcbir.report.style import save
from radcbir.retrieval.joined import by_model, neighborhoods

with script_log(snakemake.log[0], f"shortcuts {snakemake.wildcards.experiment}"):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog,
        params.index_split,
        list(params.cards),
        params.query_splits,
        given.neighbors,
        given.embeddings,
    )
    table = by_model(lambda hood: shortcuts(catalog, hood), hoods)
    write_csv(table, output.table)
    save(
        shortcuts_figure(table, *names_and_controls(params.cards)), output.figure, output.figure_pdf
    )
    render(
        given.template,
        output.page,
        title=f"Shortcuts on {snakemake.wildcards.experiment}",
        sections=shortcuts_sections(table, params.cards),
    )
