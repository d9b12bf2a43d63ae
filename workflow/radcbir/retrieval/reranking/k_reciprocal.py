"""k-reciprocal re-ranking: images are alike whose neighborhoods are alike (Zhong, Zheng, Cao, Li,
*Re-ranking person re-identification with k-reciprocal encoding*, CVPR 2017).

Unlike there, queries do not see one another: each is asked alone, as in practice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from radcbir.core.logs import Progress
from radcbir.retrieval.neighbor_table import query_blocks
from radcbir.retrieval.reranking.graph import Graph
from radcbir.retrieval.reranking.lists import Lists

AGREEING = 2 / 3
"""The neighborhood of a neighbor is taken in where so much of it is shared."""

ROWS_PER_BLOCK, PAIRS_PER_BLOCK = 16384, 65536


class Neighborhoods:
    """The k-reciprocal neighborhoods of the images of an index."""

    def __init__(self, graph: Graph, vectors: np.ndarray, settings: Mapping[str, Any]):
        """``settings``: ``neighbors`` (k1 of the paper), ``expansion`` (k2), ``weight`` (lambda).

        ``vectors`` ``(n, d)`` of length one are those of the graph's images.
        """
        self.vectors = vectors
        self.k, self.near, self.weight = (
            settings[each] for each in ("neighbors", "expansion", "weight")
        )
        self.least = graph.reach(self.k)
        self.halves = graph.mutual(max(1, self.k // 2), itself=True)
        mutual = graph.mutual(self.k, itself=True)
        encoded = [
            self._encoded(csr_array(mutual[rows]), vectors[rows])
            for rows in query_blocks(len(vectors), ROWS_PER_BLOCK)
        ]
        averaged = graph.first(self.near - 1, itself=True)
        counts = np.diff(averaged.indptr)[:, None]
        self.rows = csr_array(averaged @ vstack(encoded, format="csr") / counts)
        """``(n, n)``: how much each image belongs to the neighborhood of another; rows sum to 1."""
        self._mine = np.zeros(len(vectors))

    def scores(self, lists: Lists) -> np.ndarray:
        """The new scores ``(m,)`` of all entries of some lists: 1 less (1 - lambda) times the Jaccard
        distance of the neighborhoods and lambda times the cosine distance.
        """
        found = np.empty(len(lists.places))
        progress = Progress(len(lists), "queries")
        for entries, block in lists.blocks():
            found[entries] = self._block(block)
            progress.advance(len(block))
        return found

    def _block(self, block: Lists) -> np.ndarray:
        images = len(self.vectors)
        places, scores = block.first(max(self.k, self.near - 1))
        known = places >= 0
        mutual = known & (np.arange(places.shape[1]) < self.k)
        mutual &= scores >= self.least[places]
        mine = self._encoded(_matrix(places, mutual, images), block.vectors)
        near = known & (np.arange(places.shape[1]) < self.near - 1)
        counts = 1 + near.sum(axis=1)
        averaged = csr_array((mine + _matrix(places, near, images) @ self.rows) / counts[:, None])
        found = np.empty(len(block.places))
        for query, entries in enumerate(block.each()):
            own = block.places[entries][block.own[entries]]
            found[entries] = self._shared(averaged, query, block.places[entries], own)
        return 1 - (1 - self.weight) * (1 - found) - self.weight * (1 - block.scores)

    def _shared(
        self, averaged: csr_array, query: int, places: np.ndarray, own: np.ndarray
    ) -> np.ndarray:
        """The Jaccard similarities ``(c,)`` of one query's neighborhood and those at ``places``."""
        here = slice(averaged.indptr[query], averaged.indptr[query + 1])
        columns, mine = averaged.indices[here], self._mine
        mine[columns] = averaged.data[here]
        mine[own] = 0
        total = mine[columns].sum()
        starts, lengths = self.rows.indptr[places], np.diff(self.rows.indptr)[places]
        entry = np.repeat(np.arange(len(places)), lengths)
        position = np.arange(len(entry)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        least = np.minimum(self.rows.data[position], mine[self.rows.indices[position]])
        shared = np.bincount(entry, least, minlength=len(places))
        mine[columns] = 0
        return shared / (total + 1 - shared)

    def _encoded(self, mutual: csr_array, vectors: np.ndarray) -> csr_array:
        """Neighborhoods ``(b, n)`` of images with the mutual neighbors ``(b, n)``: those that agree
        are taken in, and weighted by exp(-cosine distance); rows sum to 1, or to 0 without any.
        """
        agreed = csr_array(mutual.multiply(mutual @ self.halves.T))
        sizes = np.diff(self.halves.indptr)
        agreed.data = (agreed.data >= AGREEING * sizes[agreed.indices] - 1e-9).astype(float)
        agreed.eliminate_zeros()
        found = csr_array(mutual + agreed @ self.halves)
        row = np.repeat(np.arange(len(vectors)), np.diff(found.indptr))
        for part in query_blocks(len(row), PAIRS_PER_BLOCK):
            cosines = np.einsum("nd,nd->n", vectors[row[part]], self.vectors[found.indices[part]])
            found.data[part] = np.exp(cosines.astype(np.float64) - 1)
        totals = np.bincount(row, found.data, minlength=len(vectors))
        found.data /= totals[row]
        return found


def _matrix(places: np.ndarray, kept: np.ndarray, images: int) -> csr_array:
    """A matrix ``(q, images)`` with a 1 at each of the ``places`` ``(q, m)`` that is kept."""
    bounds = np.append(0, np.cumsum(kept.sum(axis=1)))
    return csr_array((np.ones(bounds[-1]), places[kept], bounds), shape=(len(places), images))
