"""One look at each image: digest of the pixels, perceptual hash, range, size."""

import csv
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd

from radcbir.core.logs import Progress, logger
from radcbir.datasets.changes import file_digest
from radcbir.datasets.checks import check_image_root
from radcbir.datasets.passing import note_passing
from radcbir.images import reader
from radcbir.images.address import split_address
from radcbir.images.intensity import to_8_bit
from radcbir.images.raster import UnreadableImage

INSPECTION_COLUMNS = [
    "id",
    "dataset",
    "path",
    "digest",
    "hash",
    "kind",
    "width",
    "height",
    "levels",
    "extreme",
    "burned_in",
    "reason",
    "file_digest",
]


def inspect_images(
    shard: str | Path, dataset: str, image_root: str | Path, intensity: Mapping, threads: int
) -> pd.DataFrame:
    """Look at each image of a shard list once (columns id, path, bytes). Returns
    :data:`INSPECTION_COLUMNS` per image:

    ``digest`` of the 8-bit pixels that an encoder would be given, perceptual ``hash`` (pHash, 64
    bits), ``kind`` of stored pixels, size, the number of ``levels``, the share of ``extreme``
    (black or white) pixels, ``burned_in``, the reason to suspect annotations in the pixels,
    ``reason``, why the image cannot be read, and ``file_digest``, the content of its file.
    """
    check_image_root(image_root, dataset)
    with open(shard, newline="", encoding="utf-8") as handle:
        rows = [(int(row["id"]), row["path"]) for row in csv.DictReader(handle, delimiter="\t")]
    progress = Progress(len(rows), "images looked at")

    digests: dict[str, str] = {}

    def look(row: tuple[int, str]) -> dict:
        file = split_address(row[1])[0]
        try:
            if file not in digests:  # a volume is one file of many images
                digests[file] = _digest_of(reader.resolve(image_root, file))
            found = _inspection(reader.resolve(image_root, row[1]), intensity)
            return {"file_digest": digests[file], **found}
        except UnreadableImage as error:
            return {"reason": error.reason, "file_digest": digests.get(file, "")}
        finally:
            progress.advance()

    with ThreadPoolExecutor(max(1, threads)) as pool:
        found = list(pool.map(look, rows))
    blank = {
        "digest": "",
        "hash": 0,
        "kind": "",
        "width": 0,
        "height": 0,
        "levels": 0,
        "extreme": 0.0,
        "burned_in": "",
        "file_digest": "",
    }
    table = pd.DataFrame(
        [
            {"id": image, "dataset": dataset, "path": path, **blank, "reason": "", **each}
            for (image, path), each in zip(rows, found, strict=True)
        ],
        columns=INSPECTION_COLUMNS,
    )
    reasons = zip((path for _, path in rows), table["reason"], strict=True)
    note_passing(dataset, Path(shard).stem, reasons)
    integers = dict.fromkeys(("id", "width", "height", "levels"), np.int64)
    logger.info(
        "%d images looked at, %d cannot be read", len(table), int((table["reason"] != "").sum())
    )
    return table.astype({**integers, "hash": np.uint64, "extreme": np.float64})


def _digest_of(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:  # reading the image tells the reason
        return ""


def _inspection(path: Path, intensity: Mapping) -> dict:
    raster = reader.read_raster(path)
    image = to_8_bit(raster, intensity)
    pixels = np.asarray(image)
    gray = pixels if pixels.ndim == 2 else np.asarray(image.convert("L"))
    histogram = np.bincount(gray.ravel(), minlength=256)
    packed = np.packbits(imagehash.phash(image).hash.ravel())
    return {
        "digest": hashlib.sha256(
            f"{image.mode} {image.size}".encode() + pixels.tobytes()
        ).hexdigest()[:32],
        "hash": int.from_bytes(packed.tobytes()),
        "kind": raster.kind,
        "width": image.width,
        "height": image.height,
        "levels": int(np.count_nonzero(histogram)),
        "extreme": float(histogram[0] + histogram[255]) / gray.size,
        "burned_in": raster.facts.get("burned_in", ""),
    }
