"""How long do the analyses `robustness` and `robustness_index` take, and how much memory?

    python tests/benchmarks/benchmark_robustness.py

1. Each perturbation of an image of `--side` x `--side` pixels, mean over the severities, beside
   decoding that image from PNG: what one core spends per perturbed image before the encoder.
2. What `--sample` perturbed queries find, 12 perturbations in 5 severities, in an index of `--index`
   images of `--dimension` numbers: the job of one model after embedding.
3. The robustness index of `--queries` queries by four attributes from neighbor lists with k = `--k`,
   beside plain counts by pandas of one attribute without intervals.

Exits with 1 if an index differs from the peer's by more than 1e-12, if the perturbations take more than
`--limit` times as long as decoding on average, or if memory exceeds `--memory` GB.
"""

import argparse
import io
import os
import resource
import sys
import time
from pathlib import Path

arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument("--side", type=int, default=512)
arguments.add_argument("--sample", type=int, default=200)
arguments.add_argument("--index", type=int, default=100_000)
arguments.add_argument("--dimension", type=int, default=512)
arguments.add_argument("--queries", type=int, default=100_000)
arguments.add_argument("--k", type=int, default=100)
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--limit", type=float, default=5.0, help="times decoding (default 5)")
arguments.add_argument("--memory", type=float, default=4.0, help="peak in GB (default 4)")
options = arguments.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
import pandas as pd
from PIL import Image

from radcbir.analyses.robustness.compute import answerable, robustness
from radcbir.analyses.robustness.kinds import PERTURBATIONS
from radcbir.analyses.robustness.perturbations import perturbed
from radcbir.analyses.robustness_index.compute import robustness_index
from radcbir.images.intensity import INTENSITY
from radcbir.images.raster import Raster
from radcbir.retrieval.exact import exact_searcher
from radcbir.retrieval.joined import neighborhood


def seconds(work):
    """Processor time of ``work()``, over all threads, and what it gives."""
    begin = time.process_time()
    found = work()
    return time.process_time() - begin, found


random = np.random.default_rng(0)
y, x = np.mgrid[0 : 1 : options.side * 1j, 0 : 1 : options.side * 1j]
pixels = (
    120 * np.exp(-8 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)) + random.normal(60, 8, x.shape)
).clip(0, 255)
image = Image.fromarray(pixels.astype(np.uint8))
buffer = io.BytesIO()
image.save(buffer, "PNG")
decode = min(seconds(lambda: Image.open(buffer).load())[0] for _ in range(5))
raster = Raster(np.asarray(image), 8, "uint8", (0.0, 255.0))
times = {}
for name in PERTURBATIONS:
    taken = [
        seconds(lambda name=name, level=level: perturbed(raster, INTENSITY, name, level, 1))[0]
        for level in range(1, 6)
        for _ in range(3)
    ]
    times[name] = float(np.mean(taken))
mean = float(np.mean(list(times.values())))
listed = ", ".join(f"{name} {1000 * each:.1f}" for name, each in times.items())
print(
    f"{options.side} x {options.side} pixels, in ms: decoding {1000 * decode:.1f}; {listed}; mean "
    f"{1000 * mean:.1f}, {mean / decode:.1f} times decoding"
)

count = options.index + options.sample
stored = random.standard_normal((count, options.dimension), dtype=np.float32)
stored /= np.linalg.norm(stored, axis=1, keepdims=True)
catalog = pd.DataFrame(
    {
        "id": np.arange(count),
        "label": np.char.add("CT/a/", random.integers(0, 40, count).astype(str)),
        "patient_id": np.char.add("p", (np.arange(count) // 3).astype(str)),
    }
)
asked = np.arange(options.index, count)


def searched(vectors):
    queries = answerable(
        catalog, asked, np.arange(options.index), exact_searcher(vectors[: options.index])
    )
    own = vectors[queries.rows]
    changed = {
        name: (
            np.tile(queries.rows, 5),
            np.repeat(np.arange(1, 6), len(own)),
            np.concatenate([own] * 5),
        )
        for name in PERTURBATIONS
    }
    return robustness(catalog, queries, own, changed)


taken, (table, areas) = seconds(lambda: searched(stored))
print(
    f"{options.sample} queries, 60 times perturbed, {options.index:,} index images of "
    f"{options.dimension} numbers: {taken:.1f} s of processor time, {len(table)} rows"
)
assert (table["overlap"] == 1).all(), "unchanged vectors find the same"

count = options.queries + 2 * options.queries
patient = np.arange(count) // 3
catalog = pd.DataFrame(
    {
        "id": np.arange(count),
        "split": np.where(np.arange(count) < options.queries, "test", "train"),
        "label": np.char.add("CT/a/", random.integers(0, 40, count).astype(str)),
        "patient_id": np.char.add("p", patient.astype(str)),
        **{
            name: np.char.add("s", random.integers(0, sites, count).astype(str))
            for name, sites in (("source", 8), ("scanner", 20), ("view", 3), ("sex", 2))
        },
    }
)
neighbors = pd.DataFrame(
    {
        "query": np.repeat(np.arange(options.queries), options.k),
        "rank": np.tile(np.arange(1, options.k + 1, dtype=np.int32), options.queries),
        "neighbor": random.integers(options.queries, count, options.queries * options.k),
    }
)


def plain():
    first = neighbors[neighbors["rank"] <= 10]
    one, other = (catalog.iloc[first[each]].reset_index() for each in ("query", "neighbor"))
    right, same = (one[each] == other[each] for each in ("label", "source"))
    return (right & ~same).sum() / (right != same).sum()


def ours():
    hood = neighborhood(neighbors, catalog, catalog["id"].to_numpy(), "train")
    return robustness_index(catalog, hood, 10, 20)[0].set_index("attribute")


peer, expected = seconds(plain)
own, found = seconds(ours)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
error = abs(found.loc["source", "robustness_index"] - expected)
print(
    f"{options.queries:,} queries, k = {options.k}: {own:.1f} s of processor time for four attributes, "
    f"plain counts of one {peer:.1f} s; largest difference {error:.1e}; peak {memory:.1f} GB"
)
sys.exit(error > 1e-12 or mean > options.limit * decode or memory > options.memory)
