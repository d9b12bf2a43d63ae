"""Which queries are perturbed."""

import csv
import io
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from radcbir.core.files import atomic_folder, digest, write_text
from radcbir.datasets.shard_lists import rows_of

SEED = 0
"""Another number draws another sample."""


class Listed(NamedTuple):
    """An image of a split's list."""

    id: int
    dataset: str
    patient: str
    """Empty where it is not known."""


def read_list(path: str | Path) -> list[Listed]:
    """The images of a split list (:func:`radcbir.datasets.pool.write_splits`) with one label."""
    with open(path, newline="", encoding="utf-8") as handle:
        return [
            Listed(int(row["id"]), row["dataset"], row["patient_id"])
            for row in csv.DictReader(handle, delimiter="\t")
            if row.get("several_labels", "0") != "1"
        ]


def sample(images: Iterable[Listed], count: int) -> list[Listed]:
    """``count`` of the images, all if there are fewer, in the order of their ids.

    First comes one image of each patient, then a second of each, and so on; an image without a
    known patient is a patient of its own. Patients, and the images of a patient, stand in the order
    of digests of their names and ids. So the sample does not depend on the order of the list, and
    images that are added change it only where they are drawn themselves.
    """
    by_patient: dict[str, list[Listed]] = {}
    for image in images:
        by_patient.setdefault(image.patient or f"image {image.id}", []).append(image)
    ranked = []
    for patient, own in by_patient.items():
        own.sort(key=lambda image: _digest(str(image.id)))
        ranked += [(turn, _digest(patient), image) for turn, image in enumerate(own)]
    ranked.sort(key=lambda each: each[:2])
    return sorted((image for *_, image in ranked[:count]), key=lambda image: image.id)


def write_sample(
    images: Sequence[Listed], shards: Iterable[str | Path], folder: str | Path
) -> None:
    """Write the images as ``{digest}.tsv`` (columns id, dataset, path, and what else the lists of the
    datasets' ``shards`` say of the file), in the order of ``images``.

    As with shards, the name is the content's digest: another list of the same images, or an image
    that is added elsewhere, embeds nothing again.
    """
    found = rows_of({image.id for image in images}, shards)
    content = io.StringIO()
    columns = ["id", "dataset", "path", "bytes", "content"]
    writer = csv.DictWriter(content, columns, "", delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found[image.id] | {"dataset": image.dataset} for image in images)
    text = content.getvalue()
    with atomic_folder(folder) as temporary:
        write_text(temporary / f"{digest(text.encode())}.tsv", text)


def read_sample(path: str | Path) -> list[tuple[int, str, str]]:
    """Id, dataset and path of the images of a sample."""
    with open(path, newline="", encoding="utf-8") as handle:
        return [
            (int(row["id"]), row["dataset"], row["path"])
            for row in csv.DictReader(handle, delimiter="\t")
        ]


def _digest(text: str) -> bytes:
    return sha256(f"{SEED} {text}".encode()).digest()
