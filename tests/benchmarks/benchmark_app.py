"""How long does the page of queries take over a large index, and to start?

    python tests/benchmarks/benchmark_app.py

Writes an exact index of random unit vectors to a temporary folder (--images x --dimension float32,
4 GB by default), opens it as the page does, mapped into memory, and asks it one query at a time:
all images, and a tenth and half of them let through by a filter. The peer is FAISS's own search of
the same mapped index, one query at a time. The median of --queries counts; the index is in the page
cache, as it is after the first query. Then the page itself is started as a process and asked over
HTTP, with a catalog of as many images, until its setup is answered.

Exits with 1 if the ids found differ from FAISS's, a query takes longer than --limit, or the start
longer than --start.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path

arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument(
    "--images", type=int, default=1_600_000, help="index images (default 1,600,000)"
)
arguments.add_argument(
    "--dimension", type=int, default=512, help="embedding dimension (default 512)"
)
arguments.add_argument("--queries", type=int, default=15, help="queries of each kind (default 15)")
arguments.add_argument("--k", type=int, default=24, help="results (default 24)")
arguments.add_argument(
    "--limit", type=float, default=0.3, help="seconds that a query may take (default 0.3)"
)
arguments.add_argument(
    "--start", type=float, default=10.0, help="seconds that the start may take (default 10)"
)
arguments.add_argument(
    "--folder", type=Path, help="where the temporary index lies (default: the system's)"
)
options = arguments.parse_args()
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "workflow"))

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from radcbir.app.vectors import VectorIndex, folded
from radcbir.project.configuration import Project
from radcbir.retrieval.index_file import read_index

BLOCK = 100_000


def draw(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal(
        (count, options.dimension), dtype=np.float32
    )
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_project(folder: Path) -> None:
    """A project whose run is finished as far as the page is concerned: configuration, catalog,
    index."""
    import h5py

    for name in (
        "config/models",
        "images",
        "results/experiments/large/synthetic/index",
        "results/embeddings/synthetic",
    ):
        (folder / name).mkdir(parents=True)
    (folder / "large.csv").write_text("filepath,split,label\n")
    # A model whose embeddings come from elsewhere: no encoder takes part in what is measured.
    card = {"name": "synthetic", "loader": "precomputed", "architecture": "none", "dimension": options.dimension,
            "path": "x.h5", "licence": "none"}  # fmt: skip
    (folder / "config/models/synthetic.yaml").write_text(yaml.safe_dump(card))
    config = {
        "datasets": {"large": {"csv": "large.csv", "images": "images"}},
        "models": ["synthetic"],
        "experiments": {
            "large": {
                "datasets": ["large"],
                "index_split": "train",
                "query_splits": ["test"],
                "analyses": [],
            }
        },
        "app": {"port": 0},
    }
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    number = np.arange(options.images)

    def text(values: list[str], codes: np.ndarray) -> pa.Array:
        return pa.DictionaryArray.from_arrays(codes.astype(np.int32), values).dictionary_decode()

    label = text([f"XR/region{each % 12}/finding{each}" for each in range(60)], number % 60)
    offsets = pa.array(np.arange(options.images + 1, dtype=np.int32))
    columns = {
        "id": number * 7,
        "path": pa.array([f"p{each // 100:06d}/{each:08d}.png" for each in number]),
        "dataset": text(["large"], number * 0),
        "split": text(["train", "test"], number % 200 == 0),
        "labels": pa.ListArray.from_arrays(offsets, label),
        "modality": text(["XR", "CT", "MR"], number % 3),
        "region": text([f"region{each}" for each in range(12)], number % 12),
        **{name: pa.nulls(options.images, pa.string()) for name in ("view", "sex")},
        "age": pa.nulls(options.images, pa.float64()),
    }
    pq.write_table(pa.table(columns), folder / "results/experiments/large/catalog.parquet")
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(options.dimension))
    for start in range(0, options.images, BLOCK):
        count = min(BLOCK, options.images - start)
        index.add_with_ids(draw(count, start), np.arange(start, start + count) * 7)
    faiss.write_index(index, str(folder / "results/experiments/large/synthetic/index/train.faiss"))
    os.chdir(folder)
    with h5py.File(folder / "results/embeddings/synthetic/large.h5", "w") as file:
        file.create_dataset("embeddings", data=np.empty((0, options.dimension), np.float32))
        file.attrs["card_digest"] = Project(config, ["config/models"]).card_digest("synthetic")


def median(ask: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    times = []
    for query in queries:
        start = time.perf_counter()
        ask(query)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def started(folder: Path) -> tuple[float, float]:
    """Seconds until the page answers, and until it has described a catalog of all images."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "workflow/app.py")], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        link = next(
            found[0] for line in process.stdout if (found := re.search(r"http://\S+", line))
        )
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        opener = urllib.request.build_opener(*handlers)
        opener.open(link).read()
        answered = time.perf_counter() - begin
        setup = opener.open(link.split("?")[0] + "api/setup").read()
        described = time.perf_counter() - begin
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert b'"missing":""' in setup, setup[:500]
    return answered, described


folder = Path(tempfile.mkdtemp(prefix="radcbir-benchmark-", dir=options.folder))
try:
    print(
        f"{options.images} x {options.dimension} float32, {len(os.sched_getaffinity(0))} cores",
        flush=True,
    )
    write_project(folder)
    path = folder / "results/experiments/large/synthetic/index/train.faiss"
    begin = time.perf_counter()
    index = VectorIndex.open(path)
    print(f"opening the index, mapped into memory: {time.perf_counter() - begin:.2f} s")
    peer, queries = read_index(path), draw(options.queries, -1 % 2**32)
    random = np.random.default_rng(0)
    filters = {"all images": None, "a filter that half passes": random.random(options.images) < 0.5,
               "a filter that a tenth passes": random.random(options.images) < 0.1}  # fmt: skip

    def ours(query: np.ndarray, admitted: np.ndarray | None = None) -> np.ndarray:
        positions, _ = index.best(query, 4 * options.k, admitted)
        folded(index.vectors[positions], index.ids[positions].tolist(), options.k, 0.99)
        return index.ids[positions[: options.k]]

    same = all(
        np.array_equal(ours(query), peer.search(query[None], options.k)[1][0])
        for query in queries[:5]
    )
    print(f"the same images as FAISS: {'yes' if same else 'NO'}")
    slowest = 0.0
    for name, admitted in filters.items():
        taken = median(lambda query, admitted=admitted: ours(query, admitted), queries)
        slowest = max(slowest, taken)
        print(f"a query over {name}: {taken:.3f} s (median of {len(queries)})", flush=True)
    taken = median(lambda query: peer.search(query[None], options.k), queries)
    print(f"FAISS's own search, one query: {taken:.3f} s")
    answered, described = started(folder)
    print(
        f"the page answers {answered:.1f} s after its start, and knows its {options.images} images after {described:.1f} s"
    )
finally:
    os.chdir(REPOSITORY)
    shutil.rmtree(folder)
sys.exit(not same or slowest > options.limit or described > options.start)
