"""The neighbor lists of some queries, one after another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

QUERIES_PER_BLOCK = 1024


@dataclass(frozen=True)
class Lists:
    """Lists of index images, best first: that of query i is ``offsets[i]`` to ``offsets[i + 1]``."""

    vectors: np.ndarray
    """``(q, d)`` of the queries."""
    offsets: np.ndarray
    """``(q + 1,)``."""
    places: np.ndarray
    """``(m,)``: of the images in the index."""
    scores: np.ndarray
    """``(m,)``: cosine similarities."""
    own: np.ndarray
    """``(m,)`` bool: of the query's own patient."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def blocks(self) -> Iterator[tuple[slice, Lists]]:
        """Runs of queries, and where their entries are among all."""
        for start in range(0, len(self), QUERIES_PER_BLOCK):
            stop = min(start + QUERIES_PER_BLOCK, len(self))
            rows = slice(int(self.offsets[start]), int(self.offsets[stop]))
            yield (
                rows,
                Lists(
                    self.vectors[start:stop],
                    self.offsets[start : stop + 1] - self.offsets[start],
                    self.places[rows],
                    self.scores[rows],
                    self.own[rows],
                ),
            )

    def each(self) -> Iterator[slice]:
        """Where the entries of each query are."""
        return (slice(*each) for each in itertools.pairwise(self.offsets.tolist()))

    def first(self, depth: int) -> tuple[np.ndarray, np.ndarray]:
        """The first ``depth`` images of other patients: places ``(q, depth)`` and scores.

        Where there are fewer, the place is -1 and the score 0.
        """
        others = ~self.own
        before = np.cumsum(others) - others
        row = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        starts = np.append(before, others.sum())[self.offsets[:-1]]
        column = before - starts[row]
        kept = others & (column < depth)
        places = np.full((len(self), depth), -1, dtype=np.int64)
        scores = np.zeros((len(self), depth), dtype=np.float32)
        places[row[kept], column[kept]] = self.places[kept]
        scores[row[kept], column[kept]] = self.scores[kept]
        return places, scores
