"""The vectors of the images of series, studies and patients, and which two slices are nearest."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from radcbir.app.stored import Recent, Stored, version
from radcbir.app.units.slices import GONE
from radcbir.app.vectors import places_of
from radcbir.core.errors import InputError
from radcbir.embedding.store import open_embeddings, read_ids, unit_rows
from radcbir.project.configuration import Project

KEPT_IDS = 16
"""Files of embeddings whose ids are kept in memory."""


def image_model(project: Project, model: str) -> str:
    """The model whose vectors of images those of a model's units are made from: itself, but for an
    adapted one, whose map is for units.
    """
    return (project.base(model) if model in project.adapted else None) or model


class SliceVectors:
    """Reads the vectors of a unit's slices, and no others."""

    def __init__(self, stored: Stored):
        self.stored, self._ids = stored, Recent(KEPT_IDS)

    def of(self, experiment: str, model: str, unit: int) -> tuple[np.ndarray, np.ndarray]:
        """The ids ``(n,)`` of the embedded images of a unit, in the order of its slices, and their
        unit vectors ``(n, d)``. Raises :class:`InputError` for a unit that there is not.
        """
        [found] = self.of_each(experiment, model, [unit])
        return found

    def of_each(
        self, experiment: str, model: str, units: Sequence[int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same of several units, one after the other; each file is opened once."""
        slices = self.stored.slices(experiment)
        own = image_model(self.stored.project, model)
        files: dict[Path, h5py.File] = {}
        with contextlib.ExitStack() as opened:
            for unit in units:
                rows = slices.rows(unit)
                if not len(rows):
                    raise InputError(GONE)
                dataset = slices.collection.table["dataset"][int(rows[0])].as_py()
                path = self.stored.image_embeddings_file(own, dataset)
                if path not in files:
                    files[path] = opened.enter_context(open_embeddings(path))
                ids = slices.collection.ids[rows]
                places = places_of(ids, *self._ids_of(path))
                yield ids[places >= 0], read_places(files[path], places[places >= 0])

    def embedded(self, experiment: str, model: str, ids: np.ndarray) -> np.ndarray:
        """Which images of one unit have a vector, bool ``(n,)``."""
        path = self._file(experiment, model, int(ids[0]))
        return places_of(ids, *self._ids_of(path)) >= 0

    def some(self, experiment: str, model: str, ids: np.ndarray) -> np.ndarray:
        """The unit vectors ``(n, d)`` of images of one unit, which are all embedded."""
        path = self._file(experiment, model, int(ids[0]))
        with open_embeddings(path) as file:
            return read_places(file, places_of(ids, *self._ids_of(path)))

    def _file(self, experiment: str, model: str, identity: int) -> Path:
        """Where the vectors of the unit's images are that an image belongs to."""
        collection = self.stored.slices(experiment).collection
        row = int(collection.rows(np.array([identity]))[0])
        own, dataset = image_model(self.stored.project, model), collection.table["dataset"][row]
        return self.stored.image_embeddings_file(own, dataset.as_py())

    def _ids_of(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        return self._ids.get((path, version(path)), lambda: _sorted_ids(path))


def nearest(query: np.ndarray, slices: np.ndarray) -> tuple[int, int, float]:
    """The slice of the query ``(q, d)`` and that of a unit ``(n, d)`` whose cosine is highest, and
    the cosine; of equal ones the first.
    """
    scores = query.astype(np.float64) @ slices.astype(np.float64).T
    of_query, of_unit = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return int(of_query), int(of_unit), float(scores[of_query, of_unit])


def _sorted_ids(path: Path) -> tuple[np.ndarray, np.ndarray]:
    ids = read_ids(path)
    return ids, np.argsort(ids)


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
