"""The slices of units by their vectors: those of a stored unit, and which two are nearest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from radcbir.core.vectors import places_of
from radcbir.embedding.store import open_embeddings, unit_rows


def nearest(query: np.ndarray, slices: np.ndarray) -> tuple[int, int, float]:
    """The slice of the query ``(q, d)`` and that of a unit ``(n, d)`` whose cosine is highest, and
    the cosine; of equal ones the first.
    """
    scores = query.astype(np.float64) @ slices.astype(np.float64).T
    of_query, of_unit = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return int(of_query), int(of_unit), float(scores[of_query, of_unit])


def read_places(file: h5py.File, places: np.ndarray) -> np.ndarray:
    """The unit vectors ``(n, d)`` in some rows ``(n,)`` of an open file of embeddings, in the order
    given; what lies side by side is read at once.
    """
    order = np.argsort(places)
    runs = np.split(order, np.flatnonzero(np.diff(places[order]) != 1) + 1)
    vectors = np.empty((len(places), file["embeddings"].shape[1]), dtype=np.float32)
    for run in runs if len(places) else ():
        start, end = int(places[run[0]]), int(places[run[-1]]) + 1
        vectors[run] = unit_rows(file, slice(start, end))
    return vectors


class StoredSlices:
    """The vectors of the slices of an experiment's units by one model, read unit by unit."""

    def __init__(self, files: Mapping[str, h5py.File], images: pd.DataFrame):
        """``files`` are the model's open embeddings by dataset, ``images`` has the columns unit, id
        and dataset (``units/images.parquet``).
        """
        self._files = files
        self._ids = {name: file["ids"][:] for name, file in files.items()}
        self._order = {name: np.argsort(ids) for name, ids in self._ids.items()}
        self._images = images
        self._rows = images.groupby("unit", sort=False).indices

    def of(self, unit: int) -> tuple[np.ndarray, np.ndarray]:
        """The places ``(n,)`` of a unit's embedded slices among all of its slices, from 0, and their
        unit vectors ``(n, d)``.
        """
        own = self._images.iloc[self._rows[unit]]
        dataset = own["dataset"].iloc[0]
        places = places_of(own["id"].to_numpy(), self._ids[dataset], self._order[dataset])
        known = np.flatnonzero(places >= 0)
        return known, read_places(self._files[dataset], places[known])


@contextlib.contextmanager
def stored_slices(paths: Mapping[str, str | Path], images: pd.DataFrame) -> Iterator[StoredSlices]:
    """:class:`StoredSlices` of the embeddings ``paths`` (dataset -> file), which stay open."""
    with contextlib.ExitStack() as opened:
        files = {name: opened.enter_context(open_embeddings(each)) for name, each in paths.items()}
        yield StoredSlices(files, images)
