"""Queries, or images of the index, averaged with their nearest neighbors.

A neighbor counts by its cosine similarity to the power alpha (Radenović, Tolias, Chum, *Fine-tuning
CNN image retrieval with no human annotation*, TPAMI 2019, section 3.4). For images of the index this
is database-side augmentation (Arandjelović and Zisserman, *Three things everyone should know to
improve object retrieval*, CVPR 2012).
"""

from __future__ import annotations

import numpy as np

from radcbir.core.vectors import normalised_or_zero
from radcbir.retrieval.neighbor_table import query_blocks

ROWS_PER_BLOCK = 8192


def expanded(
    vectors: np.ndarray,
    index_vectors: np.ndarray,
    places: np.ndarray,
    scores: np.ndarray,
    alpha: float,
) -> np.ndarray:
    """``vectors`` ``(q, d)`` plus the sum of the index vectors at ``places`` ``(q, m)``, each times
    its score to the power alpha, at length one, float32.

    Scores of 0 and less, and places of -1, count nothing. Where the sum is zero, the vector stays
    as it was.
    """
    weights = np.zeros(scores.shape)
    counted = (places >= 0) & (scores > 0)
    weights[counted] = scores[counted].astype(np.float64) ** alpha
    found = np.empty(vectors.shape, dtype=np.float32)
    for rows in query_blocks(len(vectors), ROWS_PER_BLOCK):
        total = vectors[rows].astype(np.float64)
        for place, weight in zip(places[rows].T, weights[rows].T, strict=True):
            total += weight[:, None] * index_vectors[place]
        found[rows] = normalised_or_zero(total)
    lost = ~found.any(axis=1)
    found[lost] = vectors[lost]
    return found
