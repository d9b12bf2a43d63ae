"""Puts an export into Qdrant, a vector database. Its client comes with the group ``export``."""

from typing import Any

import pandas as pd
from qdrant_client import QdrantClient, models

from radcbir.core.errors import InputError
from radcbir.export import form
from radcbir.export.read import Export

POINTS = 1000
"""So many points are sent at a time."""


def to_qdrant(export: Export, client: QdrantClient, collection: str) -> int:
    """Make a collection of the images of the index split and return how many it has.

    A point has the id of the image, its vector, and as payload the columns of the export that are
    known of it. The distance is the inner product, so that scores are cosine similarities as in the
    workflow. Raises :class:`~radcbir.core.errors.InputError` where the collection exists.
    """
    if client.collection_exists(collection):
        raise InputError(
            f"Qdrant has a collection '{collection}' already: delete it, or name another"
        )
    images, vectors = export.of_split(export.index_split)
    distance = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
    client.create_collection(collection, vectors_config=distance)
    told = [name for name in form.COLUMNS if name != "id"]
    rows = images[told].to_numpy(dtype=object).tolist()
    client.upload_collection(
        collection,
        vectors,
        payload=[_known(told, each) for each in rows],
        ids=images["id"].tolist(),
        batch_size=POINTS,
        wait=True,
    )
    return len(images)


def _known(names: list[str], values: list[Any]) -> dict[str, Any]:
    """The values that are not missing, by name; lists as lists."""
    return {
        name: list(value) if name == "labels" else value
        for name, value in zip(names, values, strict=True)
        if name == "labels" or not pd.isna(value)
    }
