"""The shape of an embedding space: how classes lie in it, how many of its directions are used, and
who becomes a hub.

Vectors are unit vectors. What is a sum over images or pairs is exact for any number of images,
block by block; what needs pairs one by one is taken over the images with the smallest ids. Ids are
digests, so that this is a random draw, and one that is the same for every model and hardly moves
when images are added.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import log_ndtr

from radcbir.core.vectors import normalised_or_zero
from radcbir.retrieval.joined import Neighborhood

NEIGHBORS = 10

ROWS_PER_BLOCK = 1024

SMALLEST_DISTANCE = 1e-6
"""Two vectors closer than this are one image twice: storage in float32 tells them no further
apart."""


def nearest_within(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Per vector, its k nearest others: positions ``(n, k)`` and cosine similarities ``(n, k)``,
    best first.
    """
    unit = normalised_or_zero(vectors)
    positions, similarities = [], []
    for start in range(0, len(unit), ROWS_PER_BLOCK):
        block = unit[start : start + ROWS_PER_BLOCK] @ unit.T
        rows = np.arange(len(block))
        block[rows, start + rows] = -np.inf
        best = top(block, k)
        positions.append(best)
        similarities.append(np.take_along_axis(block, best, axis=1))
    return np.concatenate(positions), np.concatenate(similarities)


def occurrences(neighbors: np.ndarray, index_images: int) -> np.ndarray:
    """k-occurrence ``(n,)``: how often each index image, a position, stands in the ``neighbors``
    (any shape).
    """
    return np.bincount(neighbors.ravel(), minlength=index_images)


def skewness(counts: np.ndarray) -> float:
    """Third standardised moment of the k-occurrences: hubness (Radovanovic et al., JMLR 2010). NaN
    where all are equal.
    """
    centered = counts - counts.mean()
    spread = (centered**2).mean()
    return float((centered**3).mean() / spread**1.5) if spread > 0 else np.nan


def skewness_by_chance(queries: int, index_images: int, k: int) -> float:
    """The skewness of k-occurrences where each query draws its k neighbors at random: that of a
    binomial law.
    """
    p = k / index_images
    return float((1 - 2 * p) / np.sqrt(queries * p * (1 - p))) if 0 < p < 1 and queries else np.nan


def anti_hubs_by_chance(queries: int, index_images: int, k: int) -> float:
    """The share of index images that no query finds where each draws its k neighbors at random."""
    return float((1 - k / index_images) ** queries)


def remedies(queries: np.ndarray, index: np.ndarray, k: int = NEIGHBORS) -> dict[str, np.ndarray]:
    """Similarities ``(q, n)`` of query and index vectors, plain and by each known remedy for hubs.

    What a remedy has to know it takes from the index alone, never from other queries:

    - ``none``: the cosine similarity s;
    - ``centering``: s after the mean of the index is taken off (Suzuki et al., EMNLP 2013);
    - ``local_scaling``: -d^2 / (sigma_q sigma_x), sigma the distance to the k-th neighbor
      (Zelnik-Manor & Perona, 2004);
    - ``mutual_proximity``: log F_q(s) + log F_x(s), F the normal law of an image's similarities to
      the index (Schnitzer et al., JMLR 2012, Gaussian and independent);
    - ``csls``: 2 s - r_q - r_x, r the mean similarity to the k nearest (Conneau et al., ICLR 2018).

    With a single index image there is nothing to learn from: only ``none``.
    """
    queries, index = normalised_or_zero(queries), normalised_or_zero(index)
    similarity = queries @ index.T
    if len(index) < 2:
        return {"none": similarity}
    k = min(k, len(index) - 1)
    mean, outer = index.mean(axis=0), index.T @ index / len(index)
    near_query = np.take_along_axis(similarity, top(similarity, k), axis=1)
    near_index = nearest_within(index, k)[1]
    centered = normalised_or_zero(queries - mean) @ normalised_or_zero(index - mean).T
    scale = [
        np.sqrt(np.maximum(2 - 2 * near[:, -1], SMALLEST_DISTANCE**2))
        for near in (near_query, near_index)
    ]
    laws = []
    for vectors in (queries, index):
        center = vectors @ mean
        spread = np.sqrt(
            np.maximum(np.einsum("nd,nd->n", vectors @ outer, vectors) - center**2, 1e-12)
        )
        laws.append((center, spread))
    (query_center, query_spread), (index_center, index_spread) = laws
    return {
        "none": similarity,
        "centering": centered,
        "local_scaling": (2 * similarity - 2) / (scale[0][:, None] * scale[1]),
        "mutual_proximity": log_ndtr((similarity - query_center[:, None]) / query_spread[:, None])
        + log_ndtr((similarity - index_center) / index_spread),
        "csls": 2 * similarity - near_query.mean(axis=1)[:, None] - near_index.mean(axis=1),
    }


def hubness_of_remedies(
    queries: np.ndarray,
    query_labels: np.ndarray,
    index: np.ndarray,
    index_labels: np.ndarray,
    k: int = NEIGHBORS,
) -> pd.DataFrame:
    """P@1, skewness and share of anti-hubs by each of :func:`remedies`, one row each; queries
    without a relevant image stand in no P@1.
    """
    answerable = np.isin(query_labels, index_labels)
    rows = []
    for name, similarity in remedies(queries, index, k).items():
        found = top(similarity, min(k, len(index)))
        counts = occurrences(found, len(index))
        right = (index_labels[found[:, 0]] == query_labels)[answerable]
        rows.append(
            {
                "remedy": name,
                "precision_at_1": float(right.mean()) if len(right) else np.nan,
                "skewness": skewness(counts),
                "anti_hubs": float((counts == 0).mean()),
                "queries": int(answerable.sum()),
                "index_images": len(index),
            }
        )
    return pd.DataFrame(rows)


def hubness_table(hood: Neighborhood, k: int = NEIGHBORS) -> pd.DataFrame:
    """Hubness of the first k neighbors in a neighbor table, beside what chance gives: measure,
    level, value, images.
    """
    lengths = np.diff(hood.offsets)
    rank = np.arange(len(hood.neighbors)) - np.repeat(hood.offsets[:-1], lengths)
    size = len(hood.index)
    counts = occurrences(np.searchsorted(hood.index, hood.neighbors[rank < k]), size)
    k = min(k, size)
    values: Mapping[str, float] = {
        "hubness_skewness": skewness(counts),
        "hubness_skewness_by_chance": skewness_by_chance(len(hood.queries), size, k),
        "anti_hubs": float((counts == 0).mean()),
        "anti_hubs_by_chance": anti_hubs_by_chance(len(hood.queries), size, k),
        "largest_hub": float(counts.max(initial=0) / max(len(hood.queries), 1)),
    }
    rows = [(measure, "", value, size) for measure, value in values.items()]
    return pd.DataFrame(rows, columns=["measure", "level", "value", "images"])


def top(values: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k largest values of each row, largest first, ties by column."""
    k = min(k, values.shape[1])
    best = np.sort(np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(values, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)
