"""Embeddings and neighbor lists that exist already, in this workflow's layout or in that of the reference's artefacts.

The reference (Denner et al., arXiv 2403.06567) keeps one HDF5 dataset per image, named by the image's path, so that folders
become nested groups; a FAISS index of the training images beside a JSON list of their paths; and ``knn.csv``, a row per
query: its path, then those of its neighbors, best first.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from radcbir import __version__
from radcbir.checks import check_rejected
from radcbir.embeddings import open_embeddings, unit_rows, write_blocks
from radcbir.errors import InputError
from radcbir.files import digest_of, sha256_of_file
from radcbir.logs import Progress, logger
from radcbir.search import NEIGHBOR_SCHEMA, SETTINGS

ROWS_PER_BLOCK = 8192
CSV_BLOCK = 64 << 20

NOT_IN_FILE = "no embedding in the file"
NOT_IN_LISTS = "neither asked nor indexed in the neighbor lists"


def take_embeddings(
    shards: Sequence[str | Path],
    source: str | Path,
    metadata: str | Path | None,
    output: str | Path,
    *,
    model: str,
    dataset: str,
    card: Mapping,
    max_rejected: float,
    code: str,
    storage: str = "float32",
) -> None:
    """Write the embedding file of a dataset whose vectors (or neighbors) are known, from its shard lists.

    ``source`` is what the card's ``path`` says, ``metadata`` the list of paths behind an index. An image that is not there,
    and a vector that is zero or not finite, is rejected with the reason.

    Raises :class:`InputError` where the source cannot be read or has vectors of another dimension than the card says, or
    where too many images are rejected.
    """
    rows = list(read_shards(shards))
    opened = open_source(source, metadata, card["dimension"])
    found, missing, progress = 0, [], Progress(len(rows), "images")

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]]:
        nonlocal found
        for start in range(0, len(rows), ROWS_PER_BLOCK):
            block = rows[start : start + ROWS_PER_BLOCK]
            ids = np.array([each[0] for each in block], dtype=np.int64)
            vectors, reasons = opened.read(ids, [each[1] for each in block])
            if vectors.shape[1]:
                for place in np.flatnonzero(~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)):
                    reasons[place] = reasons[place] or "the vector is zero or not finite"
            bad = [(*row, reason) for row, reason in zip(block, reasons, strict=True) if reason]
            good = np.array([not reason for reason in reasons])
            found += int(good.sum())
            missing.extend(bad)
            progress.advance(len(block))
            yield ids[good], vectors[good], bad
        described = f"dataset '{dataset}' in {source} ({opened.describe()})"
        check_rejected([(path, reason) for _, path, reason in missing], len(rows), max_rejected, described)

    attributes = {
        "model": model,
        "dataset": dataset,
        "card": json.dumps(card, sort_keys=True),
        "card_digest": digest_of(card),
        "weights_sha256": sha256_of_file(source),
        "libraries": json.dumps({"radcbir": __version__, **opened.libraries}, sort_keys=True),
        "code": code,
    }
    write_blocks(output, blocks(), opened.dimension, attributes, storage)
    logger.info("%s: %d images taken from %s, %d rejected", dataset, found, source, len(missing))


def read_shards(shards: Sequence[str | Path]) -> Iterator[tuple[int, str]]:
    """The id and path of every image of some shard lists."""
    for shard in shards:
        with open(shard, newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                yield int(row["id"]), row["path"]


# --- sources of vectors ---------------------------------------------------------------------------------------------


class Source(Protocol):
    """What holds the vectors of images."""

    dimension: int
    """Of the vectors; 0 where the source has none and only says which images it knows."""
    libraries: dict[str, str]

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Vectors (n, dimension) of some images, and why one is not there ("" where it is)."""

    def describe(self) -> str:
        """What is in it, in a few words, for a message."""


def open_source(path: str | Path, metadata: str | Path | None, dimension: int) -> Source:
    """Open a file of embeddings by its kind. Raises :class:`InputError` where it is none that can be read."""
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
        f"{path} is no file of embeddings: name one that ends with .h5, .hdf5, .index or .csv under `path:` (or `files:`) "
        "in the model card"
    )


class _DatasetPerImage:
    """The reference's HDF5: ``file["folder/image.png"]`` is the vector of that image.

    Through the low-level interface, since the usual ``file[path][:]`` spends two thirds of its time outside HDF5; the
    file is opened once, and each image costs one look-up and one read into the row where it belongs.
    """

    def __init__(self, path: Path, file: h5py.File, dimension: int):
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
                    f"the embedding of '{path}' in {self.path} has the shape {found.shape}, the model card says `dimension: "
                    f"{self.dimension}`: correct the card, or name the file of this model"
                )
            found.read(everything, everything, vectors[place], h5py.h5t.NATIVE_FLOAT)
        return vectors, reasons

    def describe(self) -> str:
        name, item = "", self.file
        while isinstance(item, h5py.Group) and len(item):
            first = next(iter(item))
            name, item = f"{name}/{first}".lstrip("/"), item[first]
        return f"it has paths such as '{name}'" if name else "it is empty"


class _OwnLayout:
    """An embedding file of this workflow, gathered or a shard: images are known by their id."""

    def __init__(self, path: Path, file: h5py.File, dimension: int):
        self.file, self.dimension = file, dimension
        self.libraries = {"h5py": h5py.__version__}
        if file["embeddings"].shape[1] != dimension:
            raise InputError(
                f"the embeddings in {path} have the dimension {file['embeddings'].shape[1]}, the model card says "
                f"`dimension: {dimension}`: correct the card, or name the file of this model"
            )
        self.rows = pd.Index(file["ids"][:])
        rejected = file["rejected"]
        self.rejected = dict(zip(rejected["ids"][:].tolist(), rejected["reasons"].asstr()[:], strict=True))

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        rows = self.rows.get_indexer(ids)
        there = np.flatnonzero(rows >= 0)
        vectors = np.zeros((len(ids), self.dimension), dtype=np.float32)
        if len(there):
            first, last = rows[there].min(), rows[there].max() + 1
            for start in range(first, last, ROWS_PER_BLOCK):  # slices: HDF5 is slow at picking rows one by one
                here = there[(rows[there] >= start) & (rows[there] < start + ROWS_PER_BLOCK)]
                if len(here):
                    block = unit_rows(self.file, slice(start, min(start + ROWS_PER_BLOCK, last)))
                    vectors[here] = block[rows[here] - start]
        reasons = [
            "" if row >= 0 else self.rejected.get(int(each), NOT_IN_FILE) for each, row in zip(ids, rows, strict=True)
        ]
        return vectors, reasons

    def describe(self) -> str:
        return f"it was made for the dataset '{self.file.attrs['dataset']}', and images are known by dataset and path"


class _IndexVectors:
    """A flat FAISS index, which keeps its vectors as they are, and the list of the paths behind it."""

    def __init__(self, path: Path, metadata: str | Path | None, dimension: int):
        import faiss

        names = read_metadata(metadata) if metadata else []
        try:
            self.index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise InputError(
                f"the index {path} cannot be read ({' '.join(str(error).split())[-120:]}): fetch it again"
            ) from None
        if not isinstance(self.index, faiss.IndexFlat):
            raise InputError(
                f"the index {path} is a {type(self.index).__name__}, which does not keep the vectors as they are: name a "
                "flat one, or the HDF5 file of the embeddings"
            )
        if (self.index.d, self.index.ntotal) != (dimension, len(names)):
            raise InputError(
                f"the index {path} holds {self.index.ntotal} vectors of dimension {self.index.d}, but its list {metadata} has "
                f"{len(names)} paths and the model card says `dimension: {dimension}`: the files do not belong together"
            )
        self.dimension, self.rows = dimension, pd.Index(names).drop_duplicates()
        self.places = np.flatnonzero(~pd.Index(names).duplicated())
        self.vectors = faiss.rev_swig_ptr(self.index.get_xb(), self.index.ntotal * dimension).reshape(-1, dimension)
        self.libraries = {"faiss-cpu": faiss.__version__}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        rows = self.rows.get_indexer(pd.Index(paths))
        vectors = np.zeros((len(paths), self.dimension), dtype=np.float32)
        vectors[rows >= 0] = self.vectors[self.places[rows[rows >= 0]]]
        return vectors, ["" if row >= 0 else NOT_IN_FILE for row in rows]

    def describe(self) -> str:
        return f"it has paths such as '{self.rows[0]}'" if len(self.rows) else "it is empty"


class _ListedImages:
    """Neighbor lists: no vectors, but it is known who was asked and, from the index's list, who was found.

    Without that list every image that was not asked counts as indexed.
    """

    dimension = 0

    def __init__(self, path: Path, metadata: str | Path | None):
        self.asked = pd.Index(_column(path, "query"))
        self.indexed = pd.Index(read_metadata(metadata)) if metadata else None
        self.libraries = {"pyarrow": pa.__version__}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        names = pd.Index(paths)
        known = names.isin(self.asked) | (True if self.indexed is None else names.isin(self.indexed))
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
        raise InputError(f"{path} is not a list of paths: name the metadata.json that was written with the index")
    return names


# --- neighbor lists -------------------------------------------------------------------------------------------------


def take_neighbors(
    lists: str | Path,
    shards: Sequence[str | Path],
    queries: pd.DataFrame,
    index: pd.DataFrame,
    embedded: np.ndarray,
    k: int,
) -> pa.Table:
    """The neighbor table of a query split, out of a ``knn.csv``: as :func:`radcbir.search.neighbor_table` makes it.

    ``queries`` and ``index`` are image lists of splits (:func:`radcbir.catalog.read_split`), ``embedded`` the ids of the
    images that the lists know. There are no scores (NaN). A row that is longer than the index ends with names that FAISS
    made up (its -1, read as the last image): the list is cut at the index's size.

    Raises :class:`InputError` where a row is shorter than k, names an image that is not in the index split, or, with
    patients known, holds too few neighbors of other patients.
    """
    listed = list(read_shards(shards))
    known = {path: image for image, path in listed}
    if len(known) < len(listed):
        raise InputError(
            f"two datasets of this experiment have images of the same path, which {lists} cannot tell apart: make the paths "
            "start with the dataset's folder"
        )
    paths, ids = pa.array(list(known)), np.fromiter(known.values(), dtype=np.int64, count=len(known))
    available = index.loc[index["id"].isin(embedded), ["id", "patient_id"]].set_index("id")["patient_id"]
    asked = queries.set_index("id")["patient_id"]
    depth = min(k, len(available))
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for query_paths, neighbor_paths in _rows(lists, depth):
        query = _looked_up([query_paths], paths, ids)[:, 0]
        wanted = np.isin(query, asked.index.to_numpy())
        if not wanted.any():
            continue
        kept = pa.array(wanted)
        neighbors = _looked_up([column.filter(kept) for column in neighbor_paths], paths, ids)
        wrong = ~np.isin(neighbors, available.index.to_numpy())
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise InputError(
                f"{lists} names '{neighbor_paths[column].filter(kept)[int(row)]}' as a neighbor of "
                f"'{query_paths.filter(kept)[int(row)]}', which is no image of the index split: the lists were made over another "
                "index; pool the datasets that they were made from"
            )
        parts.append((query[wanted], neighbors))
    if not parts:
        raise InputError(f"{lists} asks for no image of this query split: name other `query_splits:`, or other lists")
    query = np.concatenate([each[0] for each in parts])
    neighbors = np.concatenate([each[1] for each in parts])
    order = np.argsort(query, kind="stable")
    query, neighbors = query[order], neighbors[order]
    if (query[1:] == query[:-1]).any():
        raise InputError(f"{lists} asks for an image twice: keep one row of each query")
    codes, names = pd.factorize(available.reindex(neighbors.ravel()))
    patients = pd.Index(names).get_indexer(asked.reindex(query))
    same = (codes.reshape(neighbors.shape) == patients[:, None]) & (patients[:, None] >= 0)
    own = available.value_counts().reindex(asked.reindex(query)).fillna(0).to_numpy()
    short = (~same).sum(axis=1) < np.minimum(k, len(available) - own)
    if short.any():
        raise InputError(
            f"{lists} has too few neighbors of other patients for k = {k}: set `k:` to "
            f"{int((~same).sum(axis=1).min())} at most, or leave `patient_id` out of the dataset CSV"
        )
    columns = {
        "query": np.repeat(query, depth),
        "rank": np.tile(np.arange(1, depth + 1, dtype=np.int32), len(query)),
        "neighbor": neighbors.ravel(),
        "score": np.full(neighbors.size, np.nan, dtype=np.float32),
        "same_patient": same.ravel(),
    }
    settings = dict(zip(SETTINGS, map(str, (k, depth, len(available))), strict=True))
    logger.info("%d queries with %d neighbors each from %s", len(query), depth, lists)
    return pa.table(columns, schema=NEIGHBOR_SCHEMA.with_metadata(settings))


def _rows(lists: str | Path, depth: int) -> Iterator[tuple[pa.Array, list[pa.Array]]]:
    """Blocks of a ``knn.csv``: the queries' paths, and a column of paths per rank, 1 to ``depth``."""
    names = [str(rank) for rank in range(1, depth + 1)]
    try:
        with _open_csv(lists, None) as reader:
            missing = [name for name in ["query", *names] if name not in reader.schema.names]
            if missing:
                ranks = sum(name.isdigit() for name in reader.schema.names)
                raise InputError(
                    f"{lists} has no column '{missing[0]}': it holds {ranks} neighbors per query; set `k:` to {ranks} at most"
                    if ranks
                    else f"{lists} has no column '{missing[0]}': neighbor lists have the columns query, 1, 2, 3 ..."
                )
            for batch in reader:
                yield batch.column("query"), [batch.column(name) for name in names]
    except pa.ArrowInvalid as error:
        raise InputError(f"{lists} cannot be read as comma-separated text ({error}): fetch it again") from None


def _column(path: Path, name: str) -> list[str]:
    """One column of a CSV, read without the others."""
    try:
        with _open_csv(path, [name]) as reader:
            return [each for batch in reader for each in batch.column(0).to_pylist()]
    except (pa.ArrowInvalid, KeyError) as error:
        raise InputError(
            f"{path} cannot be read as neighbor lists with the columns query, 1, 2, 3 ... ({error}): name a knn.csv"
        ) from None


def _open_csv(path: str | Path, columns: list[str] | None) -> pyarrow.csv.CSVStreamingReader:
    with open(path, newline="", encoding="utf-8") as handle:
        names = next(csv.reader(handle), [])
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise InputError(f"{path} has the column '{doubled[0]}' twice: fetch it again")
    types = dict.fromkeys(columns or names, pa.string())
    options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=columns, strings_can_be_null=False)
    return pyarrow.csv.open_csv(path, pyarrow.csv.ReadOptions(block_size=CSV_BLOCK), convert_options=options)


def _looked_up(columns: list[pa.Array], paths: pa.Array, ids: np.ndarray) -> np.ndarray:
    """The ids of columns of paths, one column each, -1 where a path is not known; all at once, since Arrow hashes ``paths``
    anew in every call.
    """
    found = pc.index_in(pa.chunked_array(columns), value_set=paths)
    places = pc.fill_null(found, -1).to_numpy().reshape(len(columns), -1).T
    return np.where(places >= 0, ids[places], -1)
