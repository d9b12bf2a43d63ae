"""Fewer or smaller numbers per vector: principal components, whitening, cuts, and storage in fewer
bits.

Whatever is fitted (a mean, components, ranges of values) is fitted on the images of the index
alone; queries are brought into the same space. Reduced vectors are brought to length one again, so
that scores stay cosine similarities.
"""

from dataclasses import dataclass

import numpy as np

ROWS_PER_BLOCK = 65536

STORAGE_BITS = {"float32": 32, "float16": 16, "int8": 8, "binary": 1}
"""How a number of an index vector may be kept -> bits per number; queries stay in float32."""

RANK_TOLERANCE = 1e-9
"""A component with less than this share of the first one's variance is rounding, not data."""


@dataclass(frozen=True)
class PrincipalComponents:
    """Principal components of a set of vectors."""

    mean: np.ndarray
    """``(d,)`` float64."""
    components: np.ndarray
    """``(r, d)`` float64, orthonormal rows by falling variance; r is the rank."""
    variances: np.ndarray
    """``(r,)`` float64: the variance along each component, with the denominator n - 1."""
    total_variance: float

    @property
    def rank(self) -> int:
        """How many components there are."""
        return len(self.variances)

    def transform(self, vectors: np.ndarray, dimension: int, whiten: bool = False) -> np.ndarray:
        """Vectors ``(n, d)`` -> their first ``dimension`` components ``(n, dimension)``, float32.

        ``whiten`` divides each component by its standard deviation. Raises :class:`ValueError`
        beyond the rank.
        """
        if not 1 <= dimension <= self.rank:
            raise ValueError(f"{dimension} components are wanted, there are {self.rank}")
        axes = self.components[:dimension]
        if whiten:
            axes = axes / np.sqrt(self.variances[:dimension, None])
        parts = [(vectors[rows] - self.mean) @ axes.T for rows in _blocks(len(vectors))]
        return np.concatenate([each.astype(np.float32) for each in parts])


def mean_and_covariance(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(d,)`` and covariance ``(d, d)``, with the denominator n, of vectors ``(n, d)``, in
    double precision.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((vectors.shape[1],) * 2)
    for rows in _blocks(len(vectors)):
        centered = vectors[rows] - mean
        covariance += centered.T @ centered
    return mean, covariance / len(vectors)


def principal_components(vectors: np.ndarray) -> PrincipalComponents:
    """The principal components of vectors ``(n, d)``, n > 1, from their covariance matrix, in
    double precision.

    The sign of a component is the one that makes its largest entry positive. Raises
    :class:`ValueError` where all vectors are the same.
    """
    mean, covariance = mean_and_covariance(vectors)
    covariance *= len(vectors) / max(1, len(vectors) - 1)
    variances, components = np.linalg.eigh(covariance)
    variances, components = variances[::-1], components.T[::-1]
    rank = min(int((variances > RANK_TOLERANCE * variances[0]).sum()), len(vectors) - 1)
    if variances[0] <= 0 or rank < 1:
        raise ValueError("vectors that are all the same have no principal components")
    components = components[:rank]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return PrincipalComponents(
        mean, components * np.sign(largest), variances[:rank], float(np.trace(covariance))
    )


def stored(vectors: np.ndarray, storage: str) -> np.ndarray:
    """What is left of vectors ``(n, d)`` after they were kept in one of :data:`STORAGE_BITS`, as
    float32 of length one.

    ``int8`` cuts the range of each dimension into 255 steps; ``binary`` keeps on which side of its
    mean each number is.
    """
    if storage == "float16":
        vectors = vectors.astype(np.float16)
    elif storage == "int8":
        low = vectors.min(axis=0)
        step = (vectors.max(axis=0) - low) / 255
        step[step == 0] = 1
        vectors = np.round((vectors - low) / step).astype(np.uint8) * step + low
    elif storage == "binary":
        vectors = np.where(vectors > vectors.mean(axis=0, dtype=np.float64), 1, -1)
    return unit_rows(vectors)


def compared(queries: np.ndarray, vectors: np.ndarray, storage: str) -> np.ndarray:
    """Queries ``(q, d)`` in the space of the :func:`stored` vectors ``(n, d)``, of length one.

    What ``binary`` stores is taken around the mean of the index: it is taken off the queries, too.
    """
    if storage == "binary":
        queries = queries - vectors.mean(axis=0, dtype=np.float64)
    return unit_rows(queries)


def bytes_per_vector(dimension: int, storage: str) -> int:
    """How many bytes a stored vector takes."""
    return -(-dimension * STORAGE_BITS[storage] // 8)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """The rows of ``(n, d)`` brought to length one, as float32; rows of zeros stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))[:, None]
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + ROWS_PER_BLOCK) for start in range(0, count, ROWS_PER_BLOCK)]
