"""How long do the fits of adapted models take, and what does a reranked query cost?

    python tests/benchmarks/benchmark_adaptation.py

Made-up unit vectors of `--images` images of `--labels` labels in `--dimension` dimensions: each
label has a direction, and each image noise. Every way to adapt is fitted with its default settings,
and applied to all images. Beside it: one product of the vectors with a matrix of their dimension,
the peer that no fit can beat. Then `--queries` queries are reranked in an index of `--index` images,
with its neighbor graph made by exact search.

Exits with 1 if a fit takes more than `--limit` seconds, or if all needs more than `--memory` GB.
"""

import argparse
import os
import resource
import sys
import time
from pathlib import Path

arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument("--images", type=int, default=100_000)
arguments.add_argument("--dimension", type=int, default=1024)
arguments.add_argument("--labels", type=int, default=40)
arguments.add_argument("--index", type=int, default=20_000)
arguments.add_argument("--queries", type=int, default=1_000)
arguments.add_argument("--k", type=int, default=100)
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--limit", type=float, default=60.0, help="seconds (default 60)")
arguments.add_argument("--memory", type=float, default=8.0, help="peak in GB (default 8)")
arguments.add_argument("--part", choices=("fits", "queries"), help="in a process of its own")
options = arguments.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

import subprocess

import numpy as np

from radcbir.cards.derived import ADAPTED_BY, RERANKED_BY


def made(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors and label codes."""
    random = np.random.default_rng(0)
    labels = random.integers(0, options.labels, images)
    centers = random.normal(size=(options.labels, options.dimension)).astype(np.float32)
    vectors = random.standard_normal((images, options.dimension), dtype=np.float32)
    vectors *= 2
    vectors += centers[labels]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, labels


def fits() -> bool:
    """Fit and apply each way; whether all are quick enough."""
    from radcbir.retrieval.adaptation.fit import fit

    vectors, labels = made(options.images)
    start = time.perf_counter()
    vectors @ np.eye(options.dimension, dtype=np.float32)
    print(f"one product with a matrix: {time.perf_counter() - start:.1f} s", flush=True)
    slowest = 0.0
    for way, settings in ADAPTED_BY.items():
        start, used = time.perf_counter(), time.process_time()
        found = fit(vectors, labels, {"by": way, **settings})
        took, used = time.perf_counter() - start, time.process_time() - used
        start = time.perf_counter()
        for first in range(0, len(vectors), 65536):
            found.apply(vectors[first : first + 65536])
        applied = time.perf_counter() - start
        slowest = max(slowest, used / options.threads)
        print(
            f"{way}: {took:.1f} s ({used:.1f} s of processor time), {applied:.1f} s to apply, "
            f"{found.matrix.shape[1]} dimensions",
            flush=True,
        )
    return slowest <= options.limit


def queries() -> bool:
    """Rerank each way; what a query costs on top of the search."""
    from radcbir.retrieval.exact import neighbor_table
    from radcbir.retrieval.index_file import index_in_memory
    from radcbir.retrieval.neighbor_table import Queries
    from radcbir.retrieval.reranking.graph import graph_table, read_graph
    from radcbir.retrieval.reranking.rerank import rerank

    vectors, _ = made(options.index + options.queries)
    ids, index = np.arange(options.index), vectors[: options.index]
    asked = Queries(np.arange(options.queries) + options.index, vectors[options.index :], options.k)
    start = time.perf_counter()
    found = neighbor_table(index_in_memory(ids, index), asked)
    base = 1000 * (time.perf_counter() - start) / options.queries
    print(f"the search itself: {base:.2f} ms per query", flush=True)
    start = time.perf_counter()
    graph = read_graph(graph_table(ids, index, 20).to_pandas(), ids)
    print(f"neighbors within the index: {time.perf_counter() - start:.1f} s", flush=True)
    for way, settings in RERANKED_BY.items():
        _, took = rerank({"by": way, **settings}, found, asked, (ids, index), graph)
        print(
            f"{way}: {took['milliseconds_per_query']:.2f} ms per query, "
            f"{took['preparation_seconds']:.1f} s before the first",
            flush=True,
        )
    return True


if options.part is None:
    # torch and FAISS are never loaded in one process.
    parts = [
        subprocess.run([sys.executable, *sys.argv, "--part", each], check=False).returncode
        for each in ("fits", "queries")
    ]
    sys.exit(max(parts))
fine = {"fits": fits, "queries": queries}[options.part]()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(f"memory at most: {peak:.1f} GB", flush=True)
sys.exit(0 if fine and peak <= options.memory else 1)
