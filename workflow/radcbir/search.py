"""Nearest neighbors: the exact index of a split, the search, and the table of neighbors.

Indexes that trade exactness for size or speed are made and searched by :mod:`radcbir.approximate`.

FAISS is used here alone and imported on use: its OpenMP runtime clashes with that of torch in one process, and reading a
neighbor table needs neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from radcbir.errors import InputError
from radcbir.files import atomic_write
from radcbir.logs import Progress, logger

if TYPE_CHECKING:
    import faiss

NORM_TOLERANCE = 1e-3
"""How far the length of a vector may be from 1: room for embeddings kept in half precision."""

NEAR_TIE = 2e-6
"""Scores closer than this are computed again in double precision: more than twice what float32 sums may be off."""

MARGIN = 8
"""Further neighbors that are searched and dropped, so that a tie across rank k is settled by the ids, too."""

QUERIES_PER_BLOCK = 2048
ROWS_PER_GROUP = 1_000_000

NEIGHBOR_SCHEMA = pa.schema(
    [
        pa.field("query", pa.int64(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("neighbor", pa.int64(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("same_patient", pa.bool_(), nullable=False),
    ]
)
SETTINGS = ("k", "neighbors", "index_images")
"""What the metadata of a neighbor table says: k as asked for, k as far as the index goes, and the size of the index."""


def build_index(path: str | Path, blocks: Iterable[tuple[np.ndarray, np.ndarray]], dimension: int) -> int:
    """Write an exact inner-product index (``IndexIDMap2`` over ``IndexFlatIP``) and return how many images it holds.

    ``blocks`` yields ids ``(n,)`` int64 and unit vectors ``(n, dimension)``; the inner product is then the cosine
    similarity. ``path`` is named for the split, ``{split}.faiss``; it appears once the index was reopened and counted.

    Raises :class:`InputError` where there is no vector at all, :class:`ValueError` where a vector is not finite or not
    of length 1, a block has another dimension, or an id is negative or comes twice.
    """
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
    for ids, vectors in blocks:
        index.add_with_ids(unit_vectors(vectors, dimension, ids), np.ascontiguousarray(ids, dtype=np.int64))
    return write_index(path, index)


def write_index(path: str | Path, index: faiss.IndexIDMap2) -> int:
    """Write an index, atomically, and return how many images it holds; errors as for :func:`build_index`."""
    import faiss

    path = Path(path)
    count, dimension = index.ntotal, index.d
    if count == 0:
        raise empty_index(path.stem)
    ids = np.sort(faiss.vector_to_array(index.id_map))
    if ids[0] < 0:
        raise ValueError(f"the id {ids[0]} is negative: FAISS says -1 where it has no neighbor")
    if (ids[1:] == ids[:-1]).any():
        raise ValueError(f"the id {ids[1:][ids[1:] == ids[:-1]][0]} comes twice: each image may be indexed once")

    def verify(part: Path) -> None:
        written = _open_index(part)
        if (written.ntotal, written.d) != (count, dimension):
            raise OSError(f"{path} holds {written.ntotal} x {written.d} after writing {count} x {dimension}")

    with atomic_write(path, verify) as part:
        faiss.write_index(index, str(part))
    logger.info("%s: %d images, dimension %d", path.name, count, dimension)
    return count


def empty_index(split: str) -> InputError:
    """The error of an index split without a single vector."""
    return InputError(
        f"the index split '{split}' has no embedded image, so that nothing can be found in it: see the ledger for why its "
        "images were rejected, or choose another `index_split:`"
    )


def read_index(path: str | Path, kind: str = "IndexFlatIP") -> faiss.IndexIDMap2:
    """Open an index that :func:`write_index` wrote; its vectors stay on disk and are mapped into memory.

    ``kind`` is the FAISS class that it has to be of, behind its ids.
    """
    import faiss

    index = _open_index(path)
    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap2) else index
    if type(inner).__name__ != kind or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        wanted = "exact inner-product index" if kind == "IndexFlatIP" else f"{kind} of inner products"
        raise InputError(
            f"the index {path} is of the kind {type(inner).__name__}, not an {wanted} with ids: delete it and run again"
        )
    return index


def _open_index(path: str | Path) -> faiss.Index:
    import faiss

    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        reason = re.sub(r"^Error in .* at \S+:\d+: (Error: '.*' failed: )?", "", str(error))
        raise InputError(f"the index {path} cannot be read ({reason}): delete it and run again") from None


def search(index: faiss.IndexIDMap2, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k' = min(k, index size) nearest index images of each unit vector in ``queries`` ``(q, d)``.

    Returns ids ``(q, k')`` int64 and cosine similarities ``(q, k')`` float32, by falling score, then by rising id.
    Scores that nearly tie are computed again in double precision, so that identical images tie exactly and the order
    does not depend on threads or batches. Only where more than :data:`MARGIN` images tie across rank k' is it FAISS's
    choice which of them are kept.

    Raises :class:`ValueError` where a query is not a unit vector of the index's dimension, or k < 1.
    """
    exact = _ExactSearch(index)
    queries = unit_vectors(queries, index.d)
    depth = clamped(k, index.ntotal)
    ids = np.empty((len(queries), depth), dtype=np.int64)
    scores = np.empty((len(queries), depth), dtype=np.float32)
    progress = Progress(len(queries), "queries")
    for block in _blocks(len(queries)):
        positions, scores[block] = exact.nearest(queries[block], depth)
        ids[block] = exact.ids[positions]
        progress.advance(len(positions))
    return ids, scores


def exact_searcher(vectors: np.ndarray) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """A function that finds the k' = min(k, n) rows of ``vectors`` ``(n, d)`` nearest to each query ``(q, d)``.

    It returns row numbers ``(q, k')`` and inner products ``(q, k')`` in the order of :func:`search`. The vectors have the
    length 1, or 0 where nothing is left of them; they are not checked.
    """
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), np.arange(len(vectors)))
    exact = _ExactSearch(index)

    def nearest(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries, depth = np.ascontiguousarray(queries, dtype=np.float32), min(k, len(vectors))
        parts = [exact.nearest(queries[block], depth) for block in _blocks(len(queries))]
        return tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    return nearest


def neighbor_table(
    index: faiss.IndexIDMap2,
    query_ids: np.ndarray,
    queries: np.ndarray,
    k: int,
    query_patients: np.ndarray | None = None,
    index_patients: Mapping[int, str | None] | pd.Series | None = None,
    passed_over: pd.Series | None = None,
) -> pa.Table:
    """The neighbors of each query as a tidy table: query, rank (from 1), neighbor, score, same_patient.

    ``query_ids`` ``(q,)`` and ``queries`` ``(q, d)`` belong together, as do the optional ``query_patients`` ``(q,)``;
    ``index_patients`` maps the id of an index image to its patient. None is a patient that is not known. ``passed_over``
    (bool by id) marks index images that some ways to count leave out.

    Per query there are the ranks 1 to k' = min(k, index size). Where images of the query's patient are among them, as
    many further ranks follow as are needed for k neighbors of other patients (or up to the last of them in the index):
    the table answers for both ways to count. Likewise where images that are passed over are among them.
    :data:`SETTINGS` stand in the schema's metadata.

    Raises :class:`ValueError` where lengths differ, a query id comes twice, or as :func:`search`.
    """
    exact = _ExactSearch(index)
    queries = unit_vectors(queries, index.d, query_ids)
    return table_of(
        lambda block, depth: exact.nearest(queries[block], depth),
        exact.ids,
        query_ids,
        k,
        query_patients,
        index_patients,
        passed_over,
    )


def table_of(
    nearest: Callable[[slice, int], tuple[np.ndarray, np.ndarray]],
    index_ids: np.ndarray,
    query_ids: np.ndarray,
    k: int,
    query_patients: np.ndarray | None = None,
    index_patients: Mapping[int, str | None] | pd.Series | None = None,
    passed_over: pd.Series | None = None,
    settings: Mapping[str, str] | None = None,
) -> pa.Table:
    """The table of :func:`neighbor_table` from any way to search.

    ``nearest`` takes a run of queries (b of them) and a depth, and gives positions in ``index_ids`` ``(n,)`` and scores,
    both ``(b, depth)``, best first. ``settings`` are kept in the metadata beside :data:`SETTINGS`.
    """
    query_ids, images = np.asarray(query_ids, dtype=np.int64), len(index_ids)
    if len(np.unique(query_ids)) != len(query_ids):
        raise ValueError("a query id comes twice: each query may be asked once")
    depth = clamped(k, images)
    patient, index_patient = _patient_codes(index_ids, len(query_ids), query_patients, index_patients)
    own_images = np.bincount(index_patient + 1, minlength=2)
    own_images[0] = 0
    own_images = own_images[patient + 1]
    over = np.zeros(images, dtype=bool)
    if passed_over is not None:
        over = passed_over.reindex(index_ids, fill_value=False).to_numpy(dtype=bool)
    # How deep k neighbors that count lie on average, where those that do not are spread evenly.
    spread = int(np.ceil(k * over.sum() / max(1, len(over) - over.sum())))

    lengths = np.empty(len(query_ids), dtype=np.int64)
    ids, scores, same = [], [], []
    progress = Progress(len(query_ids), "queries")
    for block in _blocks(len(query_ids)):
        deepest = min(k + int(own_images[block].max()) + spread, images)
        while True:
            positions, block_scores = nearest(block, deepest)
            own = (index_patient[positions] == patient[block, None]) & (patient[block, None] >= 0)
            others = np.cumsum(~own & ~over[positions], axis=1, dtype=np.int32)
            if deepest == images or others[:, -1].min(initial=k) >= k or not over.any():
                break
            deepest = min(2 * deepest, images)
        # The list ends at the k-th neighbor that counts in every way (or the last there is), but not before k'.
        enough = others >= np.minimum(k, others[:, -1:])
        lengths[block] = np.maximum(depth, enough.argmax(axis=1) + 1)
        kept = np.arange(deepest) < lengths[block, None]
        ids.append(index_ids[positions[kept]])
        scores.append(block_scores[kept])
        same.append(own[kept])
        progress.advance(len(positions))
    starts = np.cumsum(lengths) - lengths
    columns = {
        "query": np.repeat(query_ids, lengths),
        "rank": (np.arange(1, lengths.sum() + 1) - np.repeat(starts, lengths)).astype(np.int32),
        "neighbor": np.concatenate([*ids, np.empty(0, np.int64)]),
        "score": np.concatenate([*scores, np.empty(0, np.float32)]),
        "same_patient": np.concatenate([*same, np.empty(0, bool)]),
    }
    metadata = dict(zip(SETTINGS, map(str, (k, depth, images)), strict=True)) | dict(settings or {})
    return pa.table(columns, schema=NEIGHBOR_SCHEMA.with_metadata(metadata))


def write_neighbors(path: str | Path, table: pa.Table) -> None:
    """Write a table of :func:`neighbor_table` to Parquet, atomically, in row groups in the order of the queries."""
    neighbor_settings(table.schema)

    def verify(part: Path) -> None:
        if (rows := pq.read_metadata(part).num_rows) != table.num_rows:
            raise OSError(f"{path} holds {rows} rows after writing {table.num_rows}")

    with atomic_write(path, verify) as part:
        pq.write_table(
            table,
            part,
            row_group_size=ROWS_PER_GROUP,
            compression="zstd",
            use_dictionary=["query", "rank", "neighbor"],
            column_encoding={"score": "BYTE_STREAM_SPLIT"},
        )


def read_neighbors(path: str | Path) -> pa.Table:
    """Read a table that :func:`write_neighbors` wrote, with its metadata."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        raise InputError(f"the neighbor table {path} cannot be read ({error}): delete it and run again") from None
    if table.schema.names != NEIGHBOR_SCHEMA.names or not set(SETTINGS) <= set(_metadata(table.schema)):
        raise InputError(f"{path} is not a neighbor table of this workflow: delete it and run again")
    return table


def neighbor_settings(schema: pa.Schema) -> dict[str, int]:
    """The :data:`SETTINGS` of a neighbor table, from its schema."""
    metadata = _metadata(schema)
    return {name: int(metadata[name]) for name in SETTINGS}


class _ExactSearch:
    """The vectors and ids of an index, searched in a way that does not depend on how queries are batched."""

    def __init__(self, index: faiss.IndexIDMap2):
        import faiss

        self.index = index  # owns the memory that the vectors lie in
        self.flat = faiss.downcast_index(index.index)
        self.ids = faiss.vector_to_array(index.id_map)
        self.vectors = faiss.rev_swig_ptr(self.flat.get_xb(), index.ntotal * index.d).reshape(-1, index.d)

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``(q, k)`` in the index and scores ``(q, k)``, by falling score, then by rising id."""
        scores, positions = self.flat.search(queries, min(k + MARGIN, self.index.ntotal))
        if len(positions) and positions.min() < 0:
            raise RuntimeError("the index gave a query fewer neighbors than it holds: are its vectors finite?")
        close = scores[:, :-1] - scores[:, 1:] < NEAR_TIE
        tied = np.zeros(scores.shape, dtype=bool)
        tied[:, :-1] |= close
        tied[:, 1:] |= close
        rows, ranks = np.nonzero(tied)
        if len(rows):
            for part in _blocks(len(rows)):
                found = positions[rows[part], ranks[part]]
                scores[rows[part], ranks[part]] = np.einsum(
                    "nd,nd->n", queries[rows[part]].astype(np.float64), self.vectors[found].astype(np.float64)
                )
            affected = np.unique(rows)
            order = np.lexsort((self.ids[positions[affected]], -scores[affected]))
            positions[affected] = np.take_along_axis(positions[affected], order, axis=1)
            scores[affected] = np.take_along_axis(scores[affected], order, axis=1)
        return positions[:, :k], scores[:, :k]


def unit_vectors(vectors: np.ndarray, dimension: int, ids: np.ndarray | None = None) -> np.ndarray:
    """The vectors as float32 in C order; :class:`ValueError` unless each is finite and of length 1."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"vectors of shape {vectors.shape} do not fit an index of dimension {dimension}")
    if ids is not None and len(ids) != len(vectors):
        raise ValueError(f"{len(ids)} ids came with {len(vectors)} vectors")
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    wrong = ~(np.abs(lengths - 1) <= NORM_TOLERANCE)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        which = f"row {row}" if ids is None else f"id {ids[row]}"
        raise ValueError(f"the vector of {which} has length {lengths[row]}: normalise embeddings before they are used")
    return vectors


def _patient_codes(
    index_ids: np.ndarray,
    queries: int,
    query_patients: np.ndarray | None,
    index_patients: Mapping[int, str | None] | pd.Series | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Patients as numbers, per query ``(q,)`` and per index position ``(n,)``; -1 where unknown or not in the index."""
    if query_patients is None or index_patients is None:
        return np.full(queries, -1), np.full(len(index_ids), -1)
    if len(query_patients) != queries:
        raise ValueError(f"{len(query_patients)} patients came with {queries} queries")
    patients = pd.Series(index_patients, dtype=object).reindex(index_ids)
    codes, known = pd.factorize(patients)
    return pd.Index(known, dtype=object).get_indexer(np.asarray(query_patients, dtype=object)), codes


def clamped(k: int, images: int) -> int:
    """k, or the number of images in the index where that is less."""
    if k < 1:
        raise ValueError(f"k is {k}: ask for at least one neighbor")
    if k > images:
        logger.info("the index holds %d images: each query gets as many neighbors, not k = %d", images, k)
    return min(k, images)


def _blocks(count: int, size: int = QUERIES_PER_BLOCK) -> Iterable[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _metadata(schema: pa.Schema) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
