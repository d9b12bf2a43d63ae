"""How long does it take from stored embeddings to P@k? This workflow beside the way the paper's
scripts work.

    python tests/benchmarks/benchmark_retrieval.py

The peer is a plain re-implementation of how the published scripts go about it: an HDF5 file with
one dataset per image, read key by key; `index.add` one vector at a time; neighbors put into a data
frame of paths row by row, written to CSV and read back; labels looked up cell by cell; P@k for k =
1 to 99 with one `DataFrame.apply` over the queries each. Ours: one HDF5 matrix, and the functions
that the rules call. Both use the same exact FAISS search and the same number of threads.

Both spend the time of that search, so it limits how many times as fast a side can be, and how much
that is depends on the machine. What is compared is the time beside it.

Exits with 1 if the P@k of the two differ by more than 1e-12, or if ours, without the time of a bare
FAISS search, is not `--speedup` times as fast as the peer without it.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument("--index", type=int, default=20_000, help="index images (default 20,000)")
arguments.add_argument("--queries", type=int, default=3_000, help="query images (default 3,000)")
arguments.add_argument(
    "--dimension", type=int, default=512, help="embedding dimension (default 512)"
)
arguments.add_argument("--classes", type=int, default=20, help="classes, long-tailed (default 20)")
arguments.add_argument("--k", type=int, default=100, help="neighbors per query (default 100)")
arguments.add_argument("--threads", type=int, default=2, help="threads of both sides (default 2)")
arguments.add_argument(
    "--speedup",
    type=float,
    default=10.0,
    help="what ours has to reach beside the search (default 10)",
)
arguments.add_argument("--seed", type=int, default=0)
options = arguments.parse_args()
for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[variable] = str(options.threads)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import faiss
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa

from radcbir.metrics.evaluation import evaluate
from radcbir.retrieval import exact, index_file, neighbor_table
from radcbir.retrieval.neighbor_table import Queries

STEPS = {"read": "read embeddings", "knn": "index and k-NN", "precision": "P@k"}


class Clock:
    """Seconds per step; a step may be entered many times."""

    def __init__(self):
        self.seconds = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def synthetic(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """A catalog and its vectors: one cluster per class, few images in most classes, clusters that
    overlap.

    The components are multiples of 2^-12, which makes every inner product of two vectors of length
    1 exact in float32: both sides rank alike to the last bit. Of two images that tie, FAISS alone
    puts the later one first and this workflow the one with the smaller id; so the ids fall.
    """
    count = options.index + options.queries
    shares = 1 / np.arange(1, options.classes + 1) ** 2
    label = rng.choice(options.classes, count, p=shares / shares.sum())
    label[: options.classes] = np.arange(options.classes)
    centers = rng.standard_normal((options.classes, options.dimension))
    vectors = 0.22 * centers[label] + rng.standard_normal((count, options.dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = (np.round(vectors * 4096) / 4096).astype(np.float32)
    names = np.array([f"XR/chest/Finding {each:02d}" for each in range(options.classes)])
    catalog = pd.DataFrame(
        {
            "id": np.arange(count, 0, -1),
            "path": [f"images/{each:08d}_000.png" for each in range(count)],
            "split": np.repeat(["train", "test"], [options.index, options.queries]),
            "label": names[label],
            "modality": "XR",
            "region": "chest",
            "patient_id": None,
        }
    )
    return catalog, vectors


def slow_side(folder: Path, catalog: pd.DataFrame, clock: Clock) -> pd.DataFrame:
    """Embeddings to P@k as the published scripts do it: micro and macro, k = 1 .. 99 at most."""
    index_labels = catalog[catalog["split"] == "train"].set_index("path")["label"]
    query_labels = catalog[catalog["split"] == "test"].set_index("path")["label"]
    index, indexed, asked = faiss.IndexFlatIP(options.dimension), [], {}
    with h5py.File(folder / "one-dataset-per-image.h5") as file:
        for path in index_labels.index:
            with clock.step("read"):
                vector = file[path][:] if path in file else None
            if vector is not None:
                with clock.step("knn"):
                    index.add(vector.reshape(1, -1))
                    indexed.append(path)
        with clock.step("read"):
            for path in query_labels.index:
                if path in file:
                    asked[path] = file[path][:]

    with clock.step("knn"):
        faiss.write_index(index, str(folder / "peer.index"))
        (folder / "peer.json").write_text(json.dumps(indexed))
        paths = list(asked)
        found = pd.DataFrame(
            columns=["query", *map(str, range(1, options.k + 1))], index=range(len(paths))
        )
        for start in range(0, len(paths), 4096):
            batch = paths[start : start + 4096]
            positions = index.search(np.array([asked[path] for path in batch]), options.k)[1]
            for row, neighbors in enumerate(positions, start=start):
                found.iloc[row] = [paths[row], *(indexed[position] for position in neighbors)]
        found.to_csv(folder / "peer.csv", index=False)

    with clock.step("precision"):
        found = pd.read_csv(folder / "peer.csv").set_index("query").loc[query_labels.index]
        label_of_query, label_of_image = query_labels.to_dict(), index_labels.to_dict()
        found.index = found.index.map(label_of_query.get)
        found = found.map(label_of_image.get)
        right = found.apply(lambda column: column == found.index)
        available = index_labels.value_counts().to_dict()
        rows = []
        for k in range(1, min(99, options.k) + 1):

            def precision_of(row: pd.Series, k: int = k) -> float:
                length = min(k, available[row.name])
                return sum(row.iloc[:length]) / length

            precision = right.apply(precision_of, axis=1)
            rows.append((k, precision.mean(), precision.groupby(level=0).mean().mean()))
    return pd.DataFrame(rows, columns=["k", "micro", "macro"]).set_index("k")


def our_side(folder: Path, catalog: pd.DataFrame, clock: Clock) -> pd.DataFrame:
    """Embeddings to every metric as the workflow's rules do it; returns P@k, micro and macro."""
    with clock.step("read"), h5py.File(folder / "one-matrix.h5") as file:
        ids, vectors = file["ids"][:], file["embeddings"][:]
        in_index = pd.Index(catalog.loc[catalog["split"] == "train", "id"]).get_indexer(ids) >= 0
    with clock.step("knn"):
        index_file.build_index(
            folder / "train.faiss", [(ids[in_index], vectors[in_index])], options.dimension
        )
        index = index_file.read_index(folder / "train.faiss")
        table = exact.neighbor_table(index, Queries(ids[~in_index], vectors[~in_index], options.k))
        neighbor_table.write_neighbors(folder / "test.parquet", table)
    with clock.step("precision"):
        neighbors = pd.read_parquet(folder / "test.parquet")
        evaluation = evaluate(neighbors, catalog, ids, "train", "test", options.k)
    capped = evaluation.precision[evaluation.precision["definition"] == "capped"]
    return capped.pivot_table(index="k", columns="average", values="value")


def bare_search(vectors: np.ndarray) -> float:
    """Seconds of FAISS's own search, best of three: what no way around it can go below."""
    index = faiss.IndexFlatIP(options.dimension)
    index.add(vectors[: options.index])
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        index.search(vectors[options.index :], options.k)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def our_search(folder: Path, vectors: np.ndarray) -> float:
    """Seconds of our table of neighbors, best of three."""
    index = index_file.read_index(folder / "train.faiss")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        exact.neighbor_table(
            index, Queries(np.arange(options.queries), vectors[options.index :], options.k)
        )
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> int:
    faiss.omp_set_num_threads(options.threads)
    pa.set_cpu_count(options.threads)
    catalog, vectors = synthetic(np.random.default_rng(options.seed))
    faiss.IndexFlatIP(options.dimension).search(vectors[:1], 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with h5py.File(folder / "one-dataset-per-image.h5", "w") as file:
            for path, vector in zip(catalog["path"], vectors, strict=True):
                file[path] = vector
        with h5py.File(folder / "one-matrix.h5", "w") as file:
            file["ids"], file["embeddings"] = catalog["id"].to_numpy(), vectors
        ours, theirs = Clock(), Clock()
        precision = our_side(folder, catalog, ours)
        expected = slow_side(folder, catalog, theirs)
        bare, table = bare_search(vectors), our_search(folder, vectors)

    difference = float(
        (precision.loc[expected.index, expected.columns] - expected).abs().to_numpy().max()
    )
    speedup, last = theirs.total / ours.total, int(expected.index[-1])
    print(
        f"{options.index:,} index and {options.queries:,} query vectors of dimension {options.dimension}, "
        f"{options.classes} classes, k = {options.k}, {options.threads} threads"
    )
    print(f"{'seconds':<18}{'one by one':>12}{'ours':>10}{'ratio':>9}")
    for name, title in STEPS.items():
        slow, fast = theirs.seconds[name], ours.seconds[name]
        print(f"{title:<18}{slow:>12.2f}{fast:>10.2f}{slow / fast:>8.1f}x")
    print(f"{'total':<18}{theirs.total:>12.2f}{ours.total:>10.2f}{speedup:>8.1f}x")
    beside = (theirs.total - bare) / max(ours.total - bare, 1e-3)
    print(
        f"beside the bare FAISS search {beside:.1f} times as fast; a side that only searched would be "
        f"{theirs.total / bare:.1f} times as fast as the peer"
    )
    print(
        f"bare FAISS search {bare:.2f} s, our neighbor table {table:.2f} s: {table / bare:.2f} times as long"
    )
    print(
        f"P@1 {precision.loc[1, 'micro']:.4f} (micro) {precision.loc[1, 'macro']:.4f} (macro), "
        f"P@{last} {precision.loc[last, 'micro']:.4f} {precision.loc[last, 'macro']:.4f}; "
        f"largest difference between the two sides, k = 1 to {last}: {difference:.1e}"
    )
    failures = []
    if not difference <= 1e-12:
        failures.append(f"P@k differs by {difference:.1e}, more than 1e-12")
    if not beside >= options.speedup:
        failures.append(
            f"ours is {beside:.1f} times as fast beside the search, not {options.speedup:g}"
        )
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
