"""Neighbor tables of all models -> P@k without patients, studies and near duplicates: table,
figure, page.
"""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.leakage.compute import embedding_duplicates, leakage
from radcbir.analyses.leakage.figure import leakage_figure
from radcbir.analyses.leakage.page import leakage_sections
from radcbir.cards.model_card import names_and_controls
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.render import render
from radcbir.report.style import save
from radcbir.retrieval.joined import by_model, files_of, neighborhoods

with script_log(snakemake.log[0], f"leakage {snakemake.wildcards.experiment}"):
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
    duplicates = (
        {"no_near_duplicates": pd.read_parquet(given.near_duplicates)}
        if given.near_duplicates
        else {}
    )
    tables = files_of(list(params.cards), given.neighbors)
    pairs = embedding_duplicates(
        catalog, [tables[model] for model in params.judges], params.similarity
    )
    write_csv(pairs, output.pairs)
    if params.judges:
        duplicates["no_embedding_duplicates"] = pairs
    table = by_model(lambda hood: leakage(catalog, hood, duplicates), hoods)
    write_csv(table, output.table)
    save(leakage_figure(table, *names_and_controls(params.cards)), output.figure, output.figure_pdf)
    render(
        given.template,
        output.page,
        title=f"Leakage on {snakemake.wildcards.experiment}",
        sections=leakage_sections(table, params.cards),
    )
