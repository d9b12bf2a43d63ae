"""Neighbor tables of all models -> the gallery page of one query split."""

import json

import pandas as pd

from radcbir.analyses.confidence.stored import read_stored
from radcbir.analyses.gallery.compute import KINDS, SHARPER, gallery
from radcbir.core.logs import script_log
from radcbir.images.thumbnails import Thumbnails
from radcbir.report.render import render

with script_log(snakemake.log[0], f"gallery {snakemake.wildcards.experiment}"):
    settings, cards = snakemake.params.gallery, snakemake.params.cards
    thumbnails = Thumbnails(
        json.loads(snakemake.resources.image_roots),
        SHARPER * settings["pixels"],
        snakemake.params.intensities,
    )
    queries = gallery(
        pd.read_parquet(snakemake.input.catalog),
        snakemake.wildcards.split,
        dict(zip(cards, snakemake.input.neighbors, strict=True)),
        {model: card["name"] for model, card in cards.items()},
        thumbnails,
        settings["queries"],
        settings["neighbors"],
        dict(zip(cards, map(read_stored, snakemake.input.fits), strict=False)),
    )
    render(
        "analyses/gallery/gallery.html.j2",
        snakemake.output[0],
        title=f"Gallery of {snakemake.wildcards.experiment}, queries: {snakemake.wildcards.split}",
        pixels=settings["pixels"],
        queries=queries,
        kinds=KINDS,
        retrieved=snakemake.params.retrieved,
        thumbnails=thumbnails.data(),
    )
