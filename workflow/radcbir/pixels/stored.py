"""The pixels of a shard in one geometry: a folder of parts, which several jobs may fill together.

The folder is no output of a rule. Models of one geometry share it, and Snakemake would run the jobs
of all of them again when a file that they share is made again for one. So each model has a small
file of its own, which says where the pixels are (rule ``pixels``), and the folder goes when no
model needs it any more.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from radcbir.core import layout
from radcbir.core.files import digest_of
from radcbir.images.raster import AGAIN
from radcbir.pixels.geometry import bytes_per_image
from radcbir.pixels.part import NotThisPart, Prepared, read_part, reasons_in

PART = 32 << 20
"""About how many bytes a part takes at most: what a process has in memory that decodes it."""

FEWEST_PARTS, FEWEST_IMAGES = 32, 32
"""Into how many parts a shard is divided at least, so that many processes have something to do; no
part has fewer images than that, but the last, since a process takes some hundredths of a second to
begin."""

Row = tuple[int, str]
"""Id and path of an image."""


class StoredPixels:
    """The pixels of the images of one shard in one geometry."""

    def __init__(self, folder: str | Path, rows: Sequence[Row], geometry: Mapping[str, Any]):
        """``rows`` are the images of the shard in order."""
        self.folder, self.rows = Path(folder), rows
        self.belongs = f"{digest_of(geometry)} {self.folder.name}"
        even = -(-len(rows) // FEWEST_PARTS)
        self.step = max(FEWEST_IMAGES, min(PART // bytes_per_image(geometry), even))

    def __len__(self) -> int:
        """How many parts there are when all are there."""
        return -(-len(self.rows) // self.step)

    def images(self, part: int) -> Sequence[Row]:
        """The images of a part."""
        return self.rows[part * self.step : (part + 1) * self.step]

    def path(self, part: int) -> Path:
        """The file of a part."""
        return self.folder / f"{part:05d}.npz"

    def missing(self) -> list[int]:
        """The parts that are not there."""
        return [part for part in range(len(self)) if not self.path(part).is_file()]

    def read(self, part: int) -> list[Prepared]:
        """The images of a part. Raises :class:`~radcbir.pixels.part.NotThisPart`."""
        return read_part(self.path(part), len(self.images(part)), self.name_of(part))

    def name_of(self, part: int) -> str:
        """What the file of a part says it belongs to."""
        return f"{self.belongs} {part}"

    def drop_doubtful(self) -> None:
        """Remove parts that are damaged, and those with images that could not be read for a reason
        that may pass.
        """
        for part in set(range(len(self))) - set(self.missing()):
            try:
                doubtful = any(each.endswith(AGAIN) for each in reasons_in(self.path(part)))
            except NotThisPart:
                doubtful = True
            if doubtful:
                self.path(part).unlink(missing_ok=True)


def bytes_stored() -> int:
    """How many bytes the pixels of all shards take now. Other jobs may remove some meanwhile."""
    total = 0
    for folder, _, files in os.walk(layout.PIXELS):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += Path(folder, name).stat().st_size
    return total


def release(folder: str | Path, others: str) -> None:
    """Remove the pixels of a shard unless another model still needs them.

    ``others`` lists, as JSON, the other models of the geometry: the file with the embeddings of the
    shard, and the file that says where the pixels are. A model needs them that has no embeddings
    yet, or is at work.
    """
    needed = any(
        not Path(embeddings).exists() or Path(pointer).exists()
        for embeddings, pointer in json.loads(others)
    )
    if not needed:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(keep: bool) -> None:
    """After a run: remove what no later run reads. With ``keep`` that is what belongs to shards
    that are no more, else everything.
    """
    root = Path(layout.PIXELS)
    if not keep:
        shutil.rmtree(root, ignore_errors=True)
        return
    for folder in root.glob("*/*/*"):
        shards = Path(layout.SHARDS.format(dataset=folder.parent.name))
        if shards.is_dir() and not (shards / f"{folder.name}.tsv").is_file():
            shutil.rmtree(folder, ignore_errors=True)
