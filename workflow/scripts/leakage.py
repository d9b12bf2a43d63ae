"""Neighbor tables of all models -> P@k without patients, studies and near duplicates: table, figure, page."""

import pandas as pd

import _library  # noqa: F401
from radcbir import figures, leakage, pages, trust_figures, trust_pages
from radcbir.cards import names_and_controls
from radcbir.catalog import write_csv
from radcbir.logs import script_log
from radcbir.neighborhoods import by_model, neighborhoods

with script_log(snakemake.log[0], f"leakage {snakemake.wildcards.experiment}"):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    catalog = pd.read_parquet(given.catalog)
    hoods = neighborhoods(
        catalog, params.index_split, list(params.cards), params.query_splits, given.neighbors, given.embeddings
    )
    duplicates = {"no_near_duplicates": pd.read_parquet(given.near_duplicates)} if given.near_duplicates else {}
    splits = len(params.query_splits)
    of_model = {model: given.neighbors[n * splits : (n + 1) * splits] for n, model in enumerate(params.cards)}
    judging = [[pd.read_parquet(path) for path in of_model[model]] for model in params.judges]
    pairs = leakage.embedding_duplicates(judging, params.similarity)
    if judging:
        duplicates["no_embedding_duplicates"] = pairs
    table = by_model(lambda hood: leakage.leakage(catalog, hood, duplicates), hoods)
    write_csv(table, output.table)
    known = catalog.set_index("id")
    for side in ("image", "other"):
        for name in ("path", "dataset", "split", "label", "patient_id"):
            pairs[f"{side}_{name}"] = known[name].reindex(pairs[side]).to_numpy()
    write_csv(pairs, output.pairs)
    figures.save(trust_figures.leakage(table, *names_and_controls(params.cards)), output.figure, output.figure_pdf)
    pages.render(
        given.template,
        output.page,
        title=f"Leakage on {snakemake.wildcards.experiment}",
        sections=trust_pages.leakage(table, params.cards),
    )
