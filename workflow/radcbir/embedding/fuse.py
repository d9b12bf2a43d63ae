"""The embeddings of a fusion: those of its members side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.logs import logger
from radcbir.embedding import store
from radcbir.embedding.job import Job


def fuse(
    members: Mapping[str, str | Path],
    output: str | Path,
    job: Job,
) -> None:
    """Write the embedding file of a fusion from those of its members (slug -> file, of the same
    dataset).

    ``job`` is that of the fusion.
    An image that a member rejected is rejected, with the member's name before its reason.
    """
    paths = list(members.values())
    common = store.read_ids(paths[0])
    for path in paths[1:]:
        common = common[np.isin(common, store.read_ids(path))]
    rows = pd.Index(common)
    vectors = np.empty(
        (len(common), sum(store.dimension([path]) for path in paths)), dtype=np.float32
    )
    start = 0
    for path in paths:
        stop = start + store.dimension([path])
        for ids, block in store.blocks([path], common):
            vectors[rows.get_indexer(ids), start:stop] = block / np.sqrt(len(paths))
        start = stop
    reasons: dict[int, tuple[int, str, str]] = {}
    for member, path in members.items():
        for identity, image, reason in store.read_rejected(path):
            reasons.setdefault(identity, (identity, image, f"{member}: {reason}"))
    attributes = job.provenance("", {"numpy": np.__version__})
    store.write_shard(output, common, vectors, list(reasons.values()), attributes, job.storage)
    logger.info(
        "%d images of %d members put side by side, %d rejected",
        len(common),
        len(paths),
        len(reasons),
    )
