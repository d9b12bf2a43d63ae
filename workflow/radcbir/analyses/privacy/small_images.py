"""Small gray images of a dataset, read once for all models."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from radcbir.core.logs import Progress, logger
from radcbir.datasets.checks import check_image_root
from radcbir.datasets.passing import note_passing
from radcbir.datasets.shard_lists import read_shards
from radcbir.images import reader
from radcbir.images.raster import UnreadableImage

SIDE = 32
"""Pixels of each side: any image is squeezed to a square."""


def squeezed(image: Image.Image) -> np.ndarray:
    """The gray values ``(SIDE, SIDE)`` uint8 of an image, by area averaging."""
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def small_images(
    shard: str | Path, dataset: str, image_root: str | Path, intensity: Mapping, threads: int
) -> pd.DataFrame:
    """The images of a shard list (columns id, path, bytes) that can be read: ``id``, and ``pixels``,
    the bytes of :func:`squeezed`, row by row.
    """
    check_image_root(image_root, dataset)
    rows = list(read_shards([shard]))
    progress = Progress(len(rows), "images made small")

    def small(row: tuple[int, str]) -> bytes | str:
        """The pixels, or the reason why there are none."""
        try:
            return squeezed(reader.read(reader.resolve(image_root, row[1]), intensity)).tobytes()
        except UnreadableImage as error:
            return error.reason
        finally:
            progress.advance()

    with ThreadPoolExecutor(max(1, threads)) as pool:
        found = list(pool.map(small, rows))
    unread = [
        (path, each) for (_, path), each in zip(rows, found, strict=True) if isinstance(each, str)
    ]
    note_passing(dataset, f"small-{Path(shard).stem}", unread)
    logger.info("%d images made small, %d cannot be read", len(rows), len(unread))
    read = [
        (image, each) for (image, _), each in zip(rows, found, strict=True) if type(each) is bytes
    ]
    return pd.DataFrame(read, columns=["id", "pixels"]).astype({"id": np.int64})


def read_small_images(
    paths: Sequence[str | Path], ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids`` that the files have ``(n,)``, sorted, and their gray values ``(n, SIDE,
    SIDE)`` uint8.
    """
    tables = []
    for path in paths:
        table = pq.read_table(path).to_pandas()
        tables.append(table[table["id"].isin(ids)])
    table = (
        pd.concat(tables).sort_values("id") if tables else pd.DataFrame({"id": [], "pixels": []})
    )
    pixels = np.frombuffer(b"".join(table["pixels"]), dtype=np.uint8).reshape(-1, SIDE, SIDE)
    return table["id"].to_numpy(np.int64), pixels
