"""The embeddings of an adapted model: those of its base after a map that the index split gives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.embedding import store
from radcbir.embedding.job import Job
from radcbir.retrieval.adaptation import transform
from radcbir.retrieval.adaptation.apply import blocks_after
from radcbir.retrieval.adaptation.fit import fit


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
        output, blocks_after(found, embeddings), dimension, attributes, job.storage
    )
    logger.info("%d images in %d dimensions, %d rejected", counts[0], dimension, counts[1])
    return {"images": len(ids), "dimension": dimension, "seconds": seconds}
