"""Neighbor tables of all models -> P@k without patients, studies and near duplicates: table, figure, page."""

import pandas as pd

import _library  # noqa: F401
from radcbir import figures, leakage, pages, trust_figures, trust_pages
from radcbir.cards import names_and_controls
from radcbir.catalog import write_csv
from radcbir.logs import script_log
from radcbir.neighborhoods import by_model, files_of, neighborhoods

with script_log(snakemake.log[0], f"leakage {snakemake.wildcards.experiment}"):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, list(params.cards), params.query_splits, given.neighbors, given.embeddings
    )
    duplicates = {"no_near_duplicates": pd.read_parquet(given.near_duplicates)} if given.near_duplicates else {}
    tables = files_of(list(params.cards), given.neighbors)
    pairs = leakage.embedding_duplicates(catalog, [tables[model] for model in params.judges], params.similarity)
    write_csv(pairs, output.pairs)
    if params.judges:
        duplicates["no_embedding_duplicates"] = pairs
    table = by_model(lambda hood: leakage.leakage(catalog, hood, duplicates), hoods)
    write_csv(table, output.table)
    figures.save(trust_figures.leakage(table, *names_and_controls(params.cards)), output.figure, output.figure_pdf)
    pages.render(
        given.template,
        output.page,
        title=f"Leakage on {snakemake.wildcards.experiment}",
        sections=trust_pages.leakage(table, params.cards),
    )
