"""Nearest neighbors: the exact index of a split, the search, and the table of neighbors.

An index or a number of queries that is too large for the memory is searched part by part (:class:`ExactSearch`,
:func:`neighbor_tables`); the result does not depend on the parts, to the last bit.

Indexes that trade exactness for size or speed are made and searched by :mod:`radcbir.approximate`.

FAISS is used here alone and imported on use: its OpenMP runtime clashes with that of torch in one process, and reading a
neighbor table needs neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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
"""Further neighbors that are searched and dropped: mostly they show that nothing ties across rank k."""

QUERIES_PER_BLOCK = 2048
TIED_QUERIES = 64
TIED_IMAGES = 65536
"""How many queries and index images are compared at a time where more images tie across rank k than the margin holds."""

BYTES_PER_NEIGHBOR = 64
"""Of a list while it is searched: score and position, as found, as merged, and as sorted."""
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


def build_index(
    path: str | Path, blocks: Iterable[tuple[np.ndarray, np.ndarray]], dimension: int, images: int = 0
) -> int:
    """Write an exact inner-product index (``IndexIDMap2`` over ``IndexFlatIP``) and return how many images it holds.

    ``blocks`` yields ids ``(n,)`` int64 and unit vectors ``(n, dimension)``; the inner product is then the cosine
    similarity. ``path`` is named for the split, ``{split}.faiss``; it appears once the index was reopened and counted.
    Memory is taken for ``images`` at once: an index that has to grow beyond that is copied again and again.

    Raises :class:`InputError` where there is no vector at all, :class:`ValueError` where a vector is not finite or not
    of length 1, a block has another dimension, or an id is negative or comes twice.
    """
    import faiss

    flat = faiss.IndexFlatIP(dimension)
    flat.codes.resize(images * flat.code_size)
    flat.codes.clear()  # leaves the memory with the index
    index = faiss.IndexIDMap2(flat)
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

    Returns ids ``(q, k')`` int64 and cosine similarities ``(q, k')`` float32, in the order of :class:`ExactSearch`.

    Raises :class:`ValueError` where a query is not a unit vector of the index's dimension, or k < 1.
    """
    exact = ExactSearch(index)
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

    It returns row numbers ``(q, k')`` and inner products ``(q, k')`` in the order of :class:`ExactSearch`. The vectors
    have the length 1, or 0 where nothing is left of them; they are not checked.
    """
    exact = ExactSearch(np.ascontiguousarray(vectors, dtype=np.float32))

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
    exact = ExactSearch(index)
    queries = unit_vectors(queries, index.d, query_ids)
    return table_of(exact.of(queries), exact.ids, query_ids, k, query_patients, index_patients, passed_over)


def neighbor_tables(
    path: str | Path,
    query_ids: np.ndarray,
    queries: np.ndarray,
    k: int,
    query_patients: np.ndarray | None = None,
    index_patients: Mapping[int, str | None] | pd.Series | None = None,
    passed_over: pd.Series | None = None,
    memory: int = 16 << 30,
) -> Iterator[pa.Table]:
    """The table of :func:`neighbor_table` in parts, in about ``memory`` bytes beside the queries, from an index file.

    An index of up to half the memory is mapped as a whole and searched by few queries at a time. A larger one is mapped
    part by part, each of them searched by as many queries as there is room for their lists: it is read from disk once
    for all of these.
    """
    index = read_index(path)
    images, width = index.ntotal, 4 * index.d
    queries = unit_vectors(queries, index.d, query_ids)
    if images * width <= memory // 2:
        exact, room = ExactSearch(index), 0
    else:
        exact, room = ExactSearch(Path(path), max(1, memory // (4 * width))), memory // (4 * BYTES_PER_NEIGHBOR)
        logger.info("an index of %d MB is searched in %d parts", images * width >> 20, -(-images // exact.rows))
    del index
    asked = query_ids, k, query_patients, index_patients, passed_over
    return tables_of(exact.of(queries), exact.ids, *asked, room=room)


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
    """The table of :func:`neighbor_table` from any way to search: that of :func:`tables_of` in one piece."""
    parts = tables_of(nearest, index_ids, query_ids, k, query_patients, index_patients, passed_over, settings)
    return pa.concat_tables(parts).combine_chunks()


def tables_of(
    nearest: Callable[[slice, int], tuple[np.ndarray, np.ndarray]],
    index_ids: np.ndarray,
    query_ids: np.ndarray,
    k: int,
    query_patients: np.ndarray | None = None,
    index_patients: Mapping[int, str | None] | pd.Series | None = None,
    passed_over: pd.Series | None = None,
    settings: Mapping[str, str] | None = None,
    room: int = 0,
) -> Iterator[pa.Table]:
    """The table of :func:`neighbor_table` from any way to search, in parts of some queries each, at least one part.

    ``nearest`` takes a run of queries (b of them) and a depth, and gives positions in ``index_ids`` ``(n,)`` and scores,
    both ``(b, depth)``, best first. ``settings`` are kept in the metadata beside :data:`SETTINGS`. A run is of
    :data:`QUERIES_PER_BLOCK` queries, or of more where lists of ``room`` neighbors in all may be searched at once.
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

    metadata = dict(zip(SETTINGS, map(str, (k, depth, images)), strict=True)) | dict(settings or {})
    schema = NEIGHBOR_SCHEMA.with_metadata(metadata)
    progress = Progress(len(query_ids), "queries")
    for block in _runs(np.minimum(k + own_images + spread, images), room):
        deepest = min(k + int(own_images[block].max()) + spread, images)
        while True:
            positions, scores = nearest(block, deepest)
            own = (index_patient[positions] == patient[block, None]) & (patient[block, None] >= 0)
            others = np.cumsum(~own & ~over[positions], axis=1, dtype=np.int32)
            if deepest == images or others[:, -1].min(initial=k) >= k or not over.any():
                break
            deepest = min(2 * deepest, images)
        # The list ends at the k-th neighbor that counts in every way (or the last there is), but not before k'.
        enough = others >= np.minimum(k, others[:, -1:])
        lengths = np.maximum(depth, enough.argmax(axis=1) + 1)
        kept = np.arange(deepest) < lengths[:, None]
        columns = {
            "query": np.repeat(query_ids[block], lengths),
            "rank": np.broadcast_to(np.arange(1, deepest + 1, dtype=np.int32), kept.shape)[kept],
            "neighbor": index_ids[positions[kept]],
            "score": scores[kept],
            "same_patient": own[kept],
        }
        yield pa.table(columns, schema=schema)
        progress.advance(len(positions))
    if not len(query_ids):
        yield schema.empty_table()


def _runs(depths: np.ndarray, room: int) -> Iterator[slice]:
    """Queries whose lists are ``depths`` ``(q,)`` deep in runs: of one block, or of blocks that fit the ``room`` together.

    All lists of a run are as long as its longest.
    """
    start, deepest = 0, 0
    for block in _blocks(len(depths)):
        deepest = max(deepest, int(depths[block].max()))
        if block.start > start and (block.stop - start) * deepest > room:
            yield slice(start, block.start)
            start, deepest = block.start, int(depths[block].max())
    if len(depths):
        yield slice(start, len(depths))


def write_neighbors(path: str | Path, tables: pa.Table | Iterable[pa.Table]) -> None:
    """Write a table of :func:`neighbor_table`, or its parts, to Parquet, atomically, in row groups in the order of the
    queries.

    The bytes do not depend on the parts.
    """
    parts = iter([tables] if isinstance(tables, pa.Table) else tables)
    waiting = next(parts)
    neighbor_settings(waiting.schema)
    written = 0

    def verify(part: Path) -> None:
        if (rows := pq.read_metadata(part).num_rows) != written:
            raise OSError(f"{path} holds {rows} rows after writing {written}")

    encoding = {
        "compression": "zstd",
        "use_dictionary": ["query", "rank", "neighbor"],
        "column_encoding": {"score": "BYTE_STREAM_SPLIT"},
    }
    with atomic_write(path, verify) as part, pq.ParquetWriter(part, waiting.schema, **encoding) as writer:
        while waiting is not None:
            following = next(parts, None)
            least = 1 if following is None else ROWS_PER_GROUP
            while waiting.num_rows >= least:
                group = waiting.slice(0, ROWS_PER_GROUP).combine_chunks()
                writer.write_table(group, row_group_size=ROWS_PER_GROUP)
                written += group.num_rows
                waiting = waiting.slice(group.num_rows)
            waiting = None if following is None else pa.concat_tables([waiting, following])


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


class ExactSearch:
    """Vectors and their ids, searched in a way that depends neither on batches of queries nor on parts of the index.

    Neighbors come by falling score, then by rising id. A score is the inner product in float32, summed up in an order
    that is the same for every pair; where two neighbors in a row are closer than :data:`NEAR_TIE`, both are computed in
    double precision and rounded, so that the order is right and identical images tie exactly. FAISS proposes the
    candidates. What it leaves out is known to be farther than the last of them: where that is too close to rank k to be
    sure, whatever comes near is compared one by one.
    """

    def __init__(self, source: faiss.IndexIDMap2 | np.ndarray | Path, rows: int | None = None):
        """``source`` is an open index, vectors ``(n, d)`` whose ids are their positions, or the file of an index.

        Of a file, ``rows`` images at a time are mapped into memory.
        """
        self.file = source if isinstance(source, Path) else None
        index = read_index(source) if isinstance(source, Path) else source
        if isinstance(index, np.ndarray):
            self.ids, self.vectors = np.arange(len(index)), index
        else:
            import faiss

            self.ids, self.vectors = faiss.vector_to_array(index.id_map), stored_vectors(index)
        self.rows = len(self.ids) if rows is None or self.file is None else rows
        self.index = index  # owns the memory that the vectors lie in
        if self.file is not None:
            del self.vectors, self.index

    def of(self, queries: np.ndarray) -> Callable[[slice, int], tuple[np.ndarray, np.ndarray]]:
        """:meth:`nearest` for runs of some queries, as :func:`tables_of` takes it."""
        return lambda block, depth: self.nearest(queries[block], depth)

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``(q, k)`` in the index and scores ``(q, k)`` of the k nearest images, at most all."""
        depth = min(k + MARGIN, len(self.ids))
        positions = np.empty((len(queries), depth), dtype=np.int64)
        scores = np.empty((len(queries), depth), dtype=np.float32)
        missed = np.full(len(queries), -np.inf, dtype=np.float32)
        filled = 0
        progress = Progress(-(-len(self.ids) // self.rows), "parts of the index")
        for start, vectors in self._parts():
            for block in _blocks(len(queries)):
                found, near, others = _candidates(queries[block], vectors, depth, start)
                if filled:
                    found = np.concatenate([positions[block, :filled], found], axis=1)
                    near = np.concatenate([scores[block, :filled], near], axis=1)
                    others = np.maximum(missed[block], others)
                order = np.lexsort((self.ids[found], -near))
                if order.shape[1] > depth:
                    others = np.maximum(others, np.take_along_axis(near, order[:, depth : depth + 1], axis=1)[:, 0])
                    order = order[:, :depth]
                positions[block, : order.shape[1]] = np.take_along_axis(found, order, axis=1)
                scores[block, : order.shape[1]] = np.take_along_axis(near, order, axis=1)
                missed[block] = others
            filled = min(depth, filled + len(vectors))
            if self.file is not None:
                progress.advance()
        self._settle(queries, positions, scores)
        positions, scores = positions[:, :k], scores[:, :k]
        unsure = np.flatnonzero(missed >= scores[:, -1] - 2 * NEAR_TIE)
        for first in range(0, len(unsure), TIED_QUERIES):
            rows = unsure[first : first + TIED_QUERIES]
            positions[rows], scores[rows] = self._all_near(queries[rows], scores[rows, -1] - 4 * NEAR_TIE, k)
        return positions, scores

    def _parts(self) -> Iterator[tuple[int, np.ndarray]]:
        """The vectors part by part, each with the position of its first; a part is gone when the next is asked for."""
        if self.file is None:
            yield 0, self.vectors
            return
        for start in range(0, len(self.ids), self.rows):
            index = read_index(self.file)
            yield start, stored_vectors(index)[start : start + self.rows]

    def _settle(self, queries: np.ndarray, positions: np.ndarray, scores: np.ndarray) -> None:
        """Compute near ties among sorted neighbors ``(q, n)`` in double precision, and sort again; in place."""
        tied = np.zeros(scores.shape, dtype=bool)
        close = scores[:, :-1] - scores[:, 1:] < NEAR_TIE
        tied[:, :-1] |= close
        tied[:, 1:] |= close
        rows, ranks = np.nonzero(tied)
        if not len(rows):
            return
        found = positions[rows, ranks]
        for start, vectors in self._parts():
            here = np.flatnonzero((found >= start) & (found < start + len(vectors)))
            for part in _blocks(len(here)):
                which = here[part]
                scores[rows[which], ranks[which]] = np.einsum(
                    "nd,nd->n",
                    queries[rows[which]].astype(np.float64),
                    vectors[found[which] - start].astype(np.float64),
                )
        affected = np.unique(rows)
        order = np.lexsort((self.ids[positions[affected]], -scores[affected]))
        positions[affected] = np.take_along_axis(positions[affected], order, axis=1)
        scores[affected] = np.take_along_axis(scores[affected], order, axis=1)

    def _all_near(self, queries: np.ndarray, least: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """What :meth:`nearest` gives, out of all images with a score of at least ``least`` ``(q,)``."""
        found: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in queries]
        for start, vectors in self._parts():
            for block in _blocks(len(vectors), TIED_IMAGES):
                near = queries @ vectors[block].T >= least[:, None]
                for row in np.flatnonzero(near.any(axis=1)):
                    places = np.flatnonzero(near[row]) + block.start
                    found[row].append((places + start, _products(queries[row : row + 1], vectors, places[None])[0]))
        positions = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        for row, parts in enumerate(found):
            places, products = (np.concatenate(each) for each in zip(*parts, strict=True))
            order = np.lexsort((self.ids[places], -products))
            places, products = places[order][None], products[order][None]
            self._settle(queries[row : row + 1], places, products)
            positions[row], scores[row] = places[0, :k], products[0, :k]
        return positions, scores


def stored_vectors(index: faiss.IndexIDMap2) -> np.ndarray:
    """The vectors ``(n, d)`` of an exact index, where they lie: they are gone when the index is."""
    import faiss

    flat = faiss.downcast_index(index.index)
    return faiss.rev_swig_ptr(flat.get_xb(), index.ntotal * index.d).reshape(-1, index.d)


def _candidates(
    queries: np.ndarray, vectors: np.ndarray, depth: int, start: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of some vectors, the first of which has the position ``start``, the ``depth`` that FAISS finds nearest.

    Positions and scores ``(q, n)``, and per query ``(q,)`` a score that none of the others exceeds but by rounding.
    """
    import faiss

    found, places = faiss.knn(queries, vectors, min(depth, len(vectors)), metric=faiss.METRIC_INNER_PRODUCT)
    if len(places) and places.min() < 0:
        raise RuntimeError("the index gave a query fewer neighbors than it holds: are its vectors finite?")
    missed = found[:, -1] if depth < len(vectors) else np.full(len(queries), -np.inf, dtype=np.float32)
    return places + start, _products(queries, vectors, places), missed


def _products(queries: np.ndarray, vectors: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Inner products ``(q, n)`` of each query ``(q, d)`` with the vectors at its places ``(q, n)``, pair by pair.

    Unlike those of a matrix product, they do not depend on which others are computed beside them.
    """
    import faiss

    products = np.empty(places.shape, dtype=np.float32)
    queries, vectors, places = (np.ascontiguousarray(each) for each in (queries, vectors, places))
    pointers = map(faiss.swig_ptr, (products, queries, vectors, places))
    faiss.fvec_inner_products_by_idx(*pointers, vectors.shape[1], *places.shape)
    return products


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
