"""The vectors of units, from those of their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.logs import logger
from radcbir.core.vectors import normalised_or_zero
from radcbir.embedding import store
from radcbir.embedding.job import Job

SMALLEST = 1e-6
"""Shorter vectors are rounding: the images of the unit cancel out."""

UNITS_PER_BLOCK = 512
"""Units whose images are in memory in double precision at a time."""


def pooled_vectors(
    vectors: np.ndarray, starts: np.ndarray, pooling: str, widths: Sequence[int] = ()
) -> np.ndarray:
    """The unit vectors ``(u, d)`` of u units, float64; zeros where the images of one cancel out.

    ``vectors`` ``(n, d)`` are the images' vectors of length one, unit by unit; ``starts`` ``(u,)``
    is where each unit begins. ``pooling`` is ``mean`` or ``median`` (of each number alone).
    ``widths`` are those of the members of a fusion by score or rank: each part is pooled and brought
    to length one alone, so that the result is the fusion of the members' pooled vectors.
    """
    ends = np.cumsum(widths or [vectors.shape[1]])
    bounds = np.append(starts, len(vectors))
    pooled = np.empty((len(starts), vectors.shape[1]))
    for start in range(0, len(starts), UNITS_PER_BLOCK):
        some = bounds[start : start + UNITS_PER_BLOCK + 1]
        rows = vectors[some[0] : some[-1]].astype(np.float64)
        first = some[:-1] - some[0]
        if pooling == "mean":
            found = np.add.reduceat(rows, first, axis=0) / np.diff(some)[:, None]
        else:
            found = np.array([np.median(each, axis=0) for each in np.split(rows, first[1:])])
        pooled[start : start + UNITS_PER_BLOCK] = found
    parts = np.split(pooled, ends[:-1], axis=1)
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in parts]
    kept = np.concatenate(lengths, axis=1).min(axis=1, keepdims=True) >= SMALLEST
    unit = [normalised_or_zero(each) for each in parts]
    return np.where(kept, np.concatenate(unit, axis=1), 0) / np.sqrt(len(parts))


def members_with_vectors(
    paths: Sequence[str | Path], members: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The embedded ones of the images in ``members`` (unit, image), in its order.

    Returns the vectors ``(n, d)``, the ids of the units that have an embedded image ``(u,)``, and
    where the images of each begin ``(u,)``. ``paths`` are files of embeddings.
    """
    ids, vectors = store.read(paths, members["image"].to_numpy())
    place = pd.Index(ids).get_indexer(members["image"].to_numpy())
    unit = members["unit"].to_numpy()[place >= 0]
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    return vectors[place[place >= 0]], unit[starts], starts


def pool_embeddings(
    paths: Sequence[str | Path],
    members: pd.DataFrame,
    job: Job,
    output: str | Path,
    pooling: str,
    widths: Sequence[int] = (),
) -> None:
    """Write the embeddings of units to ``output``, from the images' embeddings in ``paths``.

    A unit without an embedded image, or whose images cancel out, is rejected with its reason. The
    attribute ``pooling`` records how they were made.
    """
    vectors, units, starts = members_with_vectors(paths, members)
    pooled = pooled_vectors(vectors, starts, pooling, widths)
    kept = pooled.any(axis=1)
    missing = np.setdiff1d(members["unit"].to_numpy(), units)
    rejected = [(int(each), "", "nothing of it is embedded") for each in missing]
    rejected += [(int(each), "", "the vectors of its images cancel out") for each in units[~kept]]
    attributes = job.provenance("", {"numpy": np.__version__}) | {"pooling": pooling}
    dimension = store.dimension(paths)
    blocks = [(units[kept], pooled[kept], rejected)]
    counts = store.write_blocks(output, blocks, dimension, attributes, job.storage)
    logger.info("%d units of %d images, %d rejected", counts[0], len(vectors), counts[1])
