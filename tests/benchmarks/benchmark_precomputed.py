"""Reading what was published: vectors out of one HDF5 dataset per image, and neighbor lists out of
a knn.csv.

Peers in the same run: the usual way to read such a file (``file[path][:]`` image by image, as the
reference does), and pandas reading the neighbor lists and mapping their paths to ids.
"""

import csv
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from radcbir.datasets.catalog import image_id
from radcbir.embedding import sources
from radcbir.embedding.sources import ROWS_PER_BLOCK
from radcbir.retrieval import published_neighbors

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))


IMAGES, DIMENSION, QUERIES, K = 40_000, 512, 4_000, 100


def timed(call):
    """Seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def usual_way(path, names):
    """Image by image through the high-level interface."""
    with h5py.File(path) as file:
        return np.stack([file[name][:] for name in names])


def our_way(path, names):
    """As the rule take_embeddings reads a block."""
    source = sources.open_source(path, None, DIMENSION)
    parts = range(0, len(names), ROWS_PER_BLOCK)
    return np.concatenate(
        [source.read(np.empty(0), names[start : start + ROWS_PER_BLOCK])[0] for start in parts]
    )


def main():
    """Print one line per comparison."""
    random = np.random.default_rng(0)
    names = [f"mimic/p{i % 10}/p{i // 6:08d}/s{i // 2:08d}/{i:012x}.jpg" for i in range(IMAGES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vectors.h5")
        with h5py.File(path, "w") as file:
            for name in names:
                file.create_dataset(name, data=random.normal(size=DIMENSION).astype(np.float32))
        peers, ours = [], []
        for _ in range(3):
            seconds, expected = timed(lambda: usual_way(path, names))
            peers.append(seconds)
            seconds, found = timed(lambda: our_way(path, names))
            ours.append(seconds)
            assert np.array_equal(expected, found)
        peer, our = min(peers), min(ours)
        print(
            f"{IMAGES} vectors of {DIMENSION} numbers: {our:.2f} s, the usual way {peer:.2f} s: {peer / our:.1f} times as fast"
        )

        ids = np.array([image_id("mimic", name) for name in names])
        shard = Path(folder, "shard.tsv")
        pd.DataFrame({"id": ids, "path": names, "bytes": 0}).to_csv(shard, sep="\t", index=False)
        lists = Path(folder, "knn.csv")
        chosen = (
            np.argsort(random.random((QUERIES, IMAGES - QUERIES), dtype=np.float32), axis=1)[:, :K]
            + QUERIES
        )
        with open(lists, "w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow(["query", *range(1, K + 1)])
            table.writerows(
                [names[row], *(names[place] for place in places)]
                for row, places in enumerate(chosen)
            )
        known = pd.DataFrame({"id": ids, "patient_id": None})

        def with_pandas():
            frame = pd.read_csv(lists)
            return frame.set_index("query").map(dict(zip(names, ids, strict=True)).get).to_numpy()

        def with_ours():
            return published_neighbors.take_neighbors(
                lists, [shard], known[:QUERIES], known[QUERIES:], ids, K
            )

        peer, expected = timed(with_pandas)
        our, found = timed(with_ours)
        order = np.argsort(ids[:QUERIES])
        assert np.array_equal(found["neighbor"].to_numpy().reshape(-1, K), expected[order])
        print(
            f"lists of {QUERIES} queries, k = {K}: {our:.2f} s, with pandas {peer:.2f} s: {peer / our:.1f} times as fast"
        )


if __name__ == "__main__":
    main()
