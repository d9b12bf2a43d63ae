"""From a list of volumes to their embeddings: the next volume is read while one is computed."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radcbir.core.logs import logger
from radcbir.datasets.checks import check_image_root, check_rejected
from radcbir.datasets.passing import note_passing
from radcbir.embedding.images import Means, embed_prepared, read_ahead
from radcbir.embedding.job import Job
from radcbir.embedding.store import write_shard
from radcbir.encoders.volumes import VolumeEncoder
from radcbir.images import reader
from radcbir.images.raster import UnreadableImage
from radcbir.images.volumes import read_volume

Listed = tuple[int, list[str]]
"""Id of a series, and the paths of its slices."""


def read_list(path: str | Path) -> list[Listed]:
    """The series of a list (:func:`radcbir.retrieval.units.volume_lists.write_volumes`)."""
    found: dict[int, list[str]] = {}
    with open(path, newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            found.setdefault(int(row["series"]), []).append(row["path"])
    return list(found.items())


def embed_list(
    path: str | Path, output: str | Path, job: Job, means: Means, max_rejected: float
) -> None:
    """Embed the volumes of a list and write the embedding file, whose ids are those of the series.

    A series that makes no volume, or whose vector is zero or not finite, is rejected with its
    reason. Raises :class:`InputError` where these are more than the share ``max_rejected`` of all
    volumes of the dataset, whose lists are beside this one, or all of them.
    """
    check_image_root(means.image_root, job.dataset)
    listed = read_list(path)
    encoder = means.load(job)
    assert isinstance(encoder, VolumeEncoder)  # the rule has cards of such encoders alone
    ids, vectors, rejected = embed_volumes(listed, means.image_root, encoder, means.batch_size)
    bad = [(name, reason) for _, name, reason in rejected]
    note_passing(job.dataset, f"{Path(path).stem}.{job.model}", bad)
    if bad:
        whole = sum(len(read_list(each)) for each in Path(path).parent.glob("*.tsv"))
        where = f"dataset '{job.dataset}'"
        check_rejected(bad, whole, max_rejected, where, things="volumes")
    attributes = job.provenance(encoder.weights_sha256, encoder.libraries)
    write_shard(output, ids, vectors, rejected, attributes, job.storage)
    logger.info("%d volumes embedded, %d rejected", len(ids), len(rejected))


def embed_volumes(
    listed: Sequence[Listed], image_root: str | Path, encoder: VolumeEncoder, batch_size: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]:
    """Embed volumes given as (id, paths of the slices below ``image_root``).

    Returns the ids (n,) and vectors (n, d) of those that worked, in the order given, and (id, path
    of the first slice, reason) of those that did not.
    """

    def prepare(one: Listed) -> np.ndarray | str:
        try:
            return encoder.prepare(read_volume(image_root, one[1]))
        except UnreadableImage as error:
            return error.reason
        finally:
            reader.forget()

    volumes = (
        ((series, paths[0]), found) for (series, paths), found in read_ahead(listed, prepare, 1, 1)
    )
    return embed_prepared(volumes, len(listed), encoder, batch_size, "volumes")
