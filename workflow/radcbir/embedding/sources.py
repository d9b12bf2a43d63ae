"""The embedding file of a dataset whose vectors (or neighbors) exist already."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from radcbir.core.errors import InputError
from radcbir.embedding.store import open_embeddings, unit_rows

ROWS_PER_BLOCK = 8192

CSV_BLOCK = 64 << 20

NOT_IN_FILE = "no embedding in the file"

NOT_IN_LISTS = "neither asked nor indexed in the neighbor lists"


class Source(Protocol):
    """What holds the vectors of images."""

    dimension: int
    """Of the vectors; 0 where the source has none and only says which images it knows."""
    libraries: dict[str, str]

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Vectors (n, dimension) of some images, and why one is not there ("" where it is)."""

    def describe(self) -> str:
        """What is in it, in a few words, for a message."""


def open_source(path: str | Path, metadata: str | Path | None, dimension: int | None) -> Source:
    """Open a file of embeddings by its kind.

    ``dimension`` is the length of the vectors by the model card; where that is None, the file
    decides. Raises :class:`InputError` where the file cannot be read or has vectors of another
    length.
    """
    path = Path(path)
    match path.suffix:
        case ".csv":
            return _ListedImages(path, metadata)
        case ".index":
            return _IndexVectors(path, metadata, dimension)
        case ".h5" | ".hdf5":
            try:
                file = open_embeddings(path)
            except OSError as error:
                raise InputError(
                    f"the embeddings {path} cannot be read as HDF5 ({error}): fetch the file again"
                ) from None
            ours = isinstance(file.get("embeddings"), h5py.Dataset) and "ids" in file
            return (_OwnLayout if ours else _DatasetPerImage)(path, file, dimension)
    raise InputError(
        f"{path} is no file of embeddings: name one that ends with .h5, .hdf5, .index or .csv "
        "under `path:` (or `files:`) "
        "in the model card"
    )


class _DatasetPerImage:
    """The reference's HDF5: ``file["folder/image.png"]`` is the vector of that image.

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
        vectors = np.zeros((len(paths), self.dimension), dtype=np.float32)
        reasons = [""] * len(paths)
        root, everything, wanted = self.file.id, h5py.h5s.ALL, (self.dimension,)
        for place, path in enumerate(paths):
            try:
                found = h5py.h5d.open(root, path.encode())
            except KeyError:  # there is nothing of that name, or a group
                reasons[place] = NOT_IN_FILE
                continue
            if found.shape != wanted:
                raise InputError(
                    f"the embedding of '{path}' in {self.path} has the shape {found.shape}, "
                    f"{self.expected}: correct the card, or name the file of this model"
                )
            found.read(everything, everything, vectors[place], h5py.h5t.NATIVE_FLOAT)
        return vectors, reasons

    def describe(self) -> str:
        name, item = "", self.file
        while isinstance(item, h5py.Group) and len(item):
            first = next(iter(item))
            name, item = f"{name}/{first}".lstrip("/"), item[first]
        return f"it has paths such as '{name}'" if name else "it is empty"


def _first_length(path: Path, file: h5py.File) -> int:
    """The length of the first vector of a file with one dataset per image."""
    name, item = "", file
    while isinstance(item, h5py.Group) and len(item) and name.count("/") < 32:
        name, item = f"{name}/{next(iter(item))}", item[next(iter(item))]
    if not isinstance(item, h5py.Dataset) or item.ndim != 1:
        raise InputError(
            f"{path} does not tell how long its vectors are (the first thing in it, "
            f"'{name.lstrip('/')}', is none): add `dimension:` to the model card, or name a file "
            "of embeddings"
        )
    return len(item)


class _OwnLayout:
    """An embedding file of this workflow, gathered or a shard: images are known by their id."""

    def __init__(self, path: Path, file: h5py.File, dimension: int | None):
        self.file, self.dimension = file, file["embeddings"].shape[1]
        self.libraries = {"h5py": h5py.__version__}
        if dimension not in (None, self.dimension):
            raise InputError(
                f"the embeddings in {path} have the dimension {self.dimension}, the "
                "model card says "
                f"`dimension: {dimension}`: correct the card, or name the file of this model"
            )
        self.rows = pd.Index(file["ids"][:])
        rejected = file["rejected"]
        self.rejected = dict(
            zip(rejected["ids"][:].tolist(), rejected["reasons"].asstr()[:], strict=True)
        )

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
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
                    block = unit_rows(self.file, slice(start, min(start + ROWS_PER_BLOCK, last)))
                    vectors[here] = block[rows[here] - start]
        reasons = [
            "" if row >= 0 else self.rejected.get(int(each), NOT_IN_FILE)
            for each, row in zip(ids, rows, strict=True)
        ]
        return vectors, reasons

    def describe(self) -> str:
        return f"it was made for the dataset '{self.file.attrs['dataset']}', and images are known by dataset and path"


class _IndexVectors:
    """A flat FAISS index, which keeps its vectors as they are, and the list of the paths behind
    it.
    """

    def __init__(self, path: Path, metadata: str | Path | None, dimension: int | None):
        import faiss

        names = read_metadata(metadata) if metadata else []
        try:
            self.index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise InputError(
                f"the index {path} cannot be read ({' '.join(str(error).split())[-120:]}): fetch "
                "it again"
            ) from None
        if not isinstance(self.index, faiss.IndexFlat):
            raise InputError(
                f"the index {path} is a {type(self.index).__name__}, which does not keep the "
                "vectors as they are: name a "
                "flat one, or the HDF5 file of the embeddings"
            )
        says = "" if dimension is None else f" and the model card says `dimension: {dimension}`"
        dimension = self.index.d if dimension is None else dimension
        if (self.index.d, self.index.ntotal) != (dimension, len(names)):
            raise InputError(
                f"the index {path} holds {self.index.ntotal} vectors of dimension {self.index.d}, "
                f"but its list {metadata} has "
                f"{len(names)} paths{says}: the files do not belong together"
            )
        self.dimension, self.rows = dimension, pd.Index(names).drop_duplicates()
        self.places = np.flatnonzero(~pd.Index(names).duplicated())
        self.vectors = faiss.rev_swig_ptr(
            self.index.get_xb(), self.index.ntotal * dimension
        ).reshape(-1, dimension)
        self.libraries = {"faiss-cpu": faiss.__version__}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        rows = self.rows.get_indexer(pd.Index(paths))
        vectors = np.zeros((len(paths), self.dimension), dtype=np.float32)
        vectors[rows >= 0] = self.vectors[self.places[rows[rows >= 0]]]
        return vectors, ["" if row >= 0 else NOT_IN_FILE for row in rows]

    def describe(self) -> str:
        return f"it has paths such as '{self.rows[0]}'" if len(self.rows) else "it is empty"


class _ListedImages:
    """Neighbor lists: no vectors, but it is known who was asked and, from the index's list, who was
    found.

    Without that list every image that was not asked counts as indexed.
    """

    dimension = 0

    def __init__(self, path: Path, metadata: str | Path | None):
        self.asked = pd.Index(read_column(path, "query"))
        self.indexed = pd.Index(read_metadata(metadata)) if metadata else None
        self.libraries = {"pyarrow": pa.__version__}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        names = pd.Index(paths)
        known = names.isin(self.asked) | (
            True if self.indexed is None else names.isin(self.indexed)
        )
        return np.empty((len(ids), 0), np.float32), ["" if each else NOT_IN_LISTS for each in known]

    def describe(self) -> str:
        return f"it asks for paths such as '{self.asked[0]}'" if len(self.asked) else "it is empty"


def read_metadata(path: str | Path) -> list[str]:
    """The JSON list of the paths behind an index, in its order."""
    try:
        names = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"the list {path} of an index's paths cannot be read as JSON ({error}): fetch it again"
        ) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{path} is not a list of paths: name the metadata.json that was written with the index"
        )
    return names


def read_column(path: Path, name: str) -> list[str]:
    """One column of a CSV, read without the others."""
    try:
        with open_csv(path, [name]) as reader:
            return [each for batch in reader for each in batch.column(0).to_pylist()]
    except (pa.ArrowInvalid, KeyError) as error:
        raise InputError(
            f"{path} cannot be read as neighbor lists with the columns query, 1, 2, 3 ... "
            f"({error}): name a knn.csv"
        ) from None


def open_csv(path: str | Path, columns: list[str] | None) -> pyarrow.csv.CSVStreamingReader:
    """A reader of some columns of a CSV, block by block, every value as text."""
    with open(path, newline="", encoding="utf-8") as handle:
        names = next(csv.reader(handle), [])
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise InputError(f"{path} has the column '{doubled[0]}' twice: fetch it again")
    types = dict.fromkeys(columns or names, pa.string())
    options = pyarrow.csv.ConvertOptions(
        column_types=types, include_columns=columns, strings_can_be_null=False
    )
    return pyarrow.csv.open_csv(
        path, pyarrow.csv.ReadOptions(block_size=CSV_BLOCK), convert_options=options
    )
