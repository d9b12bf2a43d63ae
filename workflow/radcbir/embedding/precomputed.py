"""The embedding file of a dataset whose vectors (or neighbors) exist already."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from radcbir.core.files import sha256_of_file
from radcbir.core.logs import Progress, logger
from radcbir.datasets.checks import check_rejected
from radcbir.datasets.shard_lists import read_shards
from radcbir.embedding.child import in_child
from radcbir.embedding.hdf5_sources import ROWS_PER_BLOCK
from radcbir.embedding.job import Job
from radcbir.embedding.sources import open_source
from radcbir.embedding.store import write_blocks


def take_embeddings(
    shards: Sequence[str | Path],
    source: str | Path,
    metadata: str | Path | None,
    output: str | Path,
    job: Job,
    max_rejected: float,
) -> None:
    """Write the embedding file of a dataset whose vectors (or neighbors) are known, from its shard
    lists.

    ``source`` is what the card's ``path`` says, a file or a folder, ``metadata`` the list of paths behind an index. An
    image that is not there, and a vector that is zero or not finite, is rejected with the reason.

    The vectors have the length that the card gives, or where it gives none that of the source.

    Raises :class:`InputError` where the source cannot be read or has vectors of another dimension
    than the card says, or where too many images are rejected. The source is read in a child
    process: what it may do to the library that reads it ends there.
    """
    rows = list(read_shards(shards))
    size = Path(source).stat().st_size if Path(source).is_file() else 0

    def take() -> None:
        _take(rows, source, metadata, output, job, max_rejected)

    memory, seconds = MEMORY + 2 * size, int(SECONDS + size / 1e6 + len(rows) / 100)
    in_child(take, f"the file {source}", memory, seconds)


MEMORY, SECONDS = 4 << 30, 60
"""What reading a file may take, beside more for its size and the number of images."""


def _take(
    rows: Sequence[tuple[int, str]],
    source: str | Path,
    metadata: str | Path | None,
    output: str | Path,
    job: Job,
    max_rejected: float,
) -> None:
    opened = open_source(source, metadata, job.card.get("dimension"))
    found, missing, progress = 0, [], Progress(len(rows), "images")

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]]:
        nonlocal found
        for start in range(0, len(rows), ROWS_PER_BLOCK):
            block = rows[start : start + ROWS_PER_BLOCK]
            ids = np.array([each[0] for each in block], dtype=np.int64)
            vectors, reasons = opened.read(ids, [each[1] for each in block])
            if vectors.shape[1]:
                for place in np.flatnonzero(
                    ~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)
                ):
                    reasons[place] = reasons[place] or "the vector is zero or not finite"
            bad = [(*row, reason) for row, reason in zip(block, reasons, strict=True) if reason]
            good = np.array([not reason for reason in reasons])
            found += int(good.sum())
            missing.extend(bad)
            progress.advance(len(block))
            yield ids[good], vectors[good], bad
        described = f"dataset '{job.dataset}' in {source} ({opened.describe()})"
        check_rejected(
            [(path, reason) for _, path, reason in missing], len(rows), max_rejected, described
        )

    attributes = job.provenance(_sha256(Path(source)), opened.libraries)
    write_blocks(output, blocks(), opened.dimension, attributes, job.storage)
    logger.info(
        "%s: %d images taken from %s, %d rejected", job.dataset, found, source, len(missing)
    )


def _sha256(source: Path) -> str:
    """The SHA-256 of a file; of a folder that of the names and the SHA-256 of its files."""
    if not source.is_dir():
        return sha256_of_file(source)
    files = sorted(source.rglob("*.h5"))
    lines = [f"{sha256_of_file(each)}  {each.relative_to(source).as_posix()}\n" for each in files]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
