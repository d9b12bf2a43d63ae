"""What fewer dimensions and fewer bits lose."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from radcbir.analyses.variants import DEPTH, neighbors_of, recall
from radcbir.core.logs import Progress
from radcbir.retrieval import reduction
from radcbir.retrieval.approximate import similarities
from radcbir.retrieval.exact import exact_searcher

DIMENSIONS = (16, 32, 64, 128, 256, 512, 1024)


def dimension_fidelity(
    ids: np.ndarray, vectors: np.ndarray, query_ids: np.ndarray, queries: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reduced and more tightly stored unit vectors ``(n, d)`` against what they come from, searched
    exactly.

    Returns variant, method, storage, dimension, bytes_per_vector, explained_variance (of PCA),
    overlap_at_10 (the recall of the original's first 10); and variant, query, rank, neighbor.
    Methods: ``none``; ``centered``, the index's mean taken off; ``cut``, the first dimensions;
    ``pca`` and ``pca_whitened``. What is fitted is fitted on the index alone.
    """
    positions, exact = exact_searcher(vectors)(queries, DEPTH)
    components = (
        reduction.principal_components(vectors)
        if len(ids) > 1 and np.ptp(vectors, axis=0).any()
        else None
    )
    variants = list(_reductions(vectors, queries, components))
    progress = Progress(len(variants), "ways to store")
    rows, neighbors = [], []
    for method, storage, reduced, asked in variants:
        width = reduced.shape[1]
        variant = f"{method} {width} {storage}"
        found = positions
        if (method, storage) != ("none", "float32"):
            kept = reduction.stored(reduced, storage)
            found, _ = exact_searcher(kept)(reduction.compared(asked, reduced, storage), DEPTH)
        scores = similarities(vectors, queries, found)
        explained = np.nan
        if components is not None and method.startswith("pca"):
            explained = float(components.variances[:width].sum() / components.total_variance)
        rows.append(
            {
                "variant": variant,
                "method": method,
                "storage": storage,
                "dimension": width,
                "bytes_per_vector": reduction.bytes_per_vector(width, storage),
                "explained_variance": explained,
                "overlap_at_10": recall(scores, exact, min(DEPTH, len(ids))),
            }
        )
        neighbors.append(neighbors_of(variant, ids, query_ids, found))
        progress.advance()
    return pd.DataFrame(rows), pd.concat(neighbors, ignore_index=True)


def _reductions(
    vectors: np.ndarray, queries: np.ndarray, components: reduction.PrincipalComponents | None
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Method, storage, index vectors and queries of each variant; the original comes first."""
    for storage in reduction.STORAGE_BITS:
        yield "none", storage, vectors, queries
    if components is None:
        return
    yield "centered", "float32", vectors - components.mean, queries - components.mean
    for width in DIMENSIONS:
        if width < vectors.shape[1]:
            yield "cut", "float32", vectors[:, :width], queries[:, :width]
    widths = sorted({*(width for width in DIMENSIONS if width < components.rank), components.rank})
    for width in widths:
        reduced, asked = (components.transform(each, width) for each in (vectors, queries))
        yield "pca", "float32", reduced, asked
        yield "pca", "int8", reduced, asked
        deviations = np.sqrt(components.variances[:width])
        yield "pca_whitened", "float32", reduced / deviations, asked / deviations
