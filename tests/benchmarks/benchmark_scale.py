"""Does the workflow carry 1.6 million images? Memory, time and disk of each step, through
Snakemake, on synthetic embeddings.

    python tests/benchmarks/benchmark_scale.py --queries 10000
    python tests/benchmarks/benchmark_scale.py    # 100,000 queries: 164 TFLOP
    python tests/benchmarks/benchmark_scale.py --search cuda --cores 16

Makes a dataset CSV of `--images` index images and `--queries` query images with labels and
patients, and their embeddings with the workflow's own writer, shard by shard. Then Snakemake makes,
target by target, the catalog, shards and the audit (no image is opened, there are none), the
model's embedding files, the index, the neighbors, the metrics and the comparison, with the default
configuration but for the other analyses. Per step are printed the time, the largest resident memory
of any of its processes (pages of files that are mapped count, though the system may take them
back), and the bytes it left. At the end, the neighbors of some queries are compared with a search
by NumPy in double precision.

Exits with 1 if a step needs more than `--limit` of memory, or a neighbor differs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "workflow"))

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from radcbir.core import layout
from radcbir.datasets.catalog import image_id
from radcbir.embedding import store

SHARD = 8192
IMAGES_PER_PATIENT = 4
EXPERIMENT = "results/experiments/scale"
JOB = layout.benchmark("knn", "scale/synthetic/test")
STEPS = {
    "catalog, shards, pool, audit": f"{EXPERIMENT}/audit/verdict.txt",
    "embedding files": "results/embeddings/synthetic/synthetic.h5",
    "index": f"{EXPERIMENT}/synthetic/index/train.faiss",
    "neighbors": f"{EXPERIMENT}/synthetic/knn/test.parquet",
    "metrics": f"{EXPERIMENT}/synthetic/metrics/summary.csv",
    "everything else": "all",
}
CARD = """name: Synthetic
loader: precomputed
architecture: none
path: source/{{dataset}}.h5
dimension: {dimension}
licence: none
citation: none
training_data: []
"""
CONFIG = """datasets:
  synthetic: {{csv: synthetic.csv}}
models: [synthetic]
experiments:
  scale: {{datasets: [synthetic], index_split: train, query_splits: [test], k: {k}}}
analyses: []
audit: {{images: false}}
storage: {storage}
search: {{device: {search}}}
"""


def make_project(folder: Path, options: argparse.Namespace) -> None:
    """The workflow, the dataset CSV, the model card, and a file of embeddings over shards."""
    for name in ("workflow", "envs", "config"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    (folder / "config/models/synthetic.yaml").write_text(CARD.format(dimension=options.dimension))
    (folder / "config/config.yaml").write_text(CONFIG.format(**vars(options)))
    random = np.random.default_rng(options.seed)
    count = options.images + options.queries
    label = np.minimum(random.geometric(0.05, count) - 1, options.classes - 1)
    paths = [f"{number // 10000:04d}/{number:08d}.png" for number in range(count)]
    table = pd.DataFrame(
        {
            "filepath": paths,
            "split": np.repeat(["train", "test"], [options.images, options.queries]),
            "label": np.array([f"XR/chest/Finding {each:02d}" for each in range(options.classes)])[
                label
            ],
            "patient_id": np.where(np.arange(count) < options.images, "a", "b"),
        }
    )
    table["patient_id"] += (table.index // IMAGES_PER_PATIENT).astype(str)
    table.to_csv(folder / "synthetic.csv", index=False)
    centers = random.standard_normal((options.classes, options.dimension), dtype=np.float32)
    attributes = {name: "" for name in store.COMMON if name != "format"} | {"dataset": "synthetic"}
    shards = []
    for start in range(0, count, SHARD):
        stop = min(start + SHARD, count)
        vectors = 0.15 * centers[label[start:stop]]
        vectors += random.standard_normal((stop - start, options.dimension), dtype=np.float32)
        ids = np.array([image_id("synthetic", path) for path in paths[start:stop]])
        shards.append(folder / f"source/synthetic/{start:08d}.h5")
        store.write_shard(shards[-1], ids, vectors, [], attributes, options.storage)
    store.gather(shards, folder / "source/synthetic.h5")


def tree_bytes(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def measured(command: list[str], folder: Path) -> tuple[float, float, int]:
    """Seconds of wall and of processor time that a command took, and the largest memory of one of
    its processes."""
    start = time.perf_counter()
    with open(folder / "run.log", "a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit((folder / "run.log").read_text()[-4000:])
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def check(folder: Path, count: int) -> int:
    """How many of ``count`` queries have other neighbors than a slow search in double precision
    finds."""
    table = pq.read_table(folder / STEPS["neighbors"], columns=["query", "neighbor"]).to_pandas()
    queries = table["query"].unique()
    chosen = queries[np.linspace(0, len(queries) - 1, count).astype(int)]
    catalog = pd.read_parquet(folder / f"{EXPERIMENT}/catalog.parquet", columns=["id", "split"])
    index = catalog.loc[catalog["split"] == "train", "id"].to_numpy()
    path = folder / STEPS["embedding files"]
    ids, vectors = store.read([path], chosen)
    depth = len(table) // len(queries)
    best = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(ids)
    for block_ids, block in store.blocks([path], index):
        scores = (vectors.astype(np.float64) @ block.astype(np.float64).T).astype(np.float32)
        for row, (known, known_scores) in enumerate(best):
            near = (
                np.argpartition(-scores[row], depth)[: depth + 1]
                if len(block) > depth + 1
                else slice(None)
            )
            both = (
                np.concatenate([known, block_ids[near]]),
                np.concatenate([known_scores, scores[row][near]]),
            )
            order = np.lexsort((both[0], -both[1]))[:depth]
            best[row] = both[0][order], both[1][order]
    lists = {
        query: rows.to_numpy()
        for query, rows in table[table["query"].isin(chosen)].groupby("query")["neighbor"]
    }
    return sum(
        not np.array_equal(lists[query], found) for query, (found, _) in zip(ids, best, strict=True)
    )


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--images", type=int, default=1_600_000, help="index images (default 1,600,000)"
    )
    arguments.add_argument(
        "--queries", type=int, default=100_000, help="query images (default 100,000)"
    )
    arguments.add_argument("--dimension", type=int, default=512)
    arguments.add_argument("--classes", type=int, default=60)
    arguments.add_argument("--k", type=int, default=100)
    arguments.add_argument(
        "--search", choices=["cpu", "cuda"], default="cpu", help="what finds the candidates"
    )
    arguments.add_argument("--storage", choices=["float32", "float16"], default="float32")
    arguments.add_argument(
        "--memory", type=int, help="mem_mb of the rule knn (default: the workflow's)"
    )
    arguments.add_argument(
        "--limit", type=float, default=24.0, help="GiB that a step may take (default 24)"
    )
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument(
        "--checked", type=int, default=200, help="queries whose neighbors are checked"
    )
    arguments.add_argument(
        "--folder", help="where the project is made for the time being (default: the system's)"
    )
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="radcbir-scale-", dir=options.folder) as temporary:
        folder = Path(temporary)
        start = time.perf_counter()
        make_project(folder, options)
        print(
            f"{options.images:,} index and {options.queries:,} query images, {options.dimension} dimensions, "
            f"{options.storage}, k = {options.k}, {options.cores} cores, search: {options.search}; made in {time.perf_counter() - start:.0f} s: "
            f"{tree_bytes(folder / 'source') / 1e9:.2f} GB"
        )
        print(f"{'step':<30}{'wall':>9}{'processor':>11}{'memory':>11}{'disk':>11}", flush=True)
        command = [sys.executable, "-m", "snakemake", "--cores", str(options.cores)]
        if options.memory:
            command += ["--set-resources", f"knn:mem_mb={options.memory}", "--"]
        before, largest = 0, 0
        for step, target in STEPS.items():
            wall, processor, memory = measured([*command, target], folder)
            after, largest = tree_bytes(folder / "results"), max(largest, memory)
            print(
                f"{step:<30}{wall:>7.0f} s{processor:>9.0f} s{memory / 2**30:>7.2f} GiB{(after - before) / 1e9:>8.2f} GB",
                flush=True,
            )
            before = after
            if step == "neighbors":
                flop = 2 * options.images * options.queries * options.dimension
                print(f"{'':<30}{flop / wall / 1e9:.0f} GFLOP/s of {flop / 1e12:.1f} TFLOP")
                job = pd.read_csv(folder / JOB, sep="\t")["s"].iloc[0]
                print(f"{'  the job alone':<30}{job:>7.0f} s")
        wrong = check(folder, min(options.checked, options.queries))
        print(
            f"{min(options.checked, options.queries)} queries checked against double precision: {wrong} differ"
        )
        failures = []
        if largest > options.limit * 2**30:
            failures.append(f"{largest / 2**30:.2f} GiB are more than {options.limit:g}")
        if wrong:
            failures.append(f"{wrong} queries have other neighbors")
        for failure in failures:
            print(f"FAILED: {failure}", file=sys.stderr)
        return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
