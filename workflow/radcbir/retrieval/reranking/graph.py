"""The nearest neighbors of each image of the index within the index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import csr_array

from radcbir.retrieval.exact import exact_searcher
from radcbir.retrieval.neighbor_table import Queries, table_of


@dataclass(frozen=True)
class Graph:
    """The first g neighbors of n images, as places among these images; an image is not its own."""

    places: np.ndarray
    """``(n, g)`` int64."""
    scores: np.ndarray
    """``(n, g)`` float32, falling."""

    def first(self, k: int, itself: bool = False) -> csr_array:
        """A matrix ``(n, n)`` with a 1 where the column is among the first k neighbors of the row,
        and on its diagonal where ``itself``.
        """
        images, columns = len(self.places), self.places[:, :k]
        if itself:
            columns = np.concatenate([np.arange(images)[:, None], columns], axis=1)
        bounds = np.arange(images + 1) * columns.shape[1]
        ones = np.ones(columns.size)
        return csr_array((ones, columns.ravel(), bounds), shape=(images, images))

    def mutual(self, k: int, itself: bool = False) -> csr_array:
        """The same where each of the two is among the first k of the other."""
        near = self.first(k, itself)
        return csr_array(near.multiply(near.T))

    def reach(self, k: int) -> np.ndarray:
        """``(n,)``: the score that is enough to be among the first k of an image."""
        width = self.places.shape[1]
        if width < k:  # all images are
            return np.full(len(self.places), -np.inf, dtype=np.float32)
        return self.scores[:, k - 1]


def graph_table(ids: np.ndarray, vectors: np.ndarray, k: int) -> pa.Table:
    """The first k neighbors of each image ``ids`` ``(n,)`` by ``vectors`` ``(n, d)`` of length one,
    in the columns of a neighbor table, image by image.

    The search is exact: its time grows with the square of n.
    """
    nearest = exact_searcher(vectors)
    wanted = min(k, len(ids) - 1)
    if wanted < 1:
        return table_of(nearest_of_none, ids, Queries(ids[:0], vectors[:0], 1))

    def others(block: slice, depth: int) -> tuple[np.ndarray, np.ndarray]:
        places, scores = nearest(vectors[block], depth + 1)
        own = places == np.arange(block.start, block.start + len(places))[:, None]
        own[~own.any(axis=1), -1] = True  # of many twins, the image itself may be beyond the last
        shape = len(places), depth
        return places[~own].reshape(shape), scores[~own].reshape(shape)

    return table_of(others, ids, Queries(ids, vectors, wanted))


def nearest_of_none(block: slice, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """The search of an index of one image, which has no others."""
    return np.empty((0, depth), dtype=np.int64), np.empty((0, depth), dtype=np.float32)


def read_graph(table: pd.DataFrame, ids: np.ndarray) -> Graph:
    """The graph of a table of :func:`graph_table`; places are among ``ids`` ``(n,)``, which the
    table has to hold in the same order.
    """
    width = len(table) // max(len(ids), 1)
    shape = len(ids), width
    if width and not np.array_equal(table["query"].to_numpy()[::width], ids):
        raise ValueError("the neighbors within the index are those of other images")
    places = pd.Index(ids).get_indexer(table["neighbor"].to_numpy())
    return Graph(places.reshape(shape), table["score"].to_numpy(np.float32).reshape(shape))
