"""Puts an export into a file of SQLite, where the extension sqlite-vec searches the vectors.

The file is written by Python alone: a vector is a BLOB of float32 numbers, the form that sqlite-vec
reads. Its virtual tables (``vec0``) are not used: of several images with one score they kept those
added last when this was tried, and the workflow keeps those with the smallest ids.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_write, refuse_full_disk
from radcbir.export import form
from radcbir.export.read import checked_manifest

ROWS = 8192
"""So many images are read at a time."""

PAGE = 32768
"""Bytes of a page of the file: several vectors fit into one, which halves file and search."""

TABLES = """
CREATE TABLE images (
    id INTEGER NOT NULL UNIQUE,
    dataset TEXT NOT NULL,
    split TEXT NOT NULL,
    path TEXT NOT NULL,
    label TEXT,
    labels TEXT NOT NULL,
    patient_id TEXT,
    vector BLOB NOT NULL
);
CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
"""``labels`` and the values of the manifest are JSON. Rows are in the order of the export: were ``id``
the key of the table, each would be put between others."""


def to_sqlite(folder: str | Path, path: str | Path) -> int:
    """Write the images of the index split of an export to a file of SQLite and return how many.

    The table ``images`` has what the export knows of an image, and ``vector``: ``d`` float32
    numbers, little-endian, of length one. The table ``manifest`` has the manifest of the export.
    Memory does not grow with the number of images, and the same export gives the same bytes.
    Raises :class:`~radcbir.core.errors.InputError` where the export is damaged, the file exists, or
    the disk has no room for it.
    """
    folder, path = Path(folder), Path(path)
    if path.exists():
        raise InputError(f"there is a file {path} already: delete it, or name another")
    manifest = checked_manifest(folder)
    split = manifest["experiment"]["index_split"]
    count = manifest["images"][split]["with_vector"]
    with atomic_write(path) as part:
        refuse_full_disk(part, count * manifest["dimension"] * 4)
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as database:
            database.execute(f"PRAGMA page_size = {PAGE}")
            # nothing is to be undone or to be kept of a file that is not whole
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.executescript(TABLES)
            database.execute("BEGIN")
            told = [(key, json.dumps(value, ensure_ascii=False)) for key, value in manifest.items()]
            database.executemany("INSERT INTO manifest VALUES (?, ?)", told)
            names = ", ".join((*form.COLUMNS, "vector"))
            marks = ", ".join("?" * (len(form.COLUMNS) + 1))
            insert = f"INSERT INTO images ({names}) VALUES ({marks})"
            database.executemany(insert, _rows(folder / form.VECTORS, split))
            database.execute("COMMIT")
    return count


def _rows(path: Path, split: str) -> Iterator[tuple[Any, ...]]:
    """The values of the columns of :data:`form.COLUMNS` and the vector, of each image of a split."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS):
            kept = batch.filter(pc.equal(batch["split"], split))
            columns = [kept[name].to_pylist() for name in form.COLUMNS]
            place = form.COLUMNS.index("labels")
            columns[place] = [json.dumps(each, ensure_ascii=False) for each in columns[place]]
            numbers = kept["vector"].flatten().to_numpy().astype("<f4").reshape(len(kept), -1)
            yield from zip(*columns, (each.tobytes() for each in numbers), strict=True)
