"""Diffusion: similarity spreads from the query's neighbors over their mutual neighbors (Iscen,
Tolias, Avrithis, Furon, Chum, *Efficient diffusion on region manifolds*, CVPR 2017), on the images
of the query's own list (section 4.3 there, truncation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from radcbir.core.logs import Progress
from radcbir.retrieval.reranking.graph import Graph
from radcbir.retrieval.reranking.lists import Lists


class Diffusion:
    """The mutual neighbors of the images of an index."""

    def __init__(self, graph: Graph, settings: Mapping[str, Any]):
        """``settings``: ``neighbors`` k, ``alpha`` the power of similarities, ``reach``."""
        self.k, self.alpha, self.reach = (
            settings[each] for each in ("neighbors", "alpha", "reach")
        )
        images, width = len(graph.places), min(self.k, graph.places.shape[1])
        columns, scores = graph.places[:, :width], graph.scores[:, :width].astype(np.float64)
        weights = np.maximum(scores, 1e-12) ** self.alpha  # a weight of 0 would be no neighbor
        bounds = np.arange(images + 1) * width
        near = csr_array((weights.ravel(), columns.ravel(), bounds), shape=(images, images))
        self.affinities = csr_array(near.minimum(near.T))

    def scores(self, lists: Lists) -> np.ndarray:
        """The new scores ``(m,)`` of all entries of some lists: f of (I - reach S) f = y.

        y are the similarities of the query's first k neighbors, S the affinities of mutual
        neighbors in the list, divided by the roots of their sums. Images of the query's own patient
        get what reaches them, and pass nothing on.
        """
        found = np.empty(len(lists.places))
        progress = Progress(len(lists), "queries")
        for entries, block in lists.blocks():
            part = np.empty(len(block.places))
            for each in block.each():
                part[each] = self._one(block.places[each], block.scores[each], block.own[each])
            found[entries] = part
            progress.advance(len(block))
        return found

    def _one(self, places: np.ndarray, scores: np.ndarray, own: np.ndarray) -> np.ndarray:
        weights = self._among(places)
        weights[:, own] = 0
        sums = weights.sum(axis=1)
        scale = np.divide(1, np.sqrt(sums), out=np.zeros_like(sums), where=sums > 0)
        spread = self.reach * scale[:, None] * weights * scale[None]
        start = np.maximum(scores, 0).astype(np.float64) ** self.alpha
        start[np.cumsum(~own) - ~own >= self.k] = 0
        return np.linalg.solve(np.eye(len(places)) - spread, start)

    def _among(self, places: np.ndarray) -> np.ndarray:
        """The affinities ``(c, c)`` among some images."""
        matrix = self.affinities
        order = np.argsort(places)
        starts, lengths = matrix.indptr[places], np.diff(matrix.indptr)[places]
        row = np.repeat(np.arange(len(places)), lengths)
        position = np.arange(len(row)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        wanted = matrix.indices[position]
        column = order[np.minimum(np.searchsorted(places[order], wanted), len(places) - 1)]
        there = places[column] == wanted
        found = np.zeros((len(places), len(places)))
        found[row[there], column[there]] = matrix.data[position[there]]
        return found
