"""Neighbor tables of all models -> nDCG with graded gains: table, figure, page."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.graded_relevance.compute import graded_relevance
from radcbir.analyses.graded_relevance.figure import graded_relevance_figure
from radcbir.analyses.graded_relevance.page import graded_relevance_sections
from radcbir.cards.model_card import names_and_controls
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.render import render
from radcbir.report.style import save
from radcbir.retrieval.joined import by_model, neighborhoods

with script_log(snakemake.log[0], f"graded relevance {snakemake.wildcards.experiment}"):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog,
        params.index_split,
        list(params.cards),
        params.query_splits,
        given.neighbors,
        given.embeddings,
        one_label=False,
    )
    table = by_model(lambda hood: graded_relevance(catalog, hood, params.k), hoods)
    write_csv(table, output.table)
    save(
        graded_relevance_figure(table, *names_and_controls(params.cards)),
        output.figure,
        output.figure_pdf,
    )
    render(
        given.template,
        output.page,
        title=f"Graded relevance on {snakemake.wildcards.experiment}",
        sections=graded_relevance_sections(table, params.cards),
    )
