"""How much is lost by searching or storing vectors more cheaply: indexes against the exact one, fewer dimensions, fewer bits.

Each way to do it is a *variant*. A variant's first :data:`DEPTH` neighbors are kept by image, without labels, so that an
edited label builds no index again; :func:`variant_precision` puts labels to them.
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir import reduction, search
from radcbir.approximate import CLASSES, ApproximateSearch, index_bytes, make_index, resolve, similarities
from radcbir.logs import Progress
from radcbir.metrics import capped_precision

QUERIES = 2000
"""So many queries are asked of every variant, evenly spread over all by id: enough to tell shares of a percent apart."""

DEPTH = 10
RECALL_AT = (1, 10, 100)
PRECISION_AT = (1, 10)
DIMENSIONS = (16, 32, 64, 128, 256, 512, 1024)
SECONDS_PER_TIMING = 0.1
EXACT = "flat"
"""The variant that the others are compared with."""


def sampled(ids: np.ndarray, vectors: np.ndarray, count: int = QUERIES) -> tuple[np.ndarray, np.ndarray]:
    """``count`` of the ids ``(n,)`` with their vectors ``(n, d)``, evenly spread in the order given; all if fewer."""
    if len(ids) <= count:
        return ids, vectors
    rows = np.linspace(0, len(ids) - 1, count).round().astype(np.int64)
    return ids[rows], vectors[rows]


def recall(found: np.ndarray, exact: np.ndarray, k: int) -> float:
    """Recall@k: the mean share of a query's first k that are as near as the k nearest.

    ``found`` and ``exact`` ``(q, >= k)`` are exact similarities of what was found and of the true nearest, minus infinity
    where nothing was found. An image that ties with the k-th nearest counts (Aumuller et al., ANN-Benchmarks, 2020).
    NaN where the index holds fewer than k images.
    """
    if exact.shape[1] < k:
        return float("nan")
    return float((found[:, :k] >= exact[:, k - 1 : k] - search.NEAR_TIE).sum() / (len(exact) * k))


# --- indexes --------------------------------------------------------------------------------------------------------


def sweep(kind: str, images: int, dimension: int) -> Iterator[tuple[str, int]]:
    """The search parameter of a type of index and its values along the curve, for an index of ``images`` vectors."""
    match kind:
        case "ivf" | "ivf_pq":
            lists = resolve({"type": kind}, images, dimension)[0]["nlist"]
            yield from (("nprobe", value) for value in _multiples(1, lists, 2 if kind == "ivf" else 4))
        case "hnsw":
            yield from (("ef_search", value) for value in _multiples(DEPTH, min(images, 64 * DEPTH), 2))
        case _:
            yield from (("refine", value) for value in (1, 4, 16))


def index_fidelity(
    ids: np.ndarray,
    vectors: np.ndarray,
    query_ids: np.ndarray,
    queries: np.ndarray,
    kinds: Sequence[str] = tuple(CLASSES),
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Approximate indexes of unit vectors ``(n, d)`` against the exact one, along the search parameter of each.

    Returns three tables:

    - variant, type, parameter, value, recall_at_1, recall_at_10, recall_at_100, index_bytes, bytes_per_vector, clamped;
    - variant, query, rank, neighbor: what is found, :data:`DEPTH` deep;
    - variant, build_seconds, queries_per_second (of a search for 10 neighbors), machine.

    The first two depend on the vectors alone, the third on the machine and the moment. Recall@1 and @10 are those of a
    search for 10 neighbors, recall@100 that of one for 100; what an index does not find counts as wrong.
    """
    depth, images = min(max(RECALL_AT), len(ids)), len(ids)
    nearest = search.exact_searcher(vectors)
    positions, exact = nearest(queries, depth)
    rows = [_fidelity(EXACT, "", 0, [recall(exact, exact, k) for k in RECALL_AT], images, 4 * vectors.size, "")]
    neighbors = [_neighbors(EXACT, ids, query_ids, positions)]
    timings = [(EXACT, 0.0, _queries_per_second(nearest, queries))]
    progress = Progress(len(kinds), "indexes")
    for kind in kinds:
        start = time.perf_counter()
        index = make_index({"type": kind}, ids, vectors)
        seconds = time.perf_counter() - start
        size, clamped = index_bytes(index), "; ".join(resolve({"type": kind, "nprobe": 1}, *vectors.shape)[1])
        for parameter, value in sweep(kind, *vectors.shape):
            searcher = ApproximateSearch(index, {"type": kind, parameter: value}, ids, vectors)
            shallow, deep = (searcher.found(queries, min(k, images)) for k in (DEPTH, depth))
            scores = similarities(vectors, queries, shallow)
            recalls = [recall(scores, exact, k) for k in RECALL_AT[:2]]
            recalls.append(recall(similarities(vectors, queries, deep), exact, RECALL_AT[2]))
            variant = f"{kind} {parameter}={value}"
            rows.append(_fidelity(variant, parameter, value, recalls, images, size, clamped))
            neighbors.append(_neighbors(variant, ids, query_ids, shallow))
            timings.append((variant, seconds, _queries_per_second(searcher.found, queries)))
        progress.advance()
    speeds = pd.DataFrame(timings, columns=["variant", "build_seconds", "queries_per_second"])
    return pd.DataFrame(rows), pd.concat(neighbors, ignore_index=True), speeds.assign(machine=machine())


def machine() -> str:
    """The processor that timings are of."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _fidelity(
    variant: str, parameter: str, value: int, recalls: Sequence[float], images: int, size: int, clamped: str
) -> dict:
    return {
        "variant": variant,
        "type": variant.split(" ")[0],
        "parameter": parameter,
        "value": value,
        **{f"recall_at_{k}": each for k, each in zip(RECALL_AT, recalls, strict=True)},
        "index_images": images,
        "index_bytes": size,
        "bytes_per_vector": size / images,
        "clamped": clamped,
    }


def _neighbors(variant: str, ids: np.ndarray, query_ids: np.ndarray, positions: np.ndarray) -> pd.DataFrame:
    """Rows variant, query, rank, neighbor of the positions ``(q, c)``, :data:`DEPTH` deep, without those not found."""
    positions = positions[:, :DEPTH]
    rows, ranks = np.nonzero(positions >= 0)
    found = {"query": query_ids[rows], "rank": (ranks + 1).astype(np.int32), "neighbor": ids[positions[rows, ranks]]}
    return pd.DataFrame({"variant": pd.Categorical([variant] * len(rows)), **found})


def _queries_per_second(find: Callable[[np.ndarray, int], object], queries: np.ndarray) -> float:
    """The best of repeated searches for 10 neighbors of all the queries."""
    best, spent = np.inf, 0.0
    while spent < SECONDS_PER_TIMING:
        start = time.perf_counter()
        find(queries, DEPTH)
        seconds = time.perf_counter() - start
        best, spent = min(best, seconds), spent + seconds
    return len(queries) / best


def _multiples(first: int, last: int, factor: int) -> list[int]:
    """first, ``factor`` times first, ... and last."""
    values = [first]
    while values[-1] * factor < last:
        values.append(values[-1] * factor)
    return [*values, last] if last > values[-1] else values


# --- dimensions and storage -----------------------------------------------------------------------------------------


def dimension_fidelity(
    ids: np.ndarray, vectors: np.ndarray, query_ids: np.ndarray, queries: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reduced and more tightly stored unit vectors ``(n, d)`` against what they come from, searched exactly.

    Returns variant, method, storage, dimension, bytes_per_vector, explained_variance (of PCA), overlap_at_10 (the recall
    of the original's first 10); and variant, query, rank, neighbor. Methods: ``none``; ``centered``, the index's mean
    taken off; ``cut``, the first dimensions; ``pca`` and ``pca_whitened``. What is fitted is fitted on the index alone.
    """
    positions, exact = search.exact_searcher(vectors)(queries, DEPTH)
    components = reduction.principal_components(vectors) if len(ids) > 1 and np.ptp(vectors, axis=0).any() else None
    variants = list(_reductions(vectors, queries, components))
    progress = Progress(len(variants), "ways to store")
    rows, neighbors = [], []
    for method, storage, reduced, asked in variants:
        width = reduced.shape[1]
        variant = f"{method} {width} {storage}"
        found = positions
        if (method, storage) != ("none", "float32"):
            kept = reduction.stored(reduced, storage)
            found, _ = search.exact_searcher(kept)(reduction.unit_rows(asked), DEPTH)
        scores = similarities(vectors, queries, found)
        explained = np.nan
        if method.startswith("pca"):
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
        neighbors.append(_neighbors(variant, ids, query_ids, found))
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


# --- labels ---------------------------------------------------------------------------------------------------------


def variant_precision(neighbors: pd.DataFrame, labels: pd.Series, relevant: pd.Series, reference: str) -> pd.DataFrame:
    """P@1 and P@10 of every variant (capped, mean over queries), and their change against the variant ``reference``.

    ``neighbors`` has the columns variant, query, rank, neighbor; ``labels`` maps an image to its label, ``relevant`` a
    query to the number of index images with its label. Queries that nothing can answer are left out. Returns variant,
    queries, precision_at_1, change_in_precision_at_1, and so on.
    """
    asked = pd.Index(neighbors["query"].unique())
    answerable = asked[relevant.reindex(asked).to_numpy() > 0]
    available = relevant.reindex(answerable).to_numpy(np.int64)
    rows = []
    for variant, found in neighbors.groupby("variant", sort=False, observed=True):
        place = answerable.get_indexer(found["query"])
        found, place = found[place >= 0], place[place >= 0]
        relevance = np.zeros((len(answerable), DEPTH), dtype=bool)
        right = labels.reindex(found["neighbor"]).to_numpy() == labels.reindex(found["query"]).to_numpy()
        relevance[place, found["rank"].to_numpy() - 1] = right
        row = {"variant": variant, "queries": len(answerable)}
        for k in PRECISION_AT:
            values = capped_precision(relevance, available, k)
            row[f"precision_at_{k}"] = float(values.mean()) if len(values) else np.nan
        rows.append(row)
    table = pd.DataFrame(rows)
    for k in PRECISION_AT:
        values = table.set_index("variant")[f"precision_at_{k}"]
        table[f"change_in_precision_at_{k}"] = (values - values[reference]).to_numpy()
    return table
