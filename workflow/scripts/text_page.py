"""What each model with a text tower finds by text -> one table of all, and the page."""

import json

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.text_queries.page import HEADLINES, page_gallery, page_rows
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.images.thumbnails import Thumbnails
from radcbir.report.render import render

COLUMNS = ["model", "task", "query_split", "metric", "average", "value", "count", "classes"]

with script_log(snakemake.log[0], f"text_page {snakemake.wildcards.experiment}"):
    names, settings = snakemake.params.names, snakemake.params.gallery
    tables = [
        pd.read_csv(path).assign(model=model)
        for model, path in zip(names, snakemake.input.summary, strict=True)
    ]
    summary = (
        pd.concat([pd.DataFrame(columns=COLUMNS), *tables])[COLUMNS]
        if not tables
        else pd.concat(tables)[COLUMNS]
    )
    write_csv(summary, snakemake.output.table)
    thumbnails = Thumbnails(json.loads(snakemake.resources.image_roots), settings["pixels"])
    labels = []
    if names:
        found = {
            model: pd.read_parquet(path)
            for model, path in zip(names, snakemake.input.found, strict=True)
        }
        labels = page_gallery(
            pd.read_parquet(snakemake.input.catalog, columns=["id", "dataset", "path", "label"]),
            pd.read_csv(snakemake.input.prompts[0]),
            found,
            names,
            thumbnails,
            settings["queries"],
            settings["neighbors"],
        )
    render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"Text queries of {snakemake.wildcards.experiment}",
        pixels=settings["pixels"],
        columns=[head for head, *_ in HEADLINES],
        splits=page_rows(summary, names) if names else [],
        without=snakemake.params.without,
        labels=labels,
        thumbnails=thumbnails.data(),
    )
