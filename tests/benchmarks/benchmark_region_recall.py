"""How long does the analysis `region_recall` take, and how much memory? Beside plain pandas.

    python tests/benchmarks/benchmark_region_recall.py

Made-up neighbor lists of `--queries` queries, k = `--k`, of patients, each image with some of
`--labels` labels: those at neighboring places of a body, as slices show organs. Ours gives recall at
1, 3, 5 and 10 of all labels and regions, with chance and intervals. The peer joins the labels of each
query and of its first neighbor by pandas and averages, which is recall at 1 of full labels, and
nothing else. Time is that of the processor, summed over threads.

Exits with 1 if a recall differs from the peer's by more than 1e-12, if ours takes more than `--limit`
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
arguments.add_argument("--patients", type=int, default=1_000)
arguments.add_argument("--index", type=int, default=200_000)
arguments.add_argument("--labels", type=int, default=104)
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

from radcbir.analyses.region_recall.compute import region_recall
from radcbir.retrieval.joined import neighborhood

random = np.random.default_rng(0)
queries, count = options.queries, options.queries + options.index
ids = np.arange(count)
patient = random.integers(0, options.patients, count) + options.patients * (ids >= queries)
names = [f"CT/region {each // 13}/structure {each}" for each in range(options.labels)]
place = random.integers(0, options.labels, count)
widths, kept = random.integers(1, 16, count), random.random((count, 16)) < 0.8
kept[:, 0] = True
labels = [
    [names[(start + step) % options.labels] for step in range(width) if taken[step]]
    for start, width, taken in zip(place, widths, kept, strict=True)
]
catalog = pd.DataFrame(
    {
        "id": ids,
        "split": np.where(ids < queries, "test", "train"),
        "labels": labels,
        "label": [each[0] if len(each) == 1 else None for each in labels],
        "patient_id": np.char.add("p", patient.astype(str)),
    }
)
table = pd.DataFrame(
    {
        "query": np.repeat(ids[:queries], options.k),
        "rank": np.tile(np.arange(1, options.k + 1, dtype=np.int32), queries),
        "neighbor": random.integers(queries, count, queries * options.k),
    }
)

begin = time.process_time()
shown = catalog[["id", "labels"]].explode("labels").rename(columns={"labels": "label"})
first = table.loc[table["rank"] == 1, ["query", "neighbor"]]
asked = first.merge(shown, left_on="query", right_on="id")
hit = asked.merge(
    shown.assign(hit=True), left_on=["neighbor", "label"], right_on=["id", "label"], how="left"
)
peer = hit["hit"].notna().groupby(hit["label"]).mean()
plain = time.process_time() - begin
del shown, first, asked, hit
begin, started = time.process_time(), time.perf_counter()
hood = neighborhood(table, catalog, ids, "train", one_label=False)
means, by_label = region_recall(catalog, hood, options.k)
ours, wall = time.process_time() - begin, time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
at_1 = by_label[(by_label["level"] == "fine") & (by_label["k"] == 1)].set_index("label")
error = np.abs(at_1["value"] - peer).max()
beside = (at_1["value"] - at_1["chance"]).abs().max()
print(
    f"{queries:,} queries, k = {options.k}, {options.labels} labels, {at_1['queries'].sum():,} pairs of "
    f"query and label, {options.threads} threads\n"
    f"ours {ours:.1f} s of processor time ({wall:.1f} s by the clock), R@1 by plain pandas {plain:.1f} s\n"
    f"largest difference of a recall {error:.1e}; random neighbors are at most {beside:.3f} from chance\n"
    f"peak memory {memory:.1f} GB, with the made-up table"
)
sys.exit(error > 1e-12 or ours > options.limit * plain or memory > options.memory)
