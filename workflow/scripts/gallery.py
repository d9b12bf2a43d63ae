"""Neighbor tables of all models -> the gallery page of one query split."""

import json

import pandas as pd

import _library  # noqa: F401
from radcbir import gallery, pages
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"gallery {snakemake.wildcards.experiment}"):
    settings, cards = snakemake.params.gallery, snakemake.params.cards
    thumbnails = gallery.Thumbnails(
        json.loads(snakemake.resources.image_roots), settings["pixels"], snakemake.params.intensities
    )
    queries = gallery.gallery(
        pd.read_parquet(snakemake.input.catalog),
        snakemake.wildcards.split,
        dict(zip(cards, snakemake.input.neighbors, strict=True)),
        {model: card["name"] for model, card in cards.items()},
        thumbnails,
        settings["queries"],
        settings["neighbors"],
    )
    pages.render(
        snakemake.input.template,
        snakemake.output[0],
        title=f"Gallery of {snakemake.wildcards.experiment}, queries: {snakemake.wildcards.split}",
        pixels=settings["pixels"],
        queries=queries,
        thumbnails=thumbnails.data(),
    )
