"""Neighbor tables of query images by all models -> one table, the ledger and the page."""

import json

import pandas as pd

from radcbir.analyses.confidence.stored import read_stored
from radcbir.core.logs import logger, script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store
from radcbir.images.thumbnails import Thumbnails
from radcbir.query.image_list import read_queries
from radcbir.query.results import QUERIES, page_queries, query_ledger, result_table
from radcbir.report.render import render
from radcbir.retrieval.index_settings import approximate_note

with script_log(snakemake.log[0], f"query_results {snakemake.wildcards.query}"):
    names, settings = snakemake.params.names, snakemake.params.settings
    queries = read_queries(snakemake.input.queries)
    found = {
        model: pd.read_parquet(path)
        for model, path in zip(names, snakemake.input.neighbors, strict=True)
    }
    rejected = {
        model: store.read_rejected(path)
        for model, path in zip(names, snakemake.input.embeddings, strict=True)
    }
    columns = ["id", "dataset", "path", "labels", "patient_id"]
    fits = dict(zip(names, map(read_stored, snakemake.input.fits), strict=False))
    catalog = pd.read_parquet(snakemake.input.catalog, columns=columns)
    table = result_table(queries, found, catalog, fits)
    ledger = query_ledger(queries, rejected)
    write_csv(table, snakemake.output.neighbors)
    write_csv(ledger, snakemake.output.ledger)
    intensities = {QUERIES: settings["intensity"], **snakemake.params.intensities}
    roots = {QUERIES: "/", **json.loads(snakemake.resources.image_roots)}
    thumbnails = Thumbnails(roots, snakemake.params.pixels, intensities)
    shown = page_queries(queries, table, names, thumbnails)
    render(
        "query/query.html.j2",
        snakemake.output.page,
        title=f"Query of {settings['experiment']}: {snakemake.wildcards.query}",
        pixels=snakemake.params.pixels,
        experiment=settings["experiment"],
        one="image",
        several="images",
        listed=len(queries),
        answered=table["query"].nunique(),
        queries=shown,
        rated=bool(table[["chance", "unlike"]].notna().any(axis=None)),
        rejected=ledger.to_dict("records"),
        index_note=approximate_note(snakemake.params.index),
        score_notes=snakemake.params.score_notes,
        names=names,
        thumbnails=thumbnails.data(),
    )
    logger.info("open %s, or read %s", snakemake.output.page, snakemake.output.neighbors)
