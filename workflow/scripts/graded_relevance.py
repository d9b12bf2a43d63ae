"""Neighbor tables of all models -> nDCG with graded gains: table, figure, page."""

import pandas as pd

import _library  # noqa: F401
from radcbir import figures, graded, pages, trust_figures, trust_pages
from radcbir.cards import names_and_controls
from radcbir.catalog import write_csv
from radcbir.logs import script_log
from radcbir.neighborhoods import by_model, neighborhoods

with script_log(snakemake.log[0], f"graded relevance {snakemake.wildcards.experiment}"):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, list(params.cards), params.query_splits, given.neighbors, given.embeddings,
        one_label=False,
    )  # fmt: skip
    table = by_model(lambda hood: graded.graded_relevance(catalog, hood, params.k), hoods)
    write_csv(table, output.table)
    figures.save(
        trust_figures.graded_relevance(table, *names_and_controls(params.cards)), output.figure, output.figure_pdf
    )
    pages.render(
        given.template,
        output.page,
        title=f"Graded relevance on {snakemake.wildcards.experiment}",
        sections=trust_pages.graded_relevance(table, params.cards),
    )
