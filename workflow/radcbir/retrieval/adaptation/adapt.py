"""The embeddings of an adapted model: those of its base after a map that the index split gives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.embedding import store
from radcbir.embedding.job import Job
from radcbir.retrieval.adaptation import transform
from radcbir.retrieval.adaptation.fit import fit
from radcbir.retrieval.adaptation.transform import Transform


def adapt(
    embeddings: Sequence[str | Path],
    images: pd.DataFrame,
    job: Job,
    output: str | Path,
    fitted: str | Path,
) -> dict[str, float]:
    """Fit a map on some ``images`` (id, label) and write the embeddings of all images after it.

    ``embeddings`` are the files of the base, ``job`` is that of the adapted model. Writes one file
    of embeddings, ``output``, and the map, ``fitted``. Returns what the fit took: ``images``,
    ``dimension`` and ``seconds``. Raises :class:`InputError` where nothing can be fitted.
    """
    ids, vectors = store.read(embeddings, images["id"].to_numpy())
    if not len(ids):
        raise InputError(
            "no image of the index that an adapted model may see is embedded: see the dataset's "
            "ledger for why"
        )
    labels = images.set_index("id")["label"].loc[ids].to_numpy()
    start = time.perf_counter()
    found = fit(vectors, labels, job.card["how"])
    seconds = time.perf_counter() - start
    del vectors
    attributes = job.provenance("", {"numpy": np.__version__})
    transform.save(fitted, {transform.MAP: found}, attributes)
    dimension = found.matrix.shape[1]
    counts = store.write_blocks(
        output, _blocks(embeddings, found), dimension, attributes, job.storage
    )
    logger.info("%d images in %d dimensions, %d rejected", counts[0], dimension, counts[1])
    return {"images": len(ids), "dimension": dimension, "seconds": seconds}


def adapt_file(embeddings: str | Path, fitted: str | Path, output: str | Path, job: Job) -> None:
    """Write the embeddings of further images after the map in the file ``fitted``."""
    found = transform.load(fitted)[transform.MAP]
    attributes = job.provenance("", {"numpy": np.__version__})
    dimension = found.matrix.shape[1]
    store.write_blocks(output, _blocks([embeddings], found), dimension, attributes, job.storage)


def _blocks(
    embeddings: Sequence[str | Path], found: Transform
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
