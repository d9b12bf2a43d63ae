"""How long do intervals and verdicts by patient take? The workflow's beside a plain loop over
resamples.

    python tests/benchmarks/benchmark_bootstrap.py

Ours gives all that the analysis `uncertainty` concludes: averages (micro and macro) of every metric
of every model, their intervals, the intervals of all differences, and verdicts and ranks from
`--resamples` draws. The peer is the plain cluster bootstrap: it draws patients, gathers the rows of
their queries with an index array, and averages them with NumPy, one resample after the other; it
does `--peer-resamples` of them and its time is scaled up. Time is that of the processor, summed
over threads, so that whatever else runs on the machine does not count.

Exits with 1 if an average differs from the plain mean by more than 1e-12, the standard errors from
the peer's by more than a tenth on average, ours is not `--speedup` times as fast, or it needs more
than `--memory` GB.
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
arguments.add_argument("--models", type=int, default=7)
arguments.add_argument("--classes", type=int, default=40)
arguments.add_argument("--resamples", type=int, default=1000)
arguments.add_argument("--peer-resamples", type=int, default=20)
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument(
    "--speedup", type=float, default=10.0, help="what ours has to reach (default 10)"
)
arguments.add_argument(
    "--memory", type=float, default=4.0, help="peak of the whole process in GB (default 4)"
)
options = arguments.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
import pandas as pd

from radcbir.analyses.uncertainty.compute import METRICS, bootstrap
from radcbir.metrics.intervals import average

metrics = len(METRICS)
random = np.random.default_rng(0)
clusters = np.sort(random.integers(0, options.patients, options.queries))
clusters = np.unique(clusters, return_inverse=True)[1]
shares = 1 / np.arange(1, options.classes + 1)
labels = random.choice(options.classes, options.queries, p=shares / shares.sum())
values = random.random((options.queries, options.models, metrics))
about = {"query_split": "test", "neighbors": "all", "query": np.arange(options.queries)}
tables = {
    f"model{model}": pd.DataFrame(
        about | {"label": labels.astype(str), "relevant_in_index": 1}
    ).join(pd.DataFrame(values[:, model], columns=list(METRICS)))
    for model in range(options.models)
}
patients = pd.Series(clusters.astype(str))


def plain(resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """The peer: gather, average, next."""
    draws = np.random.default_rng(1)
    count = int(clusters.max()) + 1
    start = np.searchsorted(clusters, np.arange(count + 1))
    flat = values.reshape(options.queries, -1)
    micro, macro = [], []
    for _ in range(resamples):
        drawn = draws.integers(0, count, count)
        rows = np.concatenate([np.arange(start[each], start[each + 1]) for each in drawn])
        taken, classes = flat[rows], labels[rows]
        micro.append(taken.mean(axis=0))
        macro.append(
            np.mean([taken[classes == each].mean(axis=0) for each in np.unique(classes)], axis=0)
        )
    shape = (resamples, options.models, metrics)
    return np.reshape(micro, shape), np.reshape(macro, shape)


begin = time.process_time()
drawn = plain(options.peer_resamples)
peer = (time.process_time() - begin) / options.peer_resamples * options.resamples
begin = time.process_time()
intervals, differences, ranks = bootstrap(tables, patients, options.resamples, 1)
ours = time.process_time() - begin
expected = values.mean(axis=0)
found = intervals[intervals["average"] == "micro"]["value"].to_numpy().reshape(metrics, -1).T
error = np.abs(found - expected).max()
ratios = []
for classes, resampled in zip((None, labels), drawn, strict=True):
    errors = average(values.reshape(options.queries, -1), clusters, classes).error
    ratios.append(np.mean(resampled.std(axis=0, ddof=1).ravel() / errors))
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(
    f"{options.queries:,} queries of {clusters.max() + 1:,} patients, {options.models} models, {metrics} metrics, "
    f"{options.resamples} resamples, {options.threads} threads\n"
    f"plain loop {peer:.0f} s of processor time (from {options.peer_resamples} resamples), ours {ours:.1f} s: {peer / ours:.1f} times as fast\n"
    f"largest difference of an average {error:.1e}; standard errors of the plain loop over ours: micro {ratios[0]:.3f}, macro {ratios[1]:.3f}\n"
    f"peak memory of both {memory:.1f} GB"
)
wrong = error > 1e-12 or max(abs(each - 1) for each in ratios) > 0.1
sys.exit(wrong or peer / ours < options.speedup or memory > options.memory)
