"""Vectors after a map that was fitted before: nothing here learns anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from radcbir.embedding import store
from radcbir.embedding.job import Job
from radcbir.retrieval.adaptation import transform
from radcbir.retrieval.adaptation.transform import Transform


def adapt_file(embeddings: str | Path, fitted: str | Path, output: str | Path, job: Job) -> None:
    """Write the embeddings of further images after the map in the file ``fitted``."""
    found = transform.load(fitted)[transform.MAP]
    attributes = job.provenance("", {"numpy": np.__version__})
    dimension = found.matrix.shape[1]
    store.write_blocks(
        output, blocks_after(found, [embeddings]), dimension, attributes, job.storage
    )


def blocks_after(
    found: Transform, embeddings: Sequence[str | Path]
) -> Iterator[tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]]:
    """All images of some files after a map, with those that were rejected before it or by it."""
    for path in embeddings:
        rejected = store.read_rejected(path)
        for ids, vectors in store.blocks([path], store.read_ids(path)):
            moved = found.apply(vectors)
            kept = moved.any(axis=1)
            nothing = "nothing is left of its vector after the adaptation"
            bad = [(int(each), "", nothing) for each in ids[~kept]]
            yield ids[kept], moved[kept], bad
        if rejected:
            yield np.empty(0, np.int64), np.empty((0, found.matrix.shape[1])), rejected
