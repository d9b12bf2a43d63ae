"""How long does the analysis `confidence` take, and how much memory? Neighbor lists of made-up scores.

    python tests/benchmarks/benchmark_confidence.py

Labels of hits are the query's with a probability that falls with the rank and differs by patient;
scores fall with the rank. The vectors are random, of `--dimensions` numbers: they are searched where
a list without the left-out class is too short, for `2,000` queries at most. The limit beside it is
one pass of the plain fit: scikit-learn's logistic regression, ten times, on the same features, to a
narrow tolerance. Time is that of the processor, summed over threads.

Exits with 1 if the whole takes more than `--limit` times the plain fits, needs more than `--memory`
GB, or if a chance of the stored fit differs from the plain one by more than 0.001.
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
arguments.add_argument("--queries", type=int, default=100_000)
arguments.add_argument("--patients", type=int, default=30_000)
arguments.add_argument("--index", type=int, default=200_000)
arguments.add_argument("--classes", type=int, default=40)
arguments.add_argument("--k", type=int, default=100)
arguments.add_argument("--dimensions", type=int, default=512)
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument(
    "--limit", type=float, default=10.0, help="times the plain fits (default 10)"
)
arguments.add_argument("--memory", type=float, default=8.0, help="peak in GB (default 8)")
options = arguments.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from radcbir.analyses.confidence.compute import Benchmark, evaluate_confidence
from radcbir.analyses.confidence.features import hit_features
from radcbir.analyses.confidence.fit import fitted
from radcbir.analyses.confidence.stored import probability
from radcbir.analyses.confidence.unlike import Lists

random = np.random.default_rng(0)
queries, k = options.queries, options.k
clusters = np.unique(random.integers(0, options.patients, queries), return_inverse=True)[1]
labels = random.integers(0, options.classes, queries)
index_labels = random.integers(0, options.classes, options.index)
ease = random.beta(2, 2, clusters.max() + 1)[clusters]
right = random.random((queries, k), dtype=np.float32) < ease[:, None] / np.arange(1, k + 1) ** 0.3
near = np.where(right, labels[:, None], random.integers(0, options.classes, (queries, k)))
scores = random.random((queries, k), dtype=np.float32) * 0.3 + 0.5 * ease[:, None]
scores = -np.sort(-scores, axis=1).astype(np.float32)
vectors = random.standard_normal((options.index, options.dimensions), dtype=np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
lists = Lists(
    np.arange(queries),
    labels,
    np.full(queries, -1),
    near.astype(np.int32),
    scores,
    np.arange(options.index),
    index_labels,
    np.full(options.index, -1),
)
priors = np.bincount(index_labels, minlength=options.classes) / options.index
names = np.array([f"CT/a/{each}" for each in range(options.classes)], dtype=object)
given = Benchmark(lists, clusters, "patient", 10, names, priors, options.index, 0, 0)

begin, started = time.process_time(), time.perf_counter()
tables, stored = evaluate_confidence(given, 0.1, lambda ids: vectors[ids % options.index])
ours, wall = time.process_time() - begin, time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

features = hit_features(scores[:, :10], lists.near[:, :10], priors).reshape(10 * queries, -1)
hits = given.right[:, :10].ravel()
model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8))
begin = time.process_time()
model.fit(features, hits)
plain = 10 * (time.process_time() - begin)
chance = probability(fitted("logistic", features, hits), features)
apart = np.abs(model.predict_proba(features)[:, 1] - chance).max()
own = tables["confidence"].query("chosen").set_index("measure")["value"]
print(
    f"{queries:,} queries of {clusters.max() + 1:,} patients, k = {k}, {options.index:,} index images of "
    f"{options.classes} classes, {options.threads} threads\n"
    f"ours {ours:.0f} s of processor time ({wall:.0f} s by the clock), ten plain logistic fits {plain:.0f} s: "
    f"{ours / plain:.1f} times as long\n"
    f"largest difference of a chance from the plain fit {apart:.1e}; AUC {own['auc']:.3f}, ECE {own['ece']:.4f}, "
    f"set size {stored['set']['size']}\n"
    f"peak memory {memory:.1f} GB, of which {vectors.nbytes / 1e9:.1f} GB are the made-up vectors"
)
sys.exit(apart > 1e-3 or ours > options.limit * plain or memory > options.memory)
