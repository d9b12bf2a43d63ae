"""How long does the analysis `subgroups` take, and how much memory? Beside plain pandas.

    python tests/benchmarks/benchmark_subgroups.py

Made-up neighbor lists of `--queries` queries, k = `--k`, of patients with a sex, an age, a view, a
source and a scanner. Ours gives P@1 and P@10 of all groups with intervals, comparisons and gaps. The
peer joins labels to the table and averages P@1 of each attribute's groups by pandas, and nothing
else. Time is that of the processor, summed over threads.

Exits with 1 if a P@1 differs from the peer's by more than 1e-12, if ours takes more than `--limit`
times as long, or needs more than `--memory` GB.
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
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--limit", type=float, default=8.0, help="times the peer (default 8)")
arguments.add_argument("--memory", type=float, default=4.0, help="peak in GB (default 4)")
options = arguments.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
import pandas as pd

from radcbir.analyses.subgroups.compute import subgroups
from radcbir.retrieval.joined import neighborhood

random = np.random.default_rng(0)
queries, count = options.queries, options.queries + options.index
patient = random.integers(0, options.patients, count) + options.patients * (
    np.arange(count) >= queries
)
of_patient = {
    "sex": np.array(["F", "M"])[random.integers(0, 2, 2 * options.patients)],
    "age": random.integers(0, 90, 2 * options.patients).astype(float),
    "source": np.array([f"site {each}" for each in range(8)])[
        random.integers(0, 8, 2 * options.patients)
    ],
}
catalog = pd.DataFrame({name: each[patient] for name, each in of_patient.items()})
catalog["id"] = np.arange(count)
catalog["split"] = np.where(np.arange(count) < queries, "test", "train")
catalog["label"] = np.char.add("CT/a/", random.integers(0, options.classes, count).astype(str))
catalog["patient_id"] = np.char.add("p", patient.astype(str))
catalog["view"] = np.array(["PA", "AP", "LL"])[random.integers(0, 3, count)]
catalog["scanner"] = np.array([f"s{each}" for each in range(20)])[random.integers(0, 20, count)]
table = pd.DataFrame(
    {
        "query": np.repeat(np.arange(queries), options.k),
        "rank": np.tile(np.arange(1, options.k + 1, dtype=np.int32), queries),
        "neighbor": random.integers(queries, count, queries * options.k),
    }
)

begin = time.process_time()
label = catalog["label"].to_numpy(object)
joined = table.assign(right=label[table["query"]] == label[table["neighbor"]])
first = joined[joined["rank"] == 1]
peer = {
    name: first.groupby(catalog[name].to_numpy()[first["query"]])["right"].mean()
    for name in ("sex", "view", "source", "scanner")
}
plain = time.process_time() - begin
del joined, first
begin, started = time.process_time(), time.perf_counter()
hood = neighborhood(table, catalog, catalog["id"].to_numpy(), "train")
groups, gaps = subgroups(catalog, hood, 20)
ours, wall = time.process_time() - begin, time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
at_1 = groups[groups["k"] == 1].set_index(["attribute", "group"])["precision"]
error = max(np.abs(at_1[name] - values).max() for name, values in peer.items())
decided = groups["verdict"].isin(["less often", "more often"]).sum()
print(
    f"{queries:,} queries, k = {options.k}, {len(groups)} rows of groups, {len(gaps)} gaps, "
    f"{options.threads} threads\n"
    f"ours {ours:.1f} s of processor time ({wall:.1f} s by the clock), P@1 by plain pandas {plain:.1f} s\n"
    f"largest difference of a P@1 {error:.1e}; {decided} verdicts where there is no gap\n"
    f"peak memory {memory:.1f} GB, with the made-up table"
)
sys.exit(error > 1e-12 or ours > options.limit * plain or memory > options.memory)
