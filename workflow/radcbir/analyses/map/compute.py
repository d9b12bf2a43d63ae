"""A map of the embedding space: images as dots in two dimensions."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

PERPLEXITY = 30

PCA_DIMENSIONS = 50


def choose_images(catalog: pd.DataFrame, count: int) -> np.ndarray:
    """The ids of ``count`` images of the pooled catalog, or of all: the smallest, a random draw
    since ids are digests.
    """
    return np.sort(catalog["id"].to_numpy(np.int64))[:count]


def coordinates(vectors: np.ndarray) -> np.ndarray:
    """t-SNE of unit vectors ``(n, d)`` to the plane ``(n, 2)``, scaled to -1 .. 1 (van der Maaten &
    Hinton, JMLR 2008).

    Starts from the principal components and runs on one thread, so that the same vectors give the
    same map.
    """
    count = len(vectors)
    if count < 3:
        return np.linspace([-1.0, 0.0], [1.0, 0.0], count) if count > 1 else np.zeros((count, 2))
    vectors = vectors.astype(np.float64)
    with threadpool_limits(1):
        width = min(PCA_DIMENSIONS, *vectors.shape)
        if width < 2 or not np.ptp(vectors, axis=0).any():
            return np.zeros((count, 2))
        reduced = PCA(width, svd_solver="full").fit_transform(vectors)
        found = TSNE(
            perplexity=min(PERPLEXITY, (count - 1) / 3), init="pca", random_state=0, n_jobs=1
        ).fit_transform(reduced)
    found = found - (found.max(axis=0) + found.min(axis=0)) / 2
    return found / np.abs(found).max()
