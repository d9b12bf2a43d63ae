"""Image lists of shards: files that are named after their content."""

from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.files import atomic_folder, digest, write_text
from radcbir.core.logs import logger


def shard_bounds(ids: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Cut ``len(ids)`` images into runs of about ``size``, at places that the ids themselves
    choose.

    A run ends after an image whose id is divisible by ``size`` (then on average every ``size``
    images), but is never shorter than a quarter nor longer than twice ``size``. An image that is
    added or removed therefore changes the run that it falls into, not all the runs behind it
    (content-defined chunking; Muthitacharoen et al., LBFS, SOSP 2001).
    """
    bounds, start = [], 0
    for position in range(len(ids)):
        length = position + 1 - start
        if (length >= max(1, size // 4) and ids[position] % size == 0) or length >= 2 * size:
            bounds.append((start, position + 1))
            start = position + 1
    if start < len(ids):
        bounds.append((start, len(ids)))
    return bounds


def write_shards(catalog: pd.DataFrame, folder: str | Path, size: int) -> list[str]:
    """Write the image lists ``{digest}.tsv`` (columns id, path, bytes) of a catalog; the name is
    the content's digest.

    The file's size in bytes stands in the list so that an image that is replaced on disk changes
    its shard. So does the digest of its content where one of the files is not the first one seen
    under its name (column content, :mod:`radcbir.datasets.changes`). Labels and splits do not:
    editing them embeds nothing again. Returns the digests in path order.
    """
    digests = []
    with atomic_folder(folder) as temporary:
        for start, stop in shard_bounds(catalog["id"].to_numpy(), size):
            rows = catalog.iloc[start:stop]
            columns = ["id", "path", "bytes"]
            columns += ["content"] if "content" in rows and (rows["content"] != "").any() else []
            content = rows[columns].to_csv(sep="\t", index=False)
            digests.append(digest(content.encode()))
            write_text(temporary / f"{digests[-1]}.tsv", content)
    logger.info("%d images in %d shards", len(catalog), len(digests))
    return digests
