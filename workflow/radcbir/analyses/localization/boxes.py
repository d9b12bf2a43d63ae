"""Slabs that are asked with in a box: which slices, and which box."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from radcbir.analyses.localization.box import drawn
from radcbir.analyses.localization.slices import Images, asked_slices, placed
from radcbir.core.files import atomic_folder, digest, write_text
from radcbir.core.logs import logger
from radcbir.datasets.shard_lists import rows_of
from radcbir.images import reader
from radcbir.images.raster import UnreadableImage
from radcbir.retrieval.units.placement import slab

COLUMNS = [
    *("query", "share", "size", "left", "top", "right", "bottom"),
    *("id", "dataset", "path", "bytes", "content"),
]


def read_pixels(
    roots: Mapping[str, str], intensities: Mapping[str, Mapping]
) -> Callable[[str, str], np.ndarray]:
    """Reads the gray values (h, w) of an image by its dataset and path."""

    def read(dataset: str, path: str) -> np.ndarray:
        image = reader.read(reader.resolve(roots[dataset], path), intensities[dataset])
        return np.asarray(image.convert("L"))

    return read


def boxed_slabs(
    catalog: pd.DataFrame,
    query_splits: Sequence[str],
    slices: Sequence[int],
    boxes: Sequence[float],
    queries: int,
    read: Callable[[str, str], np.ndarray],
) -> pd.DataFrame:
    """The slices of the slabs that are asked with in boxes: a row per slab, share of ``boxes``, and
    slice.

    Columns: query (id of the slice in the middle), share, size (of the smallest slab of ``slices``
    that has this slice), the box (left, top, right, bottom as shares of width and height), id,
    dataset and path of the slice. All slices of a slab have one box, drawn on the slice in the
    middle. Slabs are those of :func:`radcbir.analyses.localization.compute.localization`, where all
    images are embedded. Slabs whose middle cannot be read are left out and logged.
    """
    rows = catalog[placed(catalog)]
    sizes = sorted({1, *slices})
    found = []
    for split in query_splits:
        some = rows["split"].to_numpy() == split
        asking = Images(rows, np.empty((len(rows), 0), np.float32), some)
        names = asking.rows[["id", "dataset", "path"]].to_dict("records")
        for each in asked_slices(len(names), queries).tolist():
            middle = names[each]
            try:
                pixels = read(middle["dataset"], middle["path"])
            except UnreadableImage as error:
                logger.warning("no box on %s: %s", middle["path"], error.reason)
                continue
            nested = {size: set(slab(asking.stack, each, size).tolist()) for size in sizes}
            for share in boxes:
                edges = zip(
                    ("left", "top", "right", "bottom"),
                    drawn(pixels, share, int(middle["id"])),
                    strict=True,
                )
                about = {"query": int(middle["id"]), "share": share, **dict(edges)}
                for one in sorted(nested[sizes[-1]]):
                    size = next(size for size in sizes if one in nested[size])
                    found.append(about | {"size": size} | names[one])
    return pd.DataFrame(found, columns=[each for each in COLUMNS if each not in COLUMNS[-2:]])


def write_slabs(slabs: pd.DataFrame, shards: Iterable[str | Path], folder: str | Path) -> None:
    """Write the table of :func:`boxed_slabs` as ``{digest}.tsv``, with what the lists of the
    datasets' ``shards`` say of each file.

    The name is the digest of the content: as long as it is the same, no box is embedded again.
    """
    files = rows_of(set(slabs["id"].tolist()), shards)
    content = io.StringIO()
    writer = csv.DictWriter(
        content, COLUMNS, "", delimiter="\t", lineterminator="\n", extrasaction="ignore"
    )
    writer.writeheader()
    rows: list[Any] = slabs.to_dict("records")
    writer.writerows(files.get(each["id"], {}) | each for each in rows)
    text = content.getvalue()
    with atomic_folder(folder) as temporary:
        write_text(temporary / f"{digest(text.encode())}.tsv", text)


def read_slabs(path: str | Path) -> pd.DataFrame:
    """The table of :func:`write_slabs`."""
    kinds = {"query": np.int64, "id": np.int64, "dataset": str, "path": str, "content": str}
    return pd.read_csv(path, sep="\t", dtype=kinds, keep_default_na=False)


def read_boxed(slabs: str | Path, vectors: str | Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows of :func:`write_slabs` that are embedded, and their vectors in a file of
    :func:`radcbir.analyses.localization.embed.embed_boxes`.
    """
    with h5py.File(vectors) as file:
        return read_slabs(slabs).iloc[file["rows"][:]], file["vectors"][:]
