"""Neighbor tables from published neighbor lists."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.datasets.shard_lists import read_shards
from radcbir.embedding.sources import open_csv, read_errors
from radcbir.retrieval.neighbor_table import NEIGHBOR_SCHEMA, SETTINGS


def take_neighbors(
    lists: str | Path,
    shards: Sequence[str | Path],
    queries: pd.DataFrame,
    index: pd.DataFrame,
    embedded: np.ndarray,
    k: int,
) -> pa.Table:
    """The neighbor table of a query split, out of a ``knn.csv``: as
    :func:`radcbir.retrieval.exact.neighbor_table` makes it.

    ``queries`` and ``index`` are image lists of splits (:func:`radcbir.datasets.pool.read_split`),
    ``embedded`` the ids of the images that the lists know. There are no scores (NaN). A row that is
    longer than the index ends with names that FAISS made up (its -1, read as the last image): the
    list is cut at the index's size.

    Raises :class:`InputError` where a row is shorter than k, names an image that is not in the
    index split, or, with patients known, has too few neighbors of other patients.
    """
    listed = list(read_shards(shards))
    known = {path: image for image, path in listed}
    if len(known) < len(listed):
        raise InputError(
            f"two datasets of this experiment have images of the same path, which {lists} cannot "
            "tell apart: make the paths "
            "start with the dataset's folder"
        )
    paths, ids = (
        pa.array(list(known)),
        np.fromiter(known.values(), dtype=np.int64, count=len(known)),
    )
    available = index.loc[index["id"].isin(embedded), ["id", "patient_id"]].set_index("id")[
        "patient_id"
    ]
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
                f"'{query_paths.filter(kept)[int(row)]}', which is no image of the index split: "
                "the lists were made over another "
                "index; pool the datasets that they were made from"
            )
        parts.append((query[wanted], neighbors))
    if not parts:
        raise InputError(
            f"{lists} has no image of this query split as a query: name other `query_splits:`, or other "
            "lists"
        )
    query = np.concatenate([each[0] for each in parts])
    neighbors = np.concatenate([each[1] for each in parts])
    order = np.argsort(query, kind="stable")
    query, neighbors = query[order], neighbors[order]
    if (query[1:] == query[:-1]).any():
        raise InputError(f"{lists} has a query twice: keep one row of each query")
    codes, names = pd.factorize(available.reindex(neighbors.ravel()))
    patients = pd.Index(names).get_indexer(asked.reindex(query))
    same = (codes.reshape(neighbors.shape) == patients[:, None]) & (patients[:, None] >= 0)
    own = available.value_counts().reindex(asked.reindex(query)).fillna(0).to_numpy()
    short = (~same).sum(axis=1) < np.minimum(k, len(available) - own)
    if short.any():
        raise InputError(
            f"{lists} has too few neighbors of other patients for k = {k}: set `k:` to "
            f"{int((~same).sum(axis=1).min())} at most, or leave `patient_id` out of the dataset "
            "CSV"
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
    """Blocks of a ``knn.csv``: the queries' paths, and a column of paths per rank, 1 to
    ``depth``.
    """
    names = [str(rank) for rank in range(1, depth + 1)]
    with read_errors(lists), open_csv(lists, None) as reader:
        missing = [name for name in ["query", *names] if name not in reader.schema.names]
        if missing:
            ranks = sum(name.isdigit() for name in reader.schema.names)
            raise InputError(
                f"{lists} has no column '{missing[0]}': it holds {ranks} neighbors per query; set "
                f"`k:` to {ranks} at most"
                if ranks
                else f"{lists} has no column '{missing[0]}': neighbor lists have the columns query, 1, 2, 3 ..."
            )
        for batch in reader:
            yield batch.column("query"), [batch.column(name) for name in names]


def _looked_up(columns: list[pa.Array], paths: pa.Array, ids: np.ndarray) -> np.ndarray:
    """The ids of columns of paths, one column each, -1 where a path is not known; all at once,
    since Arrow hashes ``paths`` anew in every call.
    """
    found = pc.index_in(pa.chunked_array(columns), value_set=paths)
    places = pc.fill_null(found, -1).to_numpy().reshape(len(columns), -1).T
    return np.where(places >= 0, ids[places], -1)
