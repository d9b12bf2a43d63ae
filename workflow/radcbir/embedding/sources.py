"""The embedding file of a dataset whose vectors (or neighbors) exist already."""

import codecs
import contextlib
import json
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from radcbir.core.errors import InputError
from radcbir.core.text.dialect import find_header
from radcbir.core.text.plain_text import to_utf8
from radcbir.embedding.hdf5_sources import NOT_IN_FILE, open_hdf5, printable, short
from radcbir.embedding.volumes.files import FilePerVolume

CSV_BLOCK, HEAD = 64 << 20, 1 << 20

NOT_IN_LISTS = "neither a query nor in the index of the neighbor lists"


class Source(Protocol):
    """A source of vectors of images."""

    dimension: int
    """Of the vectors; 0 where the source has none and only says which images it knows."""
    libraries: dict[str, str]

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Vectors (n, dimension) of some images, and why one is not there ("" where it is)."""

    def describe(self) -> str:
        """What is in it, in a few words, for a message."""


def open_source(path: str | Path, metadata: str | Path | None, dimension: int | None) -> Source:
    """Open a file of embeddings by its kind, or a folder of them. Raises :class:`InputError` where
    it is none that can be read.
    """
    path = Path(path)
    if path.is_dir():
        return FilePerVolume(path, dimension)
    match path.suffix:
        case ".csv":
            return _ListedImages(path, metadata)
        case ".index":
            return _IndexVectors(path, metadata, dimension)
        case ".h5" | ".hdf5":
            return open_hdf5(path, dimension)
    raise InputError(
        f"{path} is no file of embeddings: name one that ends with .h5, .hdf5, .index or .csv, or a "
        "folder with an .h5 file per volume, under `path:` (or `files:`) "
        "in the model card"
    )


class _IndexVectors:
    """A flat FAISS index, which keeps its vectors as they are, and the list of the paths behind
    it.
    """

    def __init__(self, path: Path, metadata: str | Path | None, dimension: int | None):
        names = read_metadata(metadata) if metadata else pd.Index([], dtype=object)
        self.vectors = flat_vectors(path)
        count, self.dimension = self.vectors.shape
        if count != len(names) or dimension not in (None, self.dimension):
            says = "" if dimension is None else f" and the model card says `dimension: {dimension}`"
            raise InputError(
                f"the index {path} holds {count} vectors of dimension {self.dimension}, but its "
                f"list {metadata} has {len(names)} paths{says}: the files do not belong together"
            )
        self.rows = names.drop_duplicates()
        self.places = np.flatnonzero(~names.duplicated())
        self.libraries = {"numpy": np.__version__}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        rows = self.rows.get_indexer(pd.Index(paths, dtype=object))
        vectors = np.zeros((len(paths), self.dimension), dtype=np.float32)
        vectors[rows >= 0] = self.vectors[self.places[rows[rows >= 0]]]
        return vectors, ["" if row >= 0 else NOT_IN_FILE for row in rows]

    def describe(self) -> str:
        return (
            f"it has paths such as '{printable(self.rows[0])}'" if len(self.rows) else "it is empty"
        )


FLAT_KINDS = (b"IxFI", b"IxF2", b"IxFl")
"""How FAISS begins a flat index of inner products, of L2 distances, and of other metrics."""


def flat_vectors(path: Path) -> np.ndarray:
    """The vectors ``(n, d)`` float32 of a flat FAISS index, mapped from the file.

    FAISS itself would believe what a damaged file claims, and end the process. The layout is that of
    ``write_index_header`` and ``WRITEXBVECTOR`` in FAISS's ``index_write.cpp``: kind, dimension,
    count, two numbers without a meaning, trained, metric (and its argument for metrics beyond L2),
    then the count of numbers and the numbers. Raises :class:`InputError` where the file is another.
    """
    damaged = f"the index {path} cannot be read ({{}}): fetch it again"
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            kind, start = file.read(4), file.read(HEADER.size)
            if kind not in FLAT_KINDS and len(kind) == 4 and kind.isalnum():
                raise InputError(
                    f"the index {path} is of FAISS's kind '{kind.decode()}', which does not keep "
                    "the vectors as they are: name a flat one, or the HDF5 file of the embeddings"
                )
            if kind not in FLAT_KINDS or len(start) < HEADER.size:
                raise InputError(damaged.format("it does not begin as one"))
            dimension, count, _, _, _, metric = HEADER.unpack(start)
            if metric > 1:
                file.read(4)
            claimed = file.read(8)
            begin = file.tell()
    except OSError as error:
        raise InputError(damaged.format(error.strerror)) from None
    numbers = int.from_bytes(claimed, "little") if len(claimed) == 8 else -1
    if dimension < 1 or count < 0 or numbers != dimension * count:
        raise InputError(
            damaged.format(
                f"it claims {count} vectors of dimension {dimension} in {numbers} numbers"
            )
        )
    if size < begin + 4 * numbers:
        raise InputError(damaged.format(f"it claims {numbers} numbers in {size} bytes"))
    if not count:
        return np.empty((0, dimension), np.float32)
    return np.memmap(path, "<f4", "r", begin, (count, dimension))


HEADER = struct.Struct("<iqqq?i")


class _ListedImages:
    """Neighbor lists: no vectors, but it is known which images were queries and, from the index's
    list, which were indexed.

    Without that list every image that was no query counts as indexed.
    """

    dimension = 0

    def __init__(self, path: Path, metadata: str | Path | None):
        self.asked = read_column(path, "query")
        self.indexed = read_metadata(metadata) if metadata else None
        self.libraries = {"pyarrow": pa.__version__}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        names = pd.Index(list(paths), dtype=object)
        known = names.isin(self.asked) | (
            True if self.indexed is None else names.isin(self.indexed)
        )
        return np.empty((len(ids), 0), np.float32), ["" if each else NOT_IN_LISTS for each in known]

    def describe(self) -> str:
        if not len(self.asked):
            return "it is empty"
        return f"it has queries such as '{printable(self.asked[0])}'"


def read_metadata(path: str | Path) -> pd.Index:
    """The JSON list of the paths behind an index, in its order."""
    try:
        names = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"the list {path} of an index's paths cannot be read as JSON ({short(error)}): fetch "
            "it again"
        ) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{path} is not a list of paths: name the metadata.json that was written with the index"
        )
    return pd.Index(names, dtype=object)


def read_column(path: Path, name: str) -> pd.Index:
    """One column of a CSV of neighbor lists, read without the others."""
    with read_errors(path), open_csv(path, [name]) as reader:
        return pd.Index(
            [each for batch in reader for each in batch.column(0).to_pylist()], dtype=object
        )


@contextlib.contextmanager
def read_errors(path: str | Path) -> Iterator[None]:
    """Turn what reading neighbor lists raises into one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} cannot be read as neighbor lists with the columns query, 1, 2, 3 ... "
            f"({short(error)}): name a knn.csv, or fetch it again"
        ) from None


def open_csv(path: str | Path, columns: list[str] | None) -> pyarrow.csv.CSVStreamingReader:
    """A reader of some columns of neighbor lists, block by block, every value as text.

    Such a file may be larger than memory, so that it is not read as
    :class:`radcbir.core.text.csv_reader.CsvFile` reads tables: it has to be UTF-8 throughout, and rows
    have to have as many cells as the header. Raises :class:`InputError` where it begins otherwise.
    """
    where = f"the neighbor lists {path}"
    with open(path, "rb") as handle:
        head = handle.read(HEAD)
    if head.startswith(b"\x1f\x8b"):
        raise InputError(f"{where} are compressed: unpack them with gunzip")
    lines = head[: head.rfind(b"\n") + 1] if len(head) == HEAD else head
    if head and not lines:
        raise InputError(f"{where} have a first line of more than {HEAD:,} bytes: fetch them again")
    text = to_utf8(lines, where)
    if not lines.removeprefix(codecs.BOM_UTF8).startswith(text[:HEAD]):
        raise InputError(f"{where} are not UTF-8 text: save them as such")
    separator, header, skipped = find_header(text, where, ["query", "1"])
    doubled = [name for name, count in Counter(header).items() if name and count > 1]
    if doubled:
        raise InputError(f"{path} has the column '{doubled[0]}' twice: fetch it again")
    names = [name or f" {place}" for place, name in enumerate(header)]
    types = dict.fromkeys(columns or names, pa.string())
    return pyarrow.csv.open_csv(
        path,
        pyarrow.csv.ReadOptions(block_size=CSV_BLOCK, column_names=names, skip_rows=skipped),
        pyarrow.csv.ParseOptions(delimiter=separator),
        pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=columns, strings_can_be_null=False
        ),
    )
