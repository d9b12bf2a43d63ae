"""Index files: written, checked and opened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_write
from radcbir.core.logs import logger
from radcbir.core.vectors import unit_vectors

if TYPE_CHECKING:
    import faiss


def build_index(
    path: str | Path,
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
    dimension: int,
    images: int = 0,
) -> int:
    """Write an exact inner-product index (``IndexIDMap2`` over ``IndexFlatIP``) and return how many
    images it has.

    ``blocks`` yields ids ``(n,)`` int64 and unit vectors ``(n, dimension)``; the inner product is
    then the cosine similarity. ``path`` is named for the split, ``{split}.faiss``; it appears once
    the index was reopened and counted. Memory is taken for ``images`` at once: an index that has to
    grow beyond that is copied again and again.

    Raises :class:`InputError` where there is no vector at all, :class:`ValueError` where a vector
    is not finite or not of length 1, a block has another dimension, or an id is negative or comes
    twice.
    """
    import faiss

    flat = faiss.IndexFlatIP(dimension)
    flat.codes.resize(images * flat.code_size)
    flat.codes.clear()  # leaves the memory with the index
    index = faiss.IndexIDMap2(flat)
    for ids, vectors in blocks:
        index.add_with_ids(
            unit_vectors(vectors, dimension, ids), np.ascontiguousarray(ids, dtype=np.int64)
        )
    return write_index(path, index)


def index_in_memory(ids: np.ndarray, vectors: np.ndarray) -> faiss.IndexIDMap2:
    """An exact inner-product index of ``ids`` ``(n,)`` and ``vectors`` ``(n, d)`` in memory.

    The vectors need not have length one.
    """
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(
        np.ascontiguousarray(vectors, dtype=np.float32), np.ascontiguousarray(ids, dtype=np.int64)
    )
    return index


def write_index(path: str | Path, index: faiss.IndexIDMap2) -> int:
    """Write an index, atomically, and return how many images it has; errors as for
    :func:`build_index`.
    """
    import faiss

    path = Path(path)
    count, dimension = index.ntotal, index.d
    if count == 0:
        raise empty_index(path.stem)
    ids = np.sort(faiss.vector_to_array(index.id_map))
    if ids[0] < 0:
        raise ValueError(f"the id {ids[0]} is negative: FAISS says -1 where it has no neighbor")
    if (ids[1:] == ids[:-1]).any():
        raise ValueError(
            f"the id {ids[1:][ids[1:] == ids[:-1]][0]} comes twice: each image may be indexed once"
        )

    def verify(part: Path) -> None:
        written = _open_index(part)
        if (written.ntotal, written.d) != (count, dimension):
            raise OSError(
                f"{path} holds {written.ntotal} x {written.d} after writing {count} x {dimension}"
            )

    with atomic_write(path, verify) as part:
        faiss.write_index(index, str(part))
    logger.info("%s: %d images, dimension %d", path.name, count, dimension)
    return count


def empty_index(split: str) -> InputError:
    """The error of an index split without a single vector."""
    return InputError(
        f"the index split '{split}' has no embedded image, so that nothing can be found in it: see "
        "the ledger for why its "
        "images were rejected, or choose another `index_split:`"
    )


def read_index(path: str | Path, kind: str = "IndexFlatIP") -> faiss.IndexIDMap2:
    """Open an index that :func:`write_index` wrote; its vectors stay on disk and are mapped into
    memory.

    ``kind`` is the FAISS class that it has to be of, behind its ids.
    """
    import faiss

    index = _open_index(path)
    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap2) else index
    if type(inner).__name__ != kind or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        wanted = (
            "exact inner-product index" if kind == "IndexFlatIP" else f"{kind} of inner products"
        )
        raise InputError(
            f"the index {path} is of the kind {type(inner).__name__}, not an {wanted} with ids: "
            "delete it and run again"
        )
    return index


def _open_index(path: str | Path) -> faiss.Index:
    import faiss

    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        reason = re.sub(r"^Error in .* at \S+:\d+: (Error: '.*' failed: )?", "", str(error))
        raise InputError(
            f"the index {path} cannot be read ({reason}): delete it and run again"
        ) from None


def stored_vectors(index: faiss.IndexIDMap2) -> np.ndarray:
    """The vectors ``(n, d)`` of an exact index, not copied: they are freed with the index."""
    import faiss

    flat = faiss.downcast_index(index.index)
    return faiss.rev_swig_ptr(flat.get_xb(), index.ntotal * index.d).reshape(-1, index.d)
