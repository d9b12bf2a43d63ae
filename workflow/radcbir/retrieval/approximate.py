"""Indexes that trade exactness for size or speed: IVF, HNSW, scalar and product quantisation, of
FAISS.

What they find is searched again exactly: an index proposes candidates, the stored vectors give
their cosine similarity. Building uses one thread, since k-means and HNSW give other results with
other numbers of threads, and searching avoids the matrix products whose rounding depends on it: the
same vectors give the same index and the same neighbors.

Douze et al., The Faiss library, arXiv:2401.08281; Jegou, Douze, Schmid, Product quantization for
nearest neighbor search, TPAMI 2011; Malkov and Yashunin, HNSW, TPAMI 2020.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from radcbir.core.logs import logger
from radcbir.core.vectors import unit_vectors
from radcbir.retrieval.exact import MARGIN
from radcbir.retrieval.index_file import empty_index, read_index, write_index
from radcbir.retrieval.neighbor_table import Queries, query_blocks, table_of

if TYPE_CHECKING:
    import faiss

CLASSES = {
    "ivf": "IndexIVFFlat",
    "hnsw": "IndexHNSWFlat",
    "sq8": "IndexScalarQuantizer",
    "pq": "IndexPQ",
    "ivf_pq": "IndexIVFPQ",
}
"""Type of index in the configuration -> FAISS class."""

DEFAULTS = {
    "links": 32,
    "ef_construction": 200,
    "bytes": 64,
    "nprobe": 16,
    "ef_search": 128,
    "refine": 4,
}
"""Parameters that the configuration leaves open; ``nlist`` is the square root of the number of
images."""

IMAGES_PER_LIST = 39
"""Fewer training images per list than this, and FAISS calls the lists badly trained."""

CENTROID_BITS = 8

GATHERED_NUMBERS = 131_072
"""How many numbers of candidates' vectors are gathered at a time: 1 MB in double precision, which a
processor keeps in its cache."""

GATHERING = 4
"""All vectors are multiplied where a query has more than one candidate among so many: gathering costs
more per vector than a product does."""

SMALL_INDEX = 20_000
"""Up to so many vectors are kept in double precision for a product with all of them."""


def resolve(settings: Mapping, images: int, dimension: int) -> tuple[dict, list[str]]:
    """The parameters of an index of ``images`` vectors, every one of them a number, and what had to
    be clamped, in words.

    ``settings`` are ``type`` and the parameters that the user chose. ``centroid_bits`` (of PQ)
    follows from the number of images: 2^bits centroids need as many images.
    """
    kind, notes = settings["type"], []
    parameters = {"type": kind}

    def take(name: str, wanted: int, limit: int, why: str) -> None:
        parameters[name] = max(1, min(wanted, limit))
        if parameters[name] != wanted:
            notes.append(f"{name} {wanted} became {parameters[name]}: {why}")

    if kind in ("ivf", "ivf_pq"):
        wanted = settings.get("nlist") or round(images**0.5)
        take(
            "nlist",
            wanted,
            images // IMAGES_PER_LIST,
            f"{images} images, at least {IMAGES_PER_LIST} per list",
        )
        take(
            "nprobe",
            settings.get("nprobe", DEFAULTS["nprobe"]),
            parameters["nlist"],
            "there are no more lists",
        )
    if kind in ("pq", "ivf_pq"):
        wanted = settings.get("bytes", DEFAULTS["bytes"])
        divisor = max(
            each for each in range(1, min(wanted, dimension) + 1) if dimension % each == 0
        )
        take("bytes", wanted, divisor, f"it has to divide the dimension, {dimension}")
        take(
            "centroid_bits",
            CENTROID_BITS,
            max(1, images.bit_length() - 1),
            f"{images} images train no more",
        )
    if kind == "hnsw":
        for name in ("links", "ef_construction", "ef_search"):
            parameters[name] = settings.get(name, DEFAULTS[name])
    if kind in ("sq8", "pq", "ivf_pq"):
        parameters["refine"] = settings.get("refine", DEFAULTS["refine"])
    return parameters, notes


def make_index(settings: Mapping, ids: np.ndarray, vectors: np.ndarray) -> faiss.IndexIDMap2:
    """Train an index on all the vectors ``(n, d)``, which are of length 1, and add them under their
    ids ``(n,)``.
    """
    import faiss

    images, dimension = vectors.shape
    chosen, notes = resolve(settings, images, dimension)
    for note in notes:
        logger.info("%s: %s", settings["type"], note)
    metric = faiss.METRIC_INNER_PRODUCT
    match chosen["type"]:
        case "ivf":
            index = faiss.IndexIVFFlat(
                faiss.IndexFlatIP(dimension), dimension, chosen["nlist"], metric
            )
        case "hnsw":
            index = faiss.IndexHNSWFlat(dimension, chosen["links"], metric)
            index.hnsw.efConstruction = chosen["ef_construction"]
        case "sq8":
            index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, metric)
        case "pq":
            index = faiss.IndexPQ(dimension, chosen["bytes"], chosen["centroid_bits"], metric)
        case "ivf_pq":
            quantizer = faiss.IndexFlatIP(dimension)
            index = faiss.IndexIVFPQ(
                quantizer,
                dimension,
                chosen["nlist"],
                chosen["bytes"],
                chosen["centroid_bits"],
                metric,
            )
    for clustering in [getattr(index, "cp", None), getattr(getattr(index, "pq", None), "cp", None)]:
        if clustering is not None:
            clustering.min_points_per_centroid = 1  # a small index is no mistake, and said above
    with _one_thread():
        if not index.is_trained:
            index.train(vectors)
        outer = faiss.IndexIDMap2(index)
        outer.add_with_ids(vectors, np.ascontiguousarray(ids, dtype=np.int64))
    return outer


def index_bytes(index: faiss.IndexIDMap2) -> int:
    """How many bytes the index takes as a file, ids included."""
    import faiss

    return len(faiss.serialize_index(index))


def build_approximate_index(
    path: str | Path,
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
    dimension: int,
    settings: Mapping,
) -> int:
    """Write an approximate index and return how many images it has; arguments and errors as for
    ``build_index``.
    """
    parts = [(np.asarray(ids), unit_vectors(vectors, dimension, ids)) for ids, vectors in blocks]
    if not sum(len(ids) for ids, _ in parts):
        raise empty_index(Path(path).stem)
    ids, vectors = (np.concatenate(each) for each in zip(*parts, strict=True))
    return write_index(path, make_index(settings, ids, vectors))


class ApproximateSearch:
    """An approximate index together with the vectors that it was built from."""

    def __init__(
        self, index: faiss.IndexIDMap2, settings: Mapping, ids: np.ndarray, vectors: np.ndarray
    ):
        """``vectors`` ``(n, d)`` are those of the index, of length 1; ``ids`` ``(n,)`` are their
        images, in any order.

        Raises :class:`ValueError` where the index has other ids.
        """
        import faiss

        self.index, self.inner = index, faiss.downcast_index(index.index)
        self.ids = faiss.vector_to_array(index.id_map)
        order = np.argsort(ids)
        place = order[np.minimum(np.searchsorted(ids, self.ids, sorter=order), len(ids) - 1)]
        if len(ids) != len(self.ids) or not np.array_equal(ids[place], self.ids):
            raise ValueError(
                "the index holds other images than those whose vectors are given: build it again"
            )
        self.vectors = vectors if np.array_equal(place, np.arange(len(ids))) else vectors[place]
        self.parameters, _ = resolve(settings, len(self.ids), index.d)
        self.completed = 0
        """How many queries the index had too few neighbors for, so that all images were
        compared."""

    def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
        """Positions ``(q, count)`` that the index proposes, best first by its own score; -1 where
        it has no more.
        """
        import faiss

        match self.parameters["type"]:
            case "ivf":
                options = faiss.SearchParametersIVF(nprobe=self.parameters["nprobe"])
            case "ivf_pq":
                options = faiss.IVFPQSearchParameters(nprobe=self.parameters["nprobe"])
            case "hnsw":
                options = faiss.SearchParametersHNSW(
                    efSearch=max(self.parameters["ef_search"], count)
                )
            case _:
                options = None
        with _rounding_apart_from_threads():
            return self.inner.search(queries, min(count, len(self.ids)), params=options)[1]

    def found(self, queries: np.ndarray, k: int) -> np.ndarray:
        """The neighbors ``(q, k)`` that the index finds by itself, as positions; -1 where it finds
        fewer.

        With ``refine`` beyond 1 they are the best k of ``refine`` x k candidates by exact
        similarity.
        """
        refine = self.parameters.get("refine", 1)
        positions = self.candidates(queries, k * refine)
        return self._rescored(queries, positions, k)[0] if refine > 1 else positions

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``(q, k)`` and cosine similarities ``(q, k)`` of the best candidates, by
        falling score, then by id.

        A query for which the index proposes fewer than k images is compared with all of them.
        """
        count = min(k * self.parameters.get("refine", 1) + MARGIN, len(self.ids))
        positions = self.candidates(queries, count)
        short = np.flatnonzero((positions >= 0).sum(axis=1) < k)
        self.completed += len(short)
        for start in range(0, len(short), 64):
            rows = short[start : start + 64]
            scores = queries[rows] @ self.vectors.T
            positions[rows] = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        return self._rescored(queries, positions, k)

    def _rescored(
        self, queries: np.ndarray, positions: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best k of the candidates ``(q, c)`` by exact similarity, computed in double
        precision; -1 comes last.
        """
        scores = similarities(self.vectors, queries, positions)
        order = np.lexsort((self.ids[positions], -scores))[:, :k]
        return np.take_along_axis(positions, order, axis=1), np.take_along_axis(
            scores, order, axis=1
        )


def similarities(vectors: np.ndarray, queries: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Cosine similarities ``(q, c)`` of each query ``(q, d)`` with the vectors ``(n, d)`` at its
    positions ``(q, c)``.

    Computed in double precision and kept as float32; minus infinity at the position -1.
    """
    scores = np.empty(positions.shape, dtype=np.float32)
    count, dimension = positions.shape[1], queries.shape[1]
    if len(vectors) <= SMALL_INDEX and count * GATHERING > len(vectors):
        doubles = vectors.astype(np.float64)
        for part in query_blocks(len(queries)):
            products = queries[part].astype(np.float64) @ doubles.T
            scores[part] = np.take_along_axis(products, positions[part].clip(0), axis=1)
    else:
        for part in query_blocks(len(queries), max(1, GATHERED_NUMBERS // (count * dimension))):
            gathered = vectors[positions[part]].astype(np.float64)
            scores[part] = np.einsum("qcd,qd->qc", gathered, queries[part].astype(np.float64))
    scores[positions < 0] = -np.inf
    return scores


def approximate_neighbor_table(
    path: str | Path,
    settings: Mapping,
    index_ids: np.ndarray,
    index_vectors: np.ndarray,
    queries: Queries,
) -> pa.Table:
    """The table of :func:`radcbir.retrieval.exact.neighbor_table`, from an approximate index and
    the vectors that it was built from.

    The metadata say which index it was (``index``, and its parameters).
    """
    index = read_index(path, CLASSES[settings["type"]])
    searcher = ApproximateSearch(index, settings, index_ids, index_vectors)
    vectors = unit_vectors(queries.vectors, index.d, queries.ids)
    described = {
        "index": " ".join(f"{name}={value}" for name, value in searcher.parameters.items())
    }
    table = table_of(
        lambda block, depth: searcher.nearest(vectors[block], depth),
        searcher.ids,
        queries,
        described,
    )
    if searcher.completed:
        logger.info(
            "%d of %d queries: too few neighbors from the index, so that all images were compared",
            searcher.completed,
            len(queries.ids),
        )
    return table


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


@contextlib.contextmanager
def _rounding_apart_from_threads() -> Iterator[None]:
    """Compare queries with the centers of lists one by one: a matrix product rounds by how threads
    share it.
    """
    import faiss

    threshold = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 1 << 30
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = threshold
