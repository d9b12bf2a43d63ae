"""From the image list of a shard to its embeddings: decoding runs ahead of the encoder, in order,
in bounded memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from radcbir.core.logs import Progress, logger
from radcbir.datasets.checks import check_image_root, check_rejected
from radcbir.datasets.passing import note_passing
from radcbir.datasets.shard_lists import read_shards
from radcbir.embedding.batches import BatchSize, encoded
from radcbir.embedding.job import Job
from radcbir.embedding.store import write_shard
from radcbir.encoders import Encoder, VectorsOf, load_encoder
from radcbir.images import raster
from radcbir.images.intensity import INTENSITY, policy_of
from radcbir.pixels.decode import Preparation, check_units
from radcbir.pixels.job import read_in_order, stored_pixels
from radcbir.pixels.part import Prepared
from radcbir.pixels.stored import Row, StoredPixels

Listed = TypeVar("Listed")

AHEAD = 3
"""How many batches may be decoded ahead of the one in the encoder."""


@dataclass(frozen=True)
class Means:
    """What a job works with. It changes how fast the vectors come, not what they are."""

    weights: str | Path | None = None
    """As :func:`radcbir.encoders.load_encoder` takes it."""
    image_root: str | Path = "/"
    """The folder that the paths of the images are relative to."""
    device: str = "auto"
    runtime: str = "torch"
    batch_size: int = 32
    threads: int = 1
    """How many images are decoded at a time."""

    @classmethod
    def of_rule(cls, resources: Any, threads: int) -> "Means":
        """What the ``resources`` of a rule that embeds images say, without an image root."""
        return cls(
            weights=resources.weights or None,
            device=resources.device,
            runtime=resources.computed_by,
            batch_size=resources.batch_size,
            threads=threads,
        )

    def load(self, job: Job) -> Encoder:
        """The encoder of a job."""
        return load_encoder(job.model, job.card, self.weights, self.device, self.runtime)


def embed_shard(
    shard: str | Path,
    output: str | Path,
    job: Job,
    means: Means,
    max_rejected: float,
    pointer: str | Path | None = None,
) -> None:
    """Embed the images of a shard list (columns id, path, bytes) and write the shard's embedding
    file.

    ``pointer`` is the file that says where the pixels of the shard are
    (:func:`radcbir.pixels.job.store_pixels`); without one the images are read here. A bad image and
    a vector that is zero or not finite are rejected, with the reason, and nothing else is lost by
    them.

    Raises :class:`InputError` where all images are rejected, or more than the share
    ``max_rejected`` of the whole dataset's, whose shard lists are beside this one: what the audit
    accepted of the dataset is accepted here.
    """
    rows = list(read_shards([shard]))
    check_image_root(means.image_root, job.dataset)
    encoder = means.load(job)
    policy = INTENSITY if job.intensity is None else job.intensity
    policy = policy_of(getattr(encoder, "preprocessing", {}), policy)
    check_units(rows, means.image_root, policy, job.model, job.dataset)
    prepare = Preparation(means.image_root, policy, encoder.preprocess)
    stored = stored_pixels(pointer, rows)
    if stored:
        found = embed_stored(stored, prepare, encoder, means.batch_size)
    else:
        found = embed_images(
            rows, means.image_root, encoder, means.batch_size, means.threads, policy
        )
    ids, vectors, rejected = found
    bad = [(path, reason) for _, path, reason in rejected]
    note_passing(job.dataset, f"{Path(shard).stem}.{job.model}", bad)
    where = f"this shard of dataset '{job.dataset}'"
    of = len(list(read_shards(Path(shard).parent.glob("*.tsv")))) if bad else 0
    check_rejected(bad, len(rows), max_rejected, where, of)
    attributes = job.provenance(encoder.weights_sha256, encoder.libraries)
    write_shard(output, ids, vectors, rejected, attributes, job.storage)
    logger.info("%d images embedded, %d rejected", len(ids), len(rejected))


def embed_images(
    rows: Sequence[Row],
    image_root: str | Path,
    encoder: Encoder,
    batch_size: int,
    threads: int,
    intensity: Mapping | None = None,
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]:
    """Embed images given as (id, path below ``image_root``).

    Returns the ids (n,) and vectors (n, d) of those that worked, in the order given, and (id, path,
    reason) of those that did not. ``threads`` images are decoded at a time while the encoder works
    on the batch before.
    """
    policy = INTENSITY if intensity is None else intensity
    policy = policy_of(getattr(encoder, "preprocessing", {}), policy)
    prepare = Preparation(image_root, policy, encoder.preprocess)
    images = read_ahead(rows, lambda row: prepare(row[1]), threads, AHEAD * batch_size)
    return embed_prepared(images, len(rows), encoder, batch_size)


def embed_stored(
    stored: StoredPixels, again: Preparation, encoder: Encoder, batch_size: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]:
    """:func:`embed_images` of images whose pixels are stored; those of a damaged file are decoded
    ``again``.
    """
    return embed_prepared(read_in_order(stored, again), len(stored.rows), encoder, batch_size)


def embed_loaded(
    rows: Sequence[Row],
    load: Callable[[Row], Image.Image],
    encoder: Encoder,
    batch_size: int,
    threads: int,
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]:
    """:func:`embed_images` of images that ``load`` gives for (id, path); it raises
    :class:`~radcbir.images.raster.UnreadableImage` where there is none.
    """

    def prepare(row: Row) -> Prepared:
        try:
            return encoder.preprocess(load(row))
        except raster.UnreadableImage as error:
            return error.reason

    images = read_ahead(rows, prepare, threads, AHEAD * batch_size)
    return embed_prepared(images, len(rows), encoder, batch_size)


def read_ahead(
    rows: Sequence[Listed], prepare: Callable[[Listed], Prepared], threads: int, ahead: int
) -> Iterator[tuple[Listed, Prepared]]:
    """The images (or volumes) with their pixels, in order; ``threads`` are decoded at a time, at
    most ``ahead`` of them before they are used.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        prepared = _ahead(pool, prepare, rows, ahead)
        yield from zip(rows, prepared, strict=True)


def embed_prepared(
    images: Iterable[tuple[Row, Prepared]],
    count: int,
    encoder: VectorsOf,
    batch_size: int,
    things: str = "images",
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]:
    """Embed ``count`` prepared ``things``; what is returned is that of :func:`embed_images`."""
    ids: list[int] = []
    vectors = np.empty((count, encoder.dimension), dtype=np.float32)
    rejected: dict[int, tuple[int, str, str]] = {}  # by their places in the list
    progress = Progress(count, things)

    def usable() -> Iterator[tuple[tuple[int, Row], np.ndarray]]:
        for place, (row, prepared) in enumerate(images):
            if isinstance(prepared, str):
                rejected[place] = (*row, prepared)
                logger.warning("rejected %s: %s", row[1], prepared)
            else:
                yield (place, row), prepared
            progress.advance()

    size = BatchSize(batch_size, grows=getattr(encoder, "on_gpu", False))
    for batch, found in encoded(usable(), encoder, size):
        finite = np.isfinite(found).all(axis=1)
        kept = finite & (np.abs(found).max(axis=1) > 0)
        vectors[len(ids) : len(ids) + kept.sum()] = found[kept]
        ids += [row[0] for (_, row), keep in zip(batch, kept, strict=True) if keep]
        for n in np.flatnonzero(~kept):
            place, row = batch[n]
            reason = (
                "the encoder gave a zero vector"
                if finite[n]
                else "the encoder gave no finite vector"
            )
            rejected[place] = (*row, reason)
    in_order = [rejected[place] for place in sorted(rejected)]
    return np.array(ids, dtype=np.int64), vectors[: len(ids)], in_order


def _ahead(pool: ThreadPoolExecutor, function, items: Iterable, ahead: int) -> Iterator:
    """Results of ``function`` in order, computed in the pool at most ``ahead`` items before they
    are used.
    """
    waiting: deque[Future] = deque()
    items = iter(items)
    for item in islice(items, ahead):
        waiting.append(pool.submit(function, item))
    while waiting:
        result = waiting.popleft().result()
        for item in islice(items, 1):
            waiting.append(pool.submit(function, item))
        yield result
