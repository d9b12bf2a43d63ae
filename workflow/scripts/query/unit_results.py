"""Neighbor tables of query series, studies or patients by all models -> one table, the ledger and the
page.
"""

import json

import pandas as pd

from radcbir.analyses.confidence.stored import read_stored
from radcbir.core.logs import logger, script_log
from radcbir.core.tables import write_csv
from radcbir.core.text.retrieved import one, several
from radcbir.embedding import store
from radcbir.images.thumbnails import Thumbnails
from radcbir.query.image_list import read_queries
from radcbir.query.results import QUERIES, page_queries
from radcbir.query.units.group import members_of
from radcbir.query.units.results import Indexed, pictures, shown_by_model, unit_ledger, unit_table
from radcbir.report.render import render
from radcbir.retrieval.index_settings import approximate_note

with script_log(snakemake.log[0], f"query_unit_results {snakemake.wildcards.query}"):
    given, params = snakemake.input, snakemake.params
    names, settings = params.names, params.settings
    queries = read_queries(given.queries)
    found = {
        model: pd.read_parquet(path) for model, path in zip(names, given.neighbors, strict=True)
    }
    catalog_columns = ["id", "dataset", "path", "labels", "patient_id", "study_id", "series_id"]
    indexed = Indexed(
        pd.read_parquet(given.catalog, columns=catalog_columns),
        pd.read_parquet(given.images, columns=["unit", "id", "dataset", "path", "split"]),
    )
    embedded = dict(zip(params.with_slices, given.slices, strict=True))
    datasets = json.loads(snakemake.resources.image_roots)
    files = iter(given.index_slices)
    of_datasets = {model: {each: next(files) for each in datasets} for model in embedded}
    members = members_of(queries)[1]
    shown = shown_by_model(found, embedded, of_datasets, members, indexed.images)
    fits = dict(zip(names, map(read_stored, given.fits), strict=False))
    table, notes = unit_table(queries, found, shown, indexed, fits, params.query_splits)
    of_slices = {model: store.read_rejected(path) for model, path in embedded.items()}
    of_units = {
        model: store.read_rejected(path)
        for model, path in zip(names, given.embeddings, strict=True)
    }
    ledger = unit_ledger(queries, of_slices, of_units)
    write_csv(table, snakemake.output.neighbors)
    write_csv(ledger, snakemake.output.ledger)
    intensities = {QUERIES: settings["intensity"], **params.intensities}
    thumbnails = Thumbnails({QUERIES: "/", **datasets}, params.pixels, intensities)
    units, captions = pictures(queries, of_slices)
    render(
        "query/query.html.j2",
        snakemake.output.page,
        title=f"Query of {settings['experiment']}: {snakemake.wildcards.query}",
        pixels=params.pixels,
        experiment=settings["experiment"],
        one=one(params.unit),
        several=several(params.unit),
        whole=len(embedded) < len(names),
        listed=len(units),
        answered=table["query"].nunique(),
        queries=page_queries(units, table, names, thumbnails, captions, notes),
        rated=bool(table[["chance", "unlike"]].notna().any(axis=None)),
        rejected=ledger.to_dict("records"),
        index_note=approximate_note(params.index),
        score_notes=params.score_notes,
        names=names,
        thumbnails=thumbnails.data(),
    )
    logger.info("open %s, or read %s", snakemake.output.page, snakemake.output.neighbors)
