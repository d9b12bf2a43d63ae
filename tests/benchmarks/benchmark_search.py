"""How fast are the candidates of exact search found by torch, against FAISS, in one run?

    python tests/benchmarks/benchmark_search.py [--images 200000] [--queries 2048] [--device cuda]

Searches random unit vectors as the rule `knn` does, once with FAISS and once with the child process
of `search: {device: cuda}`; without a GPU the child uses the CPU. Start and loading are printed
apart. Exits with 1 if positions or scores differ in a byte, or, on a GPU, if the child is not
faster.

It also prints how long bfloat16 products take on the CPU, with the largest k + 8 of each row: what
candidates in bfloat16 would need at least, before they are compared exactly. They would be worth
while where that is less than 1 / 1.3 of FAISS's time.
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np

BLOCK = 65_536


def unit_vectors(count: int, dimension: int, seed: int) -> np.ndarray:
    """Random vectors of length one, ``(count, dimension)`` float32."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def searched(images: int, queries: int, dimension: int, k: int, device: str) -> dict:
    """Seconds of both searches, and whether they agree. Call it in a process without torch.

    ``device`` is ``cuda`` or ``torch-cpu``. Returns: device (its name), start (seconds until the
    child is ready), load (of the vectors into its memory), child, faiss (seconds of a search),
    equal (whether positions and scores have the same bytes).
    """
    from radcbir.retrieval.exact import exact_searcher
    from radcbir.retrieval.gpu import search as gpu

    vectors, asked = unit_vectors(images, dimension, 0), unit_vectors(queries, dimension, 1)
    exact_searcher(vectors[:1000])(asked[:10], 5)  # FAISS's threads start
    began = time.perf_counter()
    expected = exact_searcher(vectors)(asked, k)
    found: dict = {"faiss": time.perf_counter() - began, "device": ""}
    child = gpu.GpuSearch(device)
    gpu._current = child
    try:
        began = time.perf_counter()
        exact_searcher(vectors[:1000])(asked[:10], 5)
        found["start"] = time.perf_counter() - began
        nearest = exact_searcher(vectors)
        began = time.perf_counter()
        nearest(asked[:1], k)
        found["load"] = time.perf_counter() - began
        began = time.perf_counter()
        positions = nearest(asked, k)
        found["child"] = time.perf_counter() - began
        found["device"] = "failed" if child.ended else child.name
    finally:
        gpu._current = None
        child.close()
    found["equal"] = all(
        a.tobytes() == b.tobytes() for a, b in zip(positions, expected, strict=True)
    )
    return found


def bfloat16_products(images: int, queries: int, dimension: int, k: int) -> tuple[float, float]:
    """Seconds of the candidates in bfloat16 on the CPU, best of two, and which share of the first k
    in float32 are among them. Call it in a process without FAISS.
    """
    import torch

    vectors, asked = (
        torch.from_numpy(unit_vectors(count, dimension, seed))
        for count, seed in ((images, 0), (queries, 1))
    )

    def candidates(left: torch.Tensor, right: torch.Tensor, depth: int) -> torch.Tensor:
        found = []
        for start in range(0, len(right), BLOCK):
            block = (left @ right[start : start + BLOCK].T).topk(depth, dim=1)
            found.append((block.values.float(), block.indices + start))
        values, places = (torch.cat(each, dim=1) for each in zip(*found, strict=True))
        return places.gather(1, values.topk(depth, dim=1).indices)

    short = [each.to(torch.bfloat16) for each in (asked, vectors)]
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        proposed = candidates(*short, k + 8)
        seconds.append(time.perf_counter() - began)
    some = slice(0, 64)
    best = candidates(asked[some], vectors, k)
    among = (best[:, :, None] == proposed[some, None, :]).any(dim=2)
    return min(seconds), float(among.float().mean())


def apart(function, *arguments):
    """Call a function in a process of its own: torch and FAISS do not share one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200_000, help="index (default 200,000)")
    parser.add_argument("--queries", type=int, default=2048, help="queries (default 2,048)")
    parser.add_argument("--dimension", type=int, default=512, help="(default 512)")
    parser.add_argument("--k", type=int, default=100, help="neighbors per query (default 100)")
    parser.add_argument("--device", default="torch-cpu", choices=["cuda", "torch-cpu"])
    options = parser.parse_args()
    size = (options.images, options.queries, options.dimension, options.k)
    found = apart(searched, *size, options.device)
    print(
        f"{size[0]:,} index and {size[1]:,} query vectors of dimension {size[2]}, k = {size[3]}, "
        f"{len(os.sched_getaffinity(0))} cores; the child used: {found['device']}"
    )
    print(f"FAISS {found['faiss']:.2f} s, with exact scores")
    print(
        f"child {found['child']:.2f} s, with exact scores: {found['faiss'] / found['child']:.2f} "
        f"times as fast (start {found['start']:.1f} s, loading {found['load']:.2f} s)"
    )
    print(f"the same bytes: {found['equal']}")
    seconds, share = apart(bfloat16_products, *size)
    print(
        f"bfloat16 on the CPU, products and largest values alone: {seconds:.2f} s, "
        f"{found['faiss'] / seconds:.2f} times as fast as FAISS; {100 * share:.2f} % of the first "
        f"{size[3]} are among its first {size[3] + 8}"
    )
    failed = not found["equal"] or found["device"] == "failed"
    slow = options.device == "cuda" and found["child"] >= found["faiss"]
    return int(failed or slow)


if __name__ == "__main__":
    sys.exit(main())
