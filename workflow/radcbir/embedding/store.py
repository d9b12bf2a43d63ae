"""The embedding store: one HDF5 file per shard, one virtual file over a dataset's shards.

Layout of both HDF5 files: ``embeddings`` (n, d) float32 or float16 with rows of length one,
``norms`` (n,) float32, their length before that, ``ids`` (n,) int64, the group ``rejected``
(``ids``, ``paths``, ``reasons``), and provenance in the attributes. Nothing in them depends on when
or where they were made: the same input gives the same bytes. Whatever the numbers are stored as,
readers get float32 at length one (:func:`unit_rows`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_write
from radcbir.core.vectors import normalised

FORMAT = 1

COMMON = (
    "format",
    "model",
    "dataset",
    "card",
    "card_digest",
    "weights_sha256",
    "libraries",
    "code",
    "intensity",
)
"""Attributes that all shards of a dataset must share."""


def write_shard(
    path: str | Path,
    ids: np.ndarray,
    vectors: np.ndarray,
    rejected: Sequence[tuple[int, str, str]],
    attributes: Mapping[str, str],
    storage: str = "float32",
) -> None:
    """Write a shard: ``ids`` (n,), ``vectors`` (n, d) as the encoder gave them, ``rejected`` as
    (id, path, reason).

    The rows are brought to length one here, for every model and every later step alike, and kept as
    numbers of the type ``storage`` (float32, float16). ``attributes`` are those of
    :meth:`radcbir.embedding.job.Job.provenance`. Raises :class:`ValueError` where a vector is zero
    or not finite.
    """
    unit, norms = _unit(vectors, storage)
    with (
        atomic_write(path, verify=lambda part: check(part, len(ids))) as part,
        h5py.File(part, "w") as file,
    ):
        for name, values in (("embeddings", unit), ("norms", norms), ("ids", ids.astype(np.int64))):
            file.create_dataset(name, data=values, track_times=False)
        _write_rejected(file, rejected)
        _write_attributes(file, {"format": FORMAT, **attributes})


def write_arrays(
    path: str | Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, str]
) -> None:
    """Write a file of its own form, such as that of the vectors of changed images: datasets by name,
    and ``attributes``.
    """
    with atomic_write(path) as part, h5py.File(part, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, track_times=False)
        _write_attributes(file, attributes)


def write_blocks(
    path: str | Path,
    blocks: Iterable[tuple[np.ndarray, np.ndarray, Sequence[tuple[int, str, str]]]],
    dimension: int,
    attributes: Mapping[str, str],
    storage: str = "float32",
) -> tuple[int, int]:
    """Write a dataset's embeddings as one file that needs no shards, block by block as they come.

    ``blocks`` yields what :func:`write_shard` takes: ids (b,), vectors (b, dimension), rejected.
    With ``dimension`` 0 (images of which only the neighbors are known) ids alone are kept. Returns
    how many images were stored and rejected.
    """
    count = 0
    rejected: list[tuple[int, str, str]] = []
    rows = max(1, (4 << 20) // (4 * max(1, dimension)))
    with (
        atomic_write(path, verify=lambda part: check(part, count)) as part,
        h5py.File(part, "w") as file,
    ):
        tables = {}
        for name, width, dtype in (
            ("embeddings", (dimension,), storage),
            ("norms", (), "f4"),
            ("ids", (), "i8"),
        ):
            if 0 in width:
                continue  # HDF5 has no growing dataset without columns: written at the end
            tables[name] = file.create_dataset(
                name,
                (0, *width),
                dtype,
                maxshape=(None, *width),
                chunks=(rows, *width),
                track_times=False,
            )
        for ids, vectors, bad in blocks:
            unit, norms = _unit(vectors, storage)
            for name, values in (("embeddings", unit), ("norms", norms), ("ids", ids)):
                if name in tables:
                    tables[name].resize(count + len(ids), axis=0)
                    tables[name][count:] = values
            count += len(ids)
            rejected += bad
        if dimension == 0:
            file.create_dataset(
                "embeddings", data=np.empty((count, 0), np.float32), track_times=False
            )
        _write_rejected(file, rejected)
        _write_attributes(file, {"format": FORMAT, **attributes})
    return count, len(rejected)


def gather(shards: Sequence[str | Path], path: str | Path) -> None:
    """Join shard files into one virtual file at ``path``; their rows stay where they are and follow
    in the order given.

    Shards are referred to by relative paths, so the whole tree can be moved. Raises
    :class:`ValueError` where shards were not made alike.
    """
    path = Path(path)
    common: dict[str, Any] = {}
    rejected, counts, dimension = [], [], 0
    for shard in shards:
        with h5py.File(shard) as file:
            attributes = {name: file.attrs.get(name, "") for name in COMMON} | {
                "storage": str(file["embeddings"].dtype)
            }
            common = common or attributes
            if attributes != common:
                differing = ", ".join(name for name in common if attributes[name] != common[name])
                raise ValueError(
                    f"the shards {shards[0]} and {shard} were made differently ({differing})"
                )
            counts.append(file["ids"].shape[0])
            dimension = file["embeddings"].shape[1]
            rejected += _read_rejected(file)
    storage = common.pop("storage")
    names = [str(Path(shard).resolve().relative_to(path.resolve().parent)) for shard in shards]
    with atomic_write(path) as part, h5py.File(part, "w") as file:
        for name, width in (("embeddings", (dimension,)), ("norms", ()), ("ids", ())):
            dtype = np.dtype({"ids": "int64", "norms": "float32", "embeddings": storage}[name])
            layout = h5py.VirtualLayout((sum(counts), *width), dtype)
            layout.dcpl.set_obj_track_times(False)
            start = 0
            for shard, count in zip(names, counts, strict=True):
                if count:
                    layout[start : start + count] = h5py.VirtualSource(
                        shard, name, (count, *width), dtype
                    )
                start += count
            file.create_virtual_dataset(name, layout)
        _write_rejected(file, rejected)
        file.create_dataset(
            "shards", data=np.array(names, dtype=h5py.string_dtype()), track_times=False
        )
        _write_attributes(file, common)
    check(path, sum(counts))


def open_embeddings(path: str | Path) -> h5py.File:
    """Open a shard or a dataset's virtual file for reading.

    Raises :class:`InputError` where a shard behind a virtual file is missing; HDF5 itself would
    read zeros there.
    """
    file = h5py.File(path)
    for shard in file["shards"].asstr()[:] if "shards" in file else ():
        if not (Path(path).parent / shard).is_file():
            file.close()
            raise InputError(
                f"{path} refers to the shard {Path(path).parent / shard}, which is missing: run "
                f"`snakemake {path}` again, "
                "or copy the folder beside the file along with it"
            )
    return file


def check(path: str | Path, rows: int) -> None:
    """Raise :class:`ValueError` where a file does not have ``rows`` images with a unit vector
    each.
    """
    with open_embeddings(path) as file:
        found = {name: file[name].shape[0] for name in ("embeddings", "norms", "ids")}
        if set(found.values()) != {rows}:
            raise ValueError(f"{path} holds {found}, expected {rows} of each")
        if (
            rows
            and file["embeddings"].shape[1]
            and abs(np.linalg.norm(file["embeddings"][rows - 1].astype(float)) - 1) > 1e-3
        ):
            raise ValueError(f"the last vector of {path} does not have length one")


def read_ids(path: str | Path) -> np.ndarray:
    """The ids of the embedded images, shape (n,), int64."""
    with open_embeddings(path) as file:
        return file["ids"][:]


def read_rejected(path: str | Path) -> list[tuple[int, str, str]]:
    """The images that were not embedded: id, path, reason."""
    with open_embeddings(path) as file:
        return _read_rejected(file)


def read_attributes(path: str | Path) -> dict:
    """The provenance of a file, its number of images and dimension, and the type of the numbers
    (``storage``).
    """
    with open_embeddings(path) as file:
        images, dimension = file["embeddings"].shape
        return {
            **file.attrs,
            "images": images,
            "dimension": dimension,
            "storage": str(file["embeddings"].dtype),
        }


def unit_rows(file: h5py.File, rows: slice) -> np.ndarray:
    """Some rows of an open file as float32 vectors (b, d); float16 ones are brought to length one
    again.
    """
    stored = file["embeddings"][rows]
    if stored.dtype == np.float32 or stored.shape[1] == 0:
        return stored.astype(np.float32, copy=False)
    vectors = stored.astype(np.float32)
    vectors /= np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return vectors


def blocks(
    paths: Sequence[str | Path], ids: np.ndarray, rows: int = 65536
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Those of ``ids`` that the files have, with their unit vectors, in blocks read from at most
    ``rows`` rows each.

    Yields pairs of ids (b,) and vectors (b, d), in the order of the files; memory does not grow
    with the number of images.
    """
    wanted = np.sort(ids)
    for path in paths:
        with open_embeddings(path) as file:
            present = file["ids"][:]
            for start in range(0, len(present), rows):
                chunk = present[start : start + rows]
                place = np.minimum(np.searchsorted(wanted, chunk), max(len(wanted) - 1, 0))
                taken = wanted[place] == chunk if len(wanted) else np.zeros(len(chunk), dtype=bool)
                if taken.any():
                    yield chunk[taken], unit_rows(file, slice(start, start + rows))[taken]


def read(paths: Sequence[str | Path], ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids`` that the files have (n,), sorted, and their unit vectors (n, d). In addition,
    one block is in memory.
    """
    present = [read_ids(path) for path in paths]
    found = np.sort(np.concatenate([each[np.isin(each, ids)] for each in present]))
    vectors = np.empty((len(found), dimension(paths)), dtype=np.float32)
    for chunk, rows in blocks(paths, found):
        vectors[np.searchsorted(found, chunk)] = rows
    return found, vectors


def dimension(paths: Sequence[str | Path]) -> int:
    """The dimension that the files share. Raises :class:`ValueError` where they differ."""
    found = set()
    for path in paths:
        with h5py.File(path) as file:
            found.add(file["embeddings"].shape[1])
    if len(found) != 1:
        raise ValueError(f"{', '.join(map(str, paths))} have different dimensions: {sorted(found)}")
    return found.pop()


def _unit(vectors: np.ndarray, storage: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows at length one, of the type ``storage``, and their lengths before; vectors without
    numbers stay as they are.
    """
    if vectors.shape[1] == 0:
        return vectors.astype(storage), np.full(len(vectors), np.nan, np.float32)
    unit, norms = normalised(vectors)
    return unit.astype(storage), norms.astype(np.float32)


def _write_attributes(file: h5py.File, attributes: Mapping) -> None:
    for name, value in attributes.items():
        file.attrs[name] = value


def _write_rejected(file: h5py.File, rejected: Sequence[tuple[int, str, str]]) -> None:
    group = file.create_group("rejected")
    group.create_dataset(
        "ids", data=np.array([each[0] for each in rejected], dtype=np.int64), track_times=False
    )
    for place, name in ((1, "paths"), (2, "reasons")):
        values = np.array([each[place] for each in rejected], dtype=object)
        group.create_dataset(name, data=values, dtype=h5py.string_dtype(), track_times=False)


def _read_rejected(file: h5py.File) -> list[tuple[int, str, str]]:
    group = file["rejected"]
    return list(
        zip(
            group["ids"][:].tolist(),
            group["paths"].asstr()[:],
            group["reasons"].asstr()[:],
            strict=True,
        )
    )
