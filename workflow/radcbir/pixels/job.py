"""What the jobs of a model do with the pixels of a shard: one stores them, one reads them."""

import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from radcbir.core import layout
from radcbir.core.files import digest_of, write_text
from radcbir.core.logs import logger
from radcbir.datasets.checks import check_image_root
from radcbir.datasets.shard_lists import read_shards
from radcbir.images.intensity import policy_of
from radcbir.pixels.decode import Preparation, check_units, decode_missing, preprocessor
from radcbir.pixels.geometry import bytes_per_image, geometry
from radcbir.pixels.part import NotThisPart, Prepared
from radcbir.pixels.stored import Row, StoredPixels, bytes_stored, release

NO_ROOM = "no room"
"""What the pointer to pixels says where the encoder's job has to read the images itself."""


def store_pixels(
    shard: str | Path,
    pointer: str | Path,
    *,
    model: str,
    dataset: str,
    card: Mapping[str, Any],
    intensity: Mapping[str, Any],
    image_root: str | Path,
    most_bytes: float,
    processes: int,
) -> None:
    """Have the pixels of a shard's images stored, and write where they are into ``pointer``.

    What another model of the same geometry has stored is used as it is. Nothing is stored where the
    pixels of all shards together would take more than ``most_bytes``, or more than the half of what
    is free on the disk: the encoder's job then reads the images itself.
    """
    check_image_root(image_root, dataset)
    of = geometry(card, intensity)
    intensity = policy_of(card["preprocessing"], intensity)
    rows = list(read_shards([shard]))
    check_units(rows, image_root, intensity, model, dataset)
    folder = Path(layout.PIXELS, digest_of(of), dataset, Path(shard).stem)
    stored = StoredPixels(folder, rows, of)
    coming = sum(len(stored.images(each)) for each in stored.missing()) * bytes_per_image(of)
    if coming and _no_room(coming, most_bytes):
        logger.warning(
            "the pixels of %d images are not stored: they would take %.1f GB, and there is no room "
            "(`pixels_gb:`, or the disk); the encoder's job reads the images itself",
            len(rows),
            coming / 1e9,
        )
        write_text(pointer, NO_ROOM)
        return
    # Before the work: while a pointer is there, no other model's job removes the pixels.
    write_text(pointer, json.dumps({"folder": str(folder), "geometry": of}, sort_keys=True))
    prepare = Preparation(image_root, intensity, preprocessor(card))
    decoded = decode_missing(stored, prepare, processes, model)
    logger.info("%d images decoded, %d were there", decoded, len(rows) - decoded)


def _no_room(coming: int, most_bytes: float) -> bool:
    Path(layout.PIXELS).mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(layout.PIXELS).free
    return bytes_stored() + coming > most_bytes or coming > free / 2


def stored_pixels(pointer: str | Path | None, rows: list[Row]) -> StoredPixels | None:
    """The pixels of the shard's images that a pointer names; None where it names none."""
    said = Path(pointer).read_text(encoding="utf-8") if pointer else NO_ROOM
    if said == NO_ROOM:
        return None
    found = json.loads(said)
    return StoredPixels(found["folder"], rows, found["geometry"])


def read_in_order(stored: StoredPixels, again: Preparation) -> Iterator[tuple[Row, Prepared]]:
    """Every image of the shard with its pixels, in order. The next part is read meanwhile.

    A part that cannot be used is decoded ``again`` from the image files.
    """

    def load(part: int) -> list[Prepared]:
        try:
            return stored.read(part)
        except NotThisPart as error:
            logger.warning(
                "the file of pixels %s %s: its %d images are decoded again",
                stored.path(part),
                error,
                len(stored.images(part)),
            )
            return [again(path) for _, path in stored.images(part)]

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(load, 0)
        for part in range(len(stored)):
            loaded = following.result()
            if part + 1 < len(stored):
                following = pool.submit(load, part + 1)
            yield from zip(stored.images(part), loaded, strict=True)


def forget_pixels(pointer: str | Path, readers: str) -> None:
    """After an encoder's job: remove the pixels that it read unless another model needs them.

    ``readers`` is what :func:`radcbir.pixels.stored.release` takes, or empty where pixels are kept.
    """
    said = Path(pointer).read_text(encoding="utf-8")
    if readers and said != NO_ROOM:
        release(json.loads(said)["folder"], readers)
