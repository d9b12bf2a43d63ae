"""What each model with a text tower finds by text -> one table of all, and the page."""

import json

import pandas as pd

from radcbir.analyses.text_queries.page import HEADLINES, page_gallery, page_rows
from radcbir.core.logs import script_log
from radcbir.core.tables import read_csv, stacked, write_csv
from radcbir.images.thumbnails import Thumbnails
from radcbir.report.render import render

COLUMNS = ["model", "task", "query_split", "metric", "average", "value", "count", "classes"]

with script_log(snakemake.log[0], f"text queries {snakemake.wildcards.experiment}"):
    names, settings = snakemake.params.names, snakemake.params.gallery
    summary = pd.DataFrame(columns=COLUMNS)
    if names:
        summary = stacked(snakemake.input.summary, list(names))[COLUMNS]
    write_csv(summary, snakemake.output.table)
    thumbnails = Thumbnails(
        json.loads(snakemake.resources.image_roots),
        settings["pixels"],
        snakemake.params.intensities,
    )
    labels = []
    if names:
        found = {
            model: pd.read_parquet(path)
            for model, path in zip(names, snakemake.input.found, strict=True)
        }
        labels = page_gallery(
            pd.read_parquet(snakemake.input.catalog, columns=["id", "dataset", "path", "label"]),
            read_csv(snakemake.input.prompts),
            found,
            names,
            thumbnails,
            settings["queries"],
            settings["neighbors"],
        )
    render(
        "analyses/text_queries/text_queries.html.j2",
        snakemake.output.page,
        title=f"Text queries of {snakemake.wildcards.experiment}",
        pixels=settings["pixels"],
        columns=[head for head, *_ in HEADLINES],
        splits=page_rows(summary, names) if names else [],
        without=snakemake.params.without,
        labels=labels,
        thumbnails=thumbnails.data(),
    )
