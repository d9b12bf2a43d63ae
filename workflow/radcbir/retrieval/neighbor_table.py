"""The table of neighbors, from any way to search, and its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from radcbir.core.files import atomic_write
from radcbir.core.logs import Progress, logger

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
"""What the metadata of a neighbor table says: the requested k, the k that the index has images for,
and the size of the index."""


@dataclass(frozen=True)
class Queries:
    """Query images and what decides which neighbors count."""

    ids: np.ndarray
    """``(q,)`` int64, each once."""
    vectors: np.ndarray
    """``(q, d)``, of length one."""
    k: int
    """How many neighbors each query gets, at least."""
    patients: np.ndarray | None = None
    """``(q,)``: the patient of each query; None where unknown."""
    index_patients: Mapping[int, str | None] | pd.Series | None = None
    """Id of an index image -> its patient; None where unknown."""
    passed_over: pd.Series | None = None
    """Bool by id: index images that some ways to count leave out."""


def table_of(
    nearest: Callable[[slice, int], tuple[np.ndarray, np.ndarray]],
    index_ids: np.ndarray,
    queries: Queries,
    settings: Mapping[str, str] | None = None,
) -> pa.Table:
    """The table of :func:`neighbor_table` from any way to search: that of :func:`tables_of` in one
    piece.
    """
    parts = tables_of(nearest, index_ids, queries, settings)
    return pa.concat_tables(parts).combine_chunks()


def tables_of(
    nearest: Callable[[slice, int], tuple[np.ndarray, np.ndarray]],
    index_ids: np.ndarray,
    queries: Queries,
    settings: Mapping[str, str] | None = None,
    room: int = 0,
) -> Iterator[pa.Table]:
    """The table of :func:`neighbor_table` from any way to search, in parts of some queries each, at
    least one part.

    ``nearest`` takes a run of queries (b of them) and a depth, and gives positions in ``index_ids``
    ``(n,)`` and scores, both ``(b, depth)``, best first. ``settings`` are kept in the metadata
    beside :data:`SETTINGS`. A run is of :data:`QUERIES_PER_BLOCK` queries, or of more where lists
    of ``room`` neighbors in all may be searched at once.
    """
    query_ids, k, images = np.asarray(queries.ids, dtype=np.int64), queries.k, len(index_ids)
    if len(np.unique(query_ids)) != len(query_ids):
        raise ValueError("a query id comes twice: each query may come once")
    depth = clamped(k, images)
    patient, index_patient = _patient_codes(index_ids, queries)
    own_images = np.bincount(index_patient + 1, minlength=2)
    own_images[0] = 0
    own_images = own_images[patient + 1]
    over = np.zeros(images, dtype=bool)
    if queries.passed_over is not None:
        over = queries.passed_over.reindex(index_ids, fill_value=False).to_numpy(dtype=bool)
    # The mean depth of k neighbors that count, if those that do not count are spread evenly.
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
        # The list ends at the k-th neighbor that counts in every way (or the last there is), but
        # not before k'.
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
    """Queries whose lists are ``depths`` ``(q,)`` deep in runs: of one block, or of blocks that fit
    the ``room`` together.

    All lists of a run are as long as its longest.
    """
    start, deepest = 0, 0
    for block in query_blocks(len(depths)):
        deepest = max(deepest, int(depths[block].max()))
        if block.start > start and (block.stop - start) * deepest > room:
            yield slice(start, block.start)
            start, deepest = block.start, int(depths[block].max())
    if len(depths):
        yield slice(start, len(depths))


def write_neighbors(path: str | Path, tables: pa.Table | Iterable[pa.Table]) -> None:
    """Write a table of :func:`neighbor_table`, or its parts, to Parquet, atomically, in row groups
    in the order of the queries.

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
    with (
        atomic_write(path, verify) as part,
        pq.ParquetWriter(part, waiting.schema, **encoding) as writer,
    ):
        while waiting is not None:
            following = next(parts, None)
            least = 1 if following is None else ROWS_PER_GROUP
            while waiting.num_rows >= least:
                group = waiting.slice(0, ROWS_PER_GROUP).combine_chunks()
                writer.write_table(group, row_group_size=ROWS_PER_GROUP)
                written += group.num_rows
                waiting = waiting.slice(group.num_rows)
            waiting = None if following is None else pa.concat_tables([waiting, following])


def neighbor_settings(schema: pa.Schema) -> dict[str, int]:
    """The :data:`SETTINGS` of a neighbor table, from its schema."""
    metadata = _metadata(schema)
    return {name: int(metadata[name]) for name in SETTINGS}


def _patient_codes(index_ids: np.ndarray, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Patients as numbers, per query ``(q,)`` and per index position ``(n,)``.

    -1 where unknown, or not in the index.
    """
    count = len(queries.ids)
    if queries.patients is None or queries.index_patients is None:
        return np.full(count, -1), np.full(len(index_ids), -1)
    if len(queries.patients) != count:
        raise ValueError(f"{len(queries.patients)} patients came with {count} queries")
    patients = pd.Series(queries.index_patients, dtype=object).reindex(index_ids)
    codes, known = pd.factorize(patients)
    asked = np.asarray(queries.patients, dtype=object)
    return pd.Index(known, dtype=object).get_indexer(asked), codes


def clamped(k: int, images: int) -> int:
    """k, or the number of images in the index where that is less."""
    if k < 1:
        raise ValueError(f"k is {k}: ask for at least one neighbor")
    if k > images:
        logger.info(
            "the index holds %d images: each query gets as many neighbors, not k = %d", images, k
        )
    return min(k, images)


def query_blocks(count: int, size: int = QUERIES_PER_BLOCK) -> Iterable[slice]:
    """Runs of ``size`` queries."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _metadata(schema: pa.Schema) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
