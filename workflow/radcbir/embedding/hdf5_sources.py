"""Vectors from HDF5 files of other origin, in the reference's layout and in ours.

Nothing in such a file is trusted: it may refer to other files, claim sizes that it does not have,
contain itself, or be damaged anywhere.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import h5py
import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.embedding.store import open_embeddings, unit_rows

ROWS_PER_BLOCK = 8192

LARGEST_CHUNK = 256 << 20
"""Bytes: HDF5 reads whole chunks, and unpacks them, whatever part is wanted."""

MOST_FOLD, LEAST_BOUND = 100, 64 << 20
"""A table may have so many times the bytes of its file, or the second if that is more."""

NOT_IN_FILE = "no embedding in the file"


def open_hdf5(path: Path, dimension: int | None) -> "DatasetPerImage | OwnLayout":
    """Open a file of embeddings, of a ``dimension`` or of that of its first vector.

    Raises :class:`InputError` where it cannot be read as one, or refers to other files than shards
    of ours beside it.
    """
    file = open_checked(path)
    with damage(path):
        if "ids" in file and isinstance(file.get("embeddings"), h5py.Dataset):
            return OwnLayout(path, file, dimension)
        return DatasetPerImage(path, file, dimension)


def open_checked(path: Path) -> h5py.File:
    """Open a file of other origin. Raises :class:`InputError` where it cannot be read as HDF5, or has
    links to other files.
    """
    try:
        file = h5py.File(path)
    except OSError as error:
        raise InputError(
            f"the embeddings {path} cannot be read as HDF5 ({short(error)}): fetch the file again"
        ) from None
    with damage(path):
        _refuse_external_links(file, path)
    return file


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn what h5py raises for a damaged file, which is nearly everything, into one sentence."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"the embeddings {path} are damaged, or have something else than vectors "
            f"({short(error)}): fetch the file again"
        ) from None


def short(error: Exception) -> str:
    """An error's message in one line of at most 120 characters."""
    return printable(f"{error}") or type(error).__name__


def printable(text: object) -> str:
    """Text of a file in one line of at most 120 characters that can be printed."""
    line = " ".join(str(text).encode("utf-8", "replace").decode().split())
    return "".join(each if each.isprintable() else "?" for each in line)[:120]


class DatasetPerImage:
    """The reference's HDF5: ``file["folder/image.png"]`` is the vector of that image, of the shape
    ``(d,)`` or ``(1, d)``.

    Through the low-level interface, since the usual ``file[path][:]`` spends two thirds of its time
    outside HDF5; the file is opened once, and each image costs one look-up and one read into the
    row where it belongs.
    """

    def __init__(self, path: Path, file: h5py.File, dimension: int | None):
        self.expected = f"the model card says `dimension: {dimension}`"
        if dimension is None:
            dimension = _first_length(path, file)
            self.expected = f"its first vector has {dimension} numbers"
        self.path, self.file, self.dimension = path, file, dimension
        self.libraries = {"h5py": h5py.__version__}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Vectors (n, dimension) of some images, and why one is not there ("" where it is)."""
        vectors = np.zeros((len(paths), self.dimension), dtype=np.float32)
        reasons = [""] * len(paths)
        root, everything = self.file.id, h5py.h5s.ALL
        wanted = ((self.dimension,), (1, self.dimension))
        with damage(self.path):
            for place, path in enumerate(paths):
                try:
                    found = h5py.h5d.open(root, path.encode())
                except KeyError:  # there is nothing of that name, or a group
                    reasons[place] = NOT_IN_FILE
                    continue
                if found.shape not in wanted:
                    if _several(found.shape, self.dimension):
                        raise _several_vectors(path, self.path, found.shape)
                    raise InputError(
                        f"the embedding of '{path}' in {self.path} has the shape {found.shape}, "
                        f"{self.expected}: correct the card, or name the file of this model"
                    )
                if found.get_offset() is None:  # not one piece of this file
                    _refuse_elsewhere(found, f"the embedding of '{path}' in {self.path}")
                found.read(everything, everything, vectors[place], h5py.h5t.NATIVE_FLOAT)
        return vectors, reasons

    def describe(self) -> str:
        """What is in it, in a few words, for a message."""
        with damage(self.path):
            name, _ = _first(self.file)
        return f"it has paths such as '{printable(name)}'" if name else "it is empty"


def _first(file: h5py.File) -> tuple[str, object]:
    """The first path of a file, and what is there."""
    name, item, seen = "", file, set()
    while isinstance(item, h5py.Group) and len(item) and item.id not in seen:
        seen.add(item.id)
        first = next(iter(item))
        name, item = f"{name}/{first}".lstrip("/"), item.get(first)
    return name, item


def _first_length(path: Path, file: h5py.File) -> int:
    """The length of the first vector of a file with one dataset per image."""
    name, item = _first(file)
    shape: tuple[int, ...] = item.shape if isinstance(item, h5py.Dataset) else ()
    if _several(shape, None):
        raise _several_vectors(printable(name), path, shape)
    if not (len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)):
        raise InputError(
            f"{path} does not tell how long its vectors are (the first thing in it, "
            f"'{printable(name)}', is none): add `dimension:` to the model card, or name a file "
            "of embeddings"
        )
    return shape[-1]


def _several(shape: tuple[int, ...], dimension: int | None) -> bool:
    """Whether a dataset of this shape is several vectors, rather than one that was written wrongly.
    A column ``(d, 1)`` is several vectors only where they have one number each.
    """
    return len(shape) == 2 and shape[0] > 1 and (shape[1] > 1 or shape[1] == dimension)


def _several_vectors(name: str, path: Path, shape: tuple[int, ...]) -> InputError:
    return InputError(
        f"'{name}' in {path} has the shape {shape}, which is {shape[0]} vectors of {shape[1]} "
        f"numbers for one image: write one vector of the shape ({shape[1]},) per image, such as "
        "their mean, or list each of them as an image of its own"
    )


class OwnLayout:
    """An embedding file of this workflow, gathered or a shard: images are known by their id."""

    def __init__(self, path: Path, file: h5py.File, dimension: int | None):
        self.path, self.file = path, file
        self.libraries = {"h5py": h5py.__version__}
        vectors, ids = file["embeddings"], file["ids"]
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or vectors.dtype.itemsize > 8:
            raise InputError(
                f"the embeddings in {path} are {vectors.dtype} of the shape {vectors.shape}: write "
                "them as a matrix of floats, a row per image"
            )
        self.dimension = vectors.shape[1]
        if dimension not in (None, self.dimension):
            raise InputError(
                f"the embeddings in {path} have the dimension {self.dimension}, the model card "
                f"says `dimension: {dimension}`: correct the card, or name the file of this model"
            )
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or len(ids) != len(vectors):
            raise InputError(
                f"the ids in {path} are {ids.dtype} of the shape {ids.shape}, and there are "
                f"{len(vectors)} vectors: write one whole number per vector"
            )
        shards = self._shards()
        for table in (vectors, ids):
            _refuse_claims(table, path, shards)
        self.rows = pd.Index(ids[:])
        twice = self.rows[self.rows.duplicated()]
        if len(twice):
            raise InputError(
                f"{path} has the id {twice[0]} twice: write each image once ({len(twice)} are "
                "repeated)"
            )
        self.rejected = self._rejected()

    def _shards(self) -> list[Path]:
        """The files beside this one that its virtual datasets take their rows from."""
        found: dict[Path, None] = {}
        for name in ("embeddings", "ids"):
            for source in self.file[name].virtual_sources() if self.file[name].is_virtual else ():
                below = PurePosixPath(source.file_name)
                if below.is_absolute() or ".." in below.parts or "%" in source.file_name:
                    raise InputError(
                        f"{self.path} takes vectors out of the file "
                        f"'{printable(source.file_name)}', which is not below its own folder: copy "
                        "them into it"
                    )
                found.setdefault(self.path.parent / below)
        open_embeddings(self.path).close()  # names a shard that is missing
        for shard in found:
            with h5py.File(shard) as opened:
                _refuse_external_links(opened, shard)
                for name in ("embeddings", "ids"):
                    _refuse_elsewhere(opened[name].id, f"the table '{name}' in {shard}")
        return list(found)

    def _rejected(self) -> dict[int, str]:
        group = self.file.get("rejected")
        if not isinstance(group, h5py.Group) or not {"ids", "reasons"} <= set(group):
            return {}
        for name in ("ids", "reasons"):
            _refuse_claims(group[name], self.path, [])
        reasons = group["reasons"].asstr(errors="replace")[:]
        return {
            int(each): printable(reason)
            for each, reason in zip(group["ids"][:].tolist(), reasons, strict=True)
        }

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Vectors (n, dimension) of some images, and why one is not there ("" where it is)."""
        rows = self.rows.get_indexer(ids)
        there = np.flatnonzero(rows >= 0)
        vectors = np.zeros((len(ids), self.dimension), dtype=np.float32)
        if len(there):
            first, last = rows[there].min(), rows[there].max() + 1
            for start in range(
                first, last, ROWS_PER_BLOCK
            ):  # slices: HDF5 is slow at picking rows one by one
                here = there[(rows[there] >= start) & (rows[there] < start + ROWS_PER_BLOCK)]
                if len(here):
                    with damage(self.path):
                        stop = min(start + ROWS_PER_BLOCK, last)
                        block = unit_rows(self.file, slice(start, stop))
                    vectors[here] = block[rows[here] - start]
        reasons = [
            "" if row >= 0 else self.rejected.get(int(each), NOT_IN_FILE)
            for each, row in zip(ids, rows, strict=True)
        ]
        return vectors, reasons

    def describe(self) -> str:
        """What is in it, in a few words, for a message."""
        with damage(self.path):
            dataset = printable(self.file.attrs.get("dataset", "?"))
        return f"it was made for the dataset '{dataset}', and images are known by dataset and path"


def _refuse_external_links(file: h5py.File, path: Path) -> None:
    """Raise :class:`InputError` for a link to another file, before anything follows it."""

    def external(name: bytes, info: h5py.h5l.LinkInfo) -> bytes | None:
        return name if info.type == h5py.h5l.TYPE_EXTERNAL else None

    found = file.id.links.visit(external, info=True)
    if found is not None:
        raise InputError(
            f"{path} has '{printable(found.decode('utf-8', 'replace'))}' as a link to another "
            "file: copy the data into it"
        )


def _refuse_elsewhere(dataset: h5py.h5d.DatasetID, what: str) -> None:
    """Raise :class:`InputError` where a dataset's numbers are in other files, or in chunks that are
    too large to be read.
    """
    plan = dataset.get_create_plist()
    layout = plan.get_layout()
    if plan.get_external_count() or layout == h5py.h5d.VIRTUAL:
        raise InputError(f"{what} is in another file: copy the data into it")
    if layout == h5py.h5d.CHUNKED:
        bytes_of_chunk = int(np.prod(plan.get_chunk(), dtype=object)) * dataset.dtype.itemsize
        if bytes_of_chunk > LARGEST_CHUNK:
            raise InputError(
                f"{what} is kept in chunks of {bytes_of_chunk:,} bytes, too large to be read: "
                "write it anew"
            )


def _refuse_claims(table: h5py.Dataset, path: Path, shards: Sequence[Path]) -> None:
    """Raise :class:`InputError` where a table claims more than its file and ``shards`` can contain,
    or is in other files than those.
    """
    if not (table.is_virtual and shards):
        _refuse_elsewhere(table.id, f"the table '{printable(table.name)}' in {path}")
    there = sum(each.stat().st_size for each in (path, *shards))
    claimed = int(np.prod(table.shape, dtype=object)) * table.dtype.itemsize
    if claimed > max(LEAST_BOUND, MOST_FOLD * there):
        raise InputError(
            f"the table '{printable(table.name)}' in {path} claims {claimed:,} bytes, but the file "
            f"has {there:,}: it is damaged; fetch it again"
        )
