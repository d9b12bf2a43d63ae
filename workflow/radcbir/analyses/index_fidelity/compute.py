"""What approximate indexes lose against the exact one, and how fast they are."""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.analyses.variants import DEPTH, RECALL_AT, neighbors_of, recall
from radcbir.core.logs import Progress
from radcbir.retrieval.approximate import (
    CLASSES,
    ApproximateSearch,
    index_bytes,
    make_index,
    resolve,
    similarities,
)
from radcbir.retrieval.exact import exact_searcher
from radcbir.retrieval.gpu.search import search_device

SECONDS_PER_TIMING = 0.1

EXACT = "flat"
"""The variant that the others are compared with."""


def sweep(kind: str, images: int, dimension: int) -> Iterator[tuple[str, int]]:
    """The search parameter of a type of index and its values along the curve, for an index of
    ``images`` vectors.
    """
    match kind:
        case "ivf" | "ivf_pq":
            lists = resolve({"type": kind}, images, dimension)[0]["nlist"]
            yield from (
                ("nprobe", value) for value in _multiples(1, lists, 2 if kind == "ivf" else 4)
            )
        case "hnsw":
            yield from (
                ("ef_search", value) for value in _multiples(DEPTH, min(images, 64 * DEPTH), 2)
            )
        case _:
            yield from (("refine", value) for value in (1, 4, 16))


def index_fidelity(
    ids: np.ndarray,
    vectors: np.ndarray,
    query_ids: np.ndarray,
    queries: np.ndarray,
    kinds: Sequence[str] = tuple(CLASSES),
    device: str = "cpu",
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Approximate indexes of unit vectors ``(n, d)`` against the exact one, along the search
    parameter of each. ``device`` finds the exact neighbors
    (:func:`radcbir.retrieval.gpu.search.search_device`); all searches that are timed are on the
    CPU.

    Returns three tables:

    - variant, type, parameter, value, recall_at_1, recall_at_10, recall_at_100, index_bytes,
      bytes_per_vector, clamped;
    - variant, query, rank, neighbor: what is found, :data:`DEPTH` deep;
    - variant, build_seconds, queries_per_second (of a search for 10 neighbors), machine.

    The first two depend on the vectors alone, the third on the machine and the moment. Recall@1 and
    @10 are those of a search for 10 neighbors, recall@100 that of one for 100; what an index does
    not find counts as wrong.
    """
    depth, images = min(max(RECALL_AT), len(ids)), len(ids)
    nearest = exact_searcher(vectors)
    with search_device(device):
        positions, exact = nearest(queries, depth)
    rows = [
        _fidelity(
            EXACT, "", 0, [recall(exact, exact, k) for k in RECALL_AT], images, 4 * vectors.size, ""
        )
    ]
    neighbors = [neighbors_of(EXACT, ids, query_ids, positions)]
    timings = [(EXACT, 0.0, _queries_per_second(nearest, queries))]
    progress = Progress(len(kinds), "indexes")
    for kind in kinds:
        start = time.perf_counter()
        index = make_index({"type": kind}, ids, vectors)
        seconds = time.perf_counter() - start
        size, clamped = (
            index_bytes(index),
            "; ".join(resolve({"type": kind, "nprobe": 1}, *vectors.shape)[1]),
        )
        for parameter, value in sweep(kind, *vectors.shape):
            searcher = ApproximateSearch(index, {"type": kind, parameter: value}, ids, vectors)
            shallow, deep = (searcher.found(queries, min(k, images)) for k in (DEPTH, depth))
            scores = similarities(vectors, queries, shallow)
            recalls = [recall(scores, exact, k) for k in RECALL_AT[:2]]
            recalls.append(recall(similarities(vectors, queries, deep), exact, RECALL_AT[2]))
            variant = f"{kind} {parameter}={value}"
            rows.append(_fidelity(variant, parameter, value, recalls, images, size, clamped))
            neighbors.append(neighbors_of(variant, ids, query_ids, shallow))
            timings.append((variant, seconds, _queries_per_second(searcher.found, queries)))
        progress.advance()
    speeds = pd.DataFrame(timings, columns=["variant", "build_seconds", "queries_per_second"])
    return (
        pd.DataFrame(rows),
        pd.concat(neighbors, ignore_index=True),
        speeds.assign(machine=machine()),
    )


def machine() -> str:
    """The processor that timings are of."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _fidelity(
    variant: str,
    parameter: str,
    value: int,
    recalls: Sequence[float],
    images: int,
    size: int,
    clamped: str,
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
