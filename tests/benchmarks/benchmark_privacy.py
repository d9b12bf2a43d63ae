"""How long does the analysis `privacy` take, and how much memory?

    python tests/benchmarks/benchmark_privacy.py

Made-up vectors and small images of `--images` images of patients with two studies each. Prints the
time and the peak memory, and how much of the time the peer takes: the ridge regression of
scikit-learn alone, fitted once on as many training images. Time is that of the processor, summed
over threads.

Exits with 1 if ours takes more than `--limit` times as long, or needs more than `--memory` GB.
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
arguments.add_argument("--dimension", type=int, default=512)
arguments.add_argument("--training", type=int, default=20_000)
arguments.add_argument("--queries", type=int, default=2000)
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--limit", type=float, default=30.0, help="times the peer (default 30)")
arguments.add_argument("--memory", type=float, default=4.0, help="peak in GB (default 4)")
options = arguments.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from radcbir.analyses.privacy.compute import privacy
from radcbir.analyses.privacy.small_images import SIDE

random = np.random.default_rng(0)
count = options.images
pixels = random.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
vectors = random.normal(size=(count, options.dimension)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
ids = np.arange(count)
catalog = pd.DataFrame({"id": ids, "dataset": "d", "split": "train"})
catalog.loc[ids % 8 < 4, "split"] = "test"
catalog["patient_id"] = np.char.add("p", (ids // 4).astype(str))
catalog["study_id"] = np.char.add("s", (ids // 2).astype(str))

training = slice(0, options.training)
begin = time.process_time()
Ridge(1.0).fit(
    vectors[training].astype(np.float64), pixels[training].reshape(-1, SIDE * SIDE).astype(float)
)
peer = time.process_time() - begin
begin, started = time.process_time(), time.perf_counter()
tables = privacy(
    catalog,
    ids,
    vectors,
    lambda wanted: (wanted, pixels[wanted]),
    "train",
    ["test"],
    options.training,
    options.queries,
)
ours, wall = time.process_time() - begin, time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(
    f"{count:,} images of {options.dimension} dimensions, {options.training:,} train, "
    f"{options.queries:,} queries, {options.threads} thread(s)\n"
    f"ours {ours:.1f} s of processor time ({wall:.1f} s by the clock), one regression {peer:.1f} s\n"
    f"gain where vectors tell nothing {tables['privacy']['gain'].iloc[0]:+.4f}, R@1 "
    f"{tables['reidentified']['recall_at_1'].iloc[0]:.4f}\n"
    f"peak memory {memory:.1f} GB, with the made-up images"
)
sys.exit(ours > options.limit * peer or memory > options.memory)
