"""Neighbor lists as the reference would have them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from radcbir.core.csv_reader import CsvFile
from radcbir.datasets.catalog import normal_label, split_labels
from radcbir.embedding.store import read_ids
from radcbir.metrics.lists import with_one_label


@dataclass(frozen=True)
class Listing:
    """What the reference takes from the dataset CSVs beside their content: orders, which settle
    ties.
    """

    columns: list[str]
    """The labels, in the order of the columns, datasets one after the other."""
    position: dict[tuple[str, str], int]
    """Dataset and path -> the row's place, datasets one after the other."""


def read_listing(csvs: Mapping[str, str | Path]) -> Listing:
    """The orders of rows and label columns in dataset CSVs (by dataset, in the order in which they
    are pooled).
    """
    columns: dict[str, None] = {}
    position: dict[tuple[str, str], int] = {}
    for dataset, path in csvs.items():
        file = CsvFile(path, "the dataset CSV", ["filepath", "split"])
        written = next((name for name in ("label", "labels") if name in file.header), None)
        table = file.table(["filepath", *([written] if written else [])])
        if written:
            given = table[written].dropna().unique()
            listed = (split_labels(text) if written == "labels" else [text] for text in given)
            labels = sorted({label for each in listed for label in each})
        else:
            labels = [
                name
                for name in file.header
                if re.match(r"^[^/]+/[^/]+/.+$", name) and not name.startswith("x_")
            ]
        columns |= dict.fromkeys(normal_label(label) for label in labels)
        for given in table["filepath"].fillna(""):
            key = dataset, str(PurePosixPath(given.replace("\\", "/")))
            position.setdefault(key, len(position))
    return Listing(list(columns), position)


@dataclass(frozen=True)
class PaperLists:
    """The neighbor lists of one query split, k wide, as the reference would have them."""

    queries: np.ndarray
    """``(q,)`` int: the queries' rows in the catalog, in the order of the CSVs."""
    labels: np.ndarray
    """``(q,)`` int: their labels, as places among the columns."""
    neighbors: np.ndarray
    """``(q, K)`` int: the neighbors' rows in the catalog, -1 beyond the end of the index."""
    neighbor_labels: np.ndarray
    """``(q, K)`` int: their labels, -1 beyond the end."""
    listed: np.ndarray
    """``(q,)`` int: listed index images of the query's class."""
    findable: np.ndarray
    """``(q,)`` int: those of them that have an embedding."""
    last: int
    """The row of the index image that comes last, which FAISS's -1 turns into."""
    classes: int
    """How many label columns there are."""
    without_embedding: int
    """Queries that are listed and have no embedding."""
    label_of_row: np.ndarray
    """``(n,)`` int: the label of every row of the catalog."""


def paper_lists(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    listing: Listing,
    index_split: str,
    query_split: str,
    k: int,
) -> PaperLists:
    """Lay a neighbor table (query, rank, neighbor) out as the reference's lists of the first k
    neighbors.

    ``catalog`` is the experiment's pooled catalog, ``embedded`` the ids (n,) of its images that
    have an embedding. Neighbors of the query's own patient stay in, as they do there.
    """
    ids = pd.Index(catalog["id"].to_numpy(np.int64))
    column_of = {label: place for place, label in enumerate(listing.columns)}
    for label in sorted(set(catalog["label"]) - set(column_of)):
        column_of[label] = len(column_of)
    labels = catalog["label"].map(column_of).to_numpy(np.int64)
    keys = zip(catalog["dataset"], catalog["path"], strict=True)
    position = np.array(
        [listing.position.get(key, len(listing.position)) for key in keys], dtype=np.int64
    )
    is_embedded = ids.isin(np.asarray(embedded, dtype=np.int64))
    split = catalog["split"].to_numpy(object)
    index = np.flatnonzero((split == index_split) & is_embedded)
    first = neighbors[neighbors["rank"] <= k]
    query = ids.get_indexer(first["query"].to_numpy())
    rows = np.unique(query)
    rows = rows[np.argsort(position[rows], kind="stable")]
    place = np.empty(len(catalog), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    table = np.full((len(rows), k), -1, dtype=np.int64)
    table[place[query], first["rank"].to_numpy() - 1] = ids.get_indexer(
        first["neighbor"].to_numpy()
    )
    counts = [
        np.bincount(labels[each], minlength=len(column_of))
        for each in (split == index_split, index)
    ]
    return PaperLists(
        queries=rows,
        labels=labels[rows],
        neighbors=table,
        neighbor_labels=np.where(table >= 0, labels[table], -1),
        listed=counts[0][labels[rows]],
        findable=counts[1][labels[rows]],
        last=int(index[np.argmax(position[index])]),
        classes=len(column_of),
        without_embedding=int(((split == query_split) & ~is_embedded).sum()),
        label_of_row=labels,
    )


def read_lists(files: Any, settings: Any) -> tuple[pd.DataFrame, dict[str, PaperLists]]:
    """The pooled catalog, and the lists of the ``test`` and the ``validation`` split (where there
    is one).

    The paper knows images with one label only; those with several are left out of both. ``files``
    has ``neighbors`` (a table per split), ``catalog``, ``embeddings`` and ``csvs``, ``settings``
    has ``splits``, ``datasets``, ``index_split`` and ``k``: a script's inputs and parameters, which
    the rules of this stage share.
    """
    pooled = pd.read_parquet(files.catalog)
    embedded = np.concatenate([read_ids(path) for path in files.embeddings])
    listing = read_listing(dict(zip(settings.datasets, files.csvs, strict=True)))
    lists = {}
    for role, split, path in zip(
        ("test", "validation"), settings.splits, files.neighbors, strict=False
    ):
        neighbors = pd.read_parquet(path, columns=["query", "rank", "neighbor"])
        neighbors, catalog = with_one_label(neighbors, pooled)
        lists[role] = paper_lists(
            neighbors, catalog, embedded, listing, settings.index_split, split, settings.k
        )
    return catalog, lists
