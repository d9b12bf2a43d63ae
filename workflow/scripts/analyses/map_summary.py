"""Coordinates by all models -> the interactive map of an experiment."""

import json

import pandas as pd

from radcbir.analyses.map.compute import choose_images
from radcbir.analyses.map.page import map_data, sprite
from radcbir.core.logs import script_log
from radcbir.report.render import render

with script_log(snakemake.log[0], f"map {snakemake.wildcards.experiment}"):
    cards, settings = snakemake.params.cards, snakemake.params.settings
    catalog = pd.read_parquet(snakemake.input.catalog).set_index("id", drop=False)
    catalog = catalog.loc[choose_images(catalog, settings["images"])]
    maps = dict(zip(cards, map(pd.read_parquet, snakemake.input.maps), strict=True))
    wanted = ["neighbors", "query", "relevant_in_index", "precision_at_1"]
    per_query = {
        model: pd.read_parquet(path, columns=wanted)
        for model, path in zip(cards, snakemake.input.per_query, strict=True)
    }
    sheet, columns = sprite(
        list(zip(catalog["dataset"], catalog["path"], strict=True)),
        json.loads(snakemake.resources.image_roots),
        settings["pixels"],
        snakemake.params.intensities,
    )
    render(
        "analyses/map/map.html.j2",
        snakemake.output[0],
        title=f"Map of {snakemake.wildcards.experiment}",
        data=map_data(
            catalog, maps, {model: card["name"] for model, card in cards.items()}, per_query
        ),
        sprite=sheet,
        columns=columns,
        pixels=settings["pixels"],
    )
