"""What the page of the map draws: dots, thumbnails and classes."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from PIL import Image

from radcbir.images import raster, reader

COLORED_BY = ("label", "region", "modality", "split", "dataset")


def sprite(
    paths: Sequence[tuple[str, str]],
    roots: Mapping[str, str],
    pixels: int,
    intensities: Mapping[str, Mapping],
    quality: int = 70,
) -> tuple[str, int]:
    """All thumbnails in one JPEG, row by row, as a data URI, and how many stand in a row.

    ``paths`` are pairs of dataset and path; ``roots`` maps a dataset to its image root,
    ``intensities`` to its intensity policy. An image that cannot be read any more stays black.
    """
    columns = max(1, math.ceil(math.sqrt(len(paths))))
    sheet = Image.new("RGB", (columns * pixels, max(1, math.ceil(len(paths) / columns)) * pixels))

    def small(each: tuple[str, str]) -> Image.Image | None:
        try:
            return reader.thumbnail(
                reader.resolve(roots[each[0]], each[1]), pixels, intensities[each[0]]
            )
        except raster.UnreadableImage:
            return None

    with ThreadPoolExecutor(4) as pool:
        for place, thumbnail in enumerate(pool.map(small, paths)):
            if thumbnail is not None:
                left = place % columns * pixels + (pixels - thumbnail.width) // 2
                top = place // columns * pixels + (pixels - thumbnail.height) // 2
                sheet.paste(thumbnail.convert("RGB"), (left, top))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(), columns


RIGHT, WRONG, NOT_ANSWERABLE, NO_QUERY = range(4)
"""How an image was answered as a query. The page's script names them in this order."""


def answers(ids: pd.Series, per_query: pd.DataFrame) -> list[int]:
    """How a model answered each of some images as a query, by its first neighbor.

    ``per_query`` is the model's ``per_query.parquet``: neighbors of all patients count.
    """
    table = per_query[per_query["neighbors"] == "all"].drop_duplicates("query").set_index("query")
    found = table.reindex(ids)
    right = np.where(found["precision_at_1"] > 0, RIGHT, WRONG)
    known = np.where(found["relevant_in_index"] > 0, right, NOT_ANSWERABLE)
    return np.where(found["relevant_in_index"].isna(), NO_QUERY, known).tolist()


def map_data(
    catalog: pd.DataFrame,
    maps: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
    per_query: Mapping[str, pd.DataFrame],
) -> dict:
    """What the page's script draws: images with their classes by each of :data:`COLORED_BY`, and
    the models' coordinates.

    ``catalog`` has a row per image on the map, ``maps`` a table id, x, y per model, ``names`` the
    name shown, ``per_query`` what :func:`answers` reads. Coordinates are thousandths; an image that
    a model rejected has none there.
    """
    groups = {}
    for column in COLORED_BY:
        shown = catalog[column].astype(object).where(catalog[column].notna(), None)
        if column == "label":
            shown = shown.where(shown.notna(), "several labels")
        values, code = np.unique(
            shown.where(shown.notna(), "unknown").to_numpy(str), return_inverse=True
        )
        groups[column] = {"names": values.tolist(), "of": code.tolist()}
    models = []
    for model, table in maps.items():
        placed = table.set_index("id")[["x", "y"]].reindex(catalog["id"])
        rows = (placed.to_numpy() * 1000).round()
        models.append(
            {
                "name": names[model],
                "answers": answers(catalog["id"], per_query[model]),
                "at": [None if np.isnan(row[0]) else [int(row[0]), int(row[1])] for row in rows],
            }
        )
    labels = [" | ".join(each) for each in catalog["labels"]]
    return {"groups": groups, "models": models, "paths": catalog["path"].tolist(), "labels": labels}
