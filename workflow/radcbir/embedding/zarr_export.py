"""Embeddings in other formats, for other tools."""

from pathlib import Path

import numpy as np
import zarr

from radcbir.core.files import atomic_folder
from radcbir.embedding.store import open_embeddings


def export_zarr(path: str | Path, target: str | Path) -> None:
    """Copy embeddings, norms, ids and attributes to a zarr store, atomically, in chunks of about 4
    MB.
    """
    with open_embeddings(path) as file, atomic_folder(target) as part:
        group = zarr.create_group(part)
        for name in ("embeddings", "norms", "ids"):
            source = file[name]
            rows = max(
                1,
                min(
                    len(source),
                    (4 << 20)
                    // (source.dtype.itemsize * int(np.prod(source.shape[1:], dtype=int))),
                ),
            )
            array = group.create_array(
                name, shape=source.shape, dtype=source.dtype, chunks=(rows, *source.shape[1:])
            )
            for start in range(0, len(source), rows):
                array[start : start + rows] = source[start : start + rows]
        group.attrs.update(
            {
                name: value.item() if hasattr(value, "item") else value
                for name, value in file.attrs.items()
            }
        )
