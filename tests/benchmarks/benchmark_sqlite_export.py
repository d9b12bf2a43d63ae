"""An export in SQLite: how fast it is written, and how fast sqlite-vec searches it.

    python tests/benchmarks/benchmark_sqlite_export.py

Peers in the same run: a plain copy of the vectors to the same disk, and, for the search, one product
of NumPy over the vectors in memory. The first ten images of both searches have to be the same. Beside
them stands the virtual table of sqlite-vec (``vec0``), with the same vectors.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import apsw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlite_vec

from radcbir.core.files import sha256_of_file
from radcbir.export import form
from radcbir.export.sqlite import to_sqlite

QUERY = """SELECT id, 1 - vec_distance_cosine(vector, :query) AS score FROM images
ORDER BY score DESC, id LIMIT 10"""
VIRTUAL = "SELECT rowid, distance FROM images WHERE vector MATCH :query AND k = 10"


def made_export(folder: Path, ids: np.ndarray, vectors: np.ndarray) -> None:
    """An export of an index split alone; the files that a database does not need are empty."""
    count, dimension = vectors.shape
    schema = form.schema(dimension)
    columns = {name: [f"{name} {row % 1000}" for row in range(count)] for name in form.COLUMNS}
    columns |= {"id": ids, "split": ["train"] * count, "labels": [["some"]] * count}
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), type=schema.types[-1])
    arrays = [pa.array(columns[name], schema.field(name).type) for name in form.COLUMNS]
    folder.mkdir()
    pq.write_table(pa.Table.from_arrays([*arrays, flat], schema=schema), folder / form.VECTORS)
    (folder / form.INDEX).touch()
    manifest = {
        "format": form.FORMAT,
        "experiment": {"index_split": "train", "query_splits": []},
        "dimension": dimension,
        "images": {"train": {"with_vector": count}},
        "files": {name: {"sha256": sha256_of_file(folder / name)} for name in form.files([])},
    }
    (folder / form.MANIFEST).write_text(json.dumps(manifest))


def opened(path: Path) -> apsw.Connection:
    """A database that knows sqlite-vec."""
    database = apsw.Connection(str(path))
    database.enable_load_extension(True)
    database.load_extension(sqlite_vec.loadable_path())
    return database


def virtual_table(path: Path, ids: np.ndarray, vectors: np.ndarray) -> None:
    """The vectors in the form that sqlite-vec has for them."""
    with contextlib.closing(opened(path)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        form_of = f"vector float[{vectors.shape[1]}] distance_metric=cosine"
        database.execute(f"CREATE VIRTUAL TABLE images USING vec0({form_of})")
        rows = zip(ids.tolist(), (each.tobytes() for each in vectors), strict=True)
        with database:
            database.executemany("INSERT INTO images (rowid, vector) VALUES (?, ?)", rows)


def searched(path: Path, sql: str, queries: np.ndarray) -> tuple[list, float]:
    """What the queries find, and the seconds of the median one after a first one."""
    found, seconds = [], []
    with contextlib.closing(opened(path)) as database:
        database.execute(sql, {"query": queries[0].tobytes()}).fetchall()
        for query in queries:
            start = time.perf_counter()
            found.append([row[0] for row in database.execute(sql, {"query": query.tobytes()})])
            seconds.append(time.perf_counter() - start)
    return found, float(np.median(seconds))


def timed(call) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> int:
    """Print one line for writing and one for the search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=20)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    vectors = random.normal(size=(given.images + given.queries, given.dimension))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors, queries = vectors[: given.images], vectors[given.images :]
    ids = np.unique(random.integers(1, 1 << 62, 2 * given.images))
    ids = random.permutation(ids)[: given.images]
    with tempfile.TemporaryDirectory() as place:
        folder, path, virtual = (Path(place, name) for name in ("export", "ours.sqlite", "vec0"))
        made_export(folder, ids, vectors)
        written = timed(lambda: to_sqlite(folder, path))
        copied = timed(lambda: vectors.tofile(Path(place, "copy")))
        theirs = timed(lambda: virtual_table(virtual, ids, vectors))
        size = path.stat().st_size / vectors.nbytes
        print(
            f"{given.images} images of {given.dimension} numbers: written in {written:.1f} s, the "
            f"digests included; {size:.2f} times the bytes of the vectors; a plain copy of them "
            f"{copied:.1f} s; vec0 {theirs:.1f} s"
        )
        found, ours = searched(path, QUERY, queries)
        others, theirs = searched(virtual, VIRTUAL, queries)
    seconds, expected = [], []
    for query in queries:
        start = time.perf_counter()
        expected.append(ids[np.argsort(-(vectors @ query), kind="stable")[:10]].tolist())
        seconds.append(time.perf_counter() - start)
    same = sum(one == other for one, other in zip(found, expected, strict=True))
    print(
        f"a query: {1000 * ours:.0f} ms; vec0 {1000 * theirs:.0f} ms; NumPy in memory "
        f"{1000 * np.median(seconds):.0f} ms; {same} of {len(queries)} queries have the same ten"
    )
    return int(found != expected or others != expected)


if __name__ == "__main__":
    sys.exit(main())
