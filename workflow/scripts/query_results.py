"""Neighbor tables of query images by all models -> one table, the ledger and the page."""

import json

import pandas as pd

import _library  # noqa: F401
from radcbir import embeddings, pages, query_results
from radcbir.catalog import write_csv
from radcbir.gallery import Thumbnails
from radcbir.index_settings import approximate_note
from radcbir.logs import logger, script_log
from radcbir.query_list import read_queries

with script_log(snakemake.log[0], f"query_results {snakemake.wildcards.query}"):
    names, settings = snakemake.params.names, snakemake.params.settings
    queries = read_queries(snakemake.input.queries)
    found = {model: pd.read_parquet(path) for model, path in zip(names, snakemake.input.neighbors, strict=True)}
    rejected = {
        model: embeddings.read_rejected(path) for model, path in zip(names, snakemake.input.embeddings, strict=True)
    }
    columns = ["id", "dataset", "path", "labels", "patient_id"]
    table = query_results.result_table(queries, found, pd.read_parquet(snakemake.input.catalog, columns=columns))
    ledger = query_results.query_ledger(queries, rejected)
    write_csv(table, snakemake.output.neighbors)
    write_csv(ledger, snakemake.output.ledger)
    intensities = {query_results.QUERIES: settings["intensity"], **snakemake.params.intensities}
    roots = {query_results.QUERIES: "/", **json.loads(snakemake.resources.image_roots)}
    thumbnails = Thumbnails(roots, snakemake.params.pixels, intensities)
    shown = query_results.page_queries(queries, table, names, thumbnails)
    pages.render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"Query of {settings['experiment']}: {snakemake.wildcards.query}",
        pixels=snakemake.params.pixels,
        experiment=settings["experiment"],
        listed=len(queries),
        answered=table["query"].nunique(),
        queries=shown,
        rejected=ledger.to_dict("records"),
        index_note=approximate_note(snakemake.params.index),
        score_notes=snakemake.params.score_notes,
        names=names,
        thumbnails=thumbnails.data(),
    )
    logger.info("open %s, or read %s", snakemake.output.page, snakemake.output.neighbors)
