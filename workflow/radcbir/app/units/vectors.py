"""The vectors of the images of series, studies and patients."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from radcbir.app.stored import Recent, Stored, version
from radcbir.app.units.slices import GONE
from radcbir.core.errors import InputError
from radcbir.core.vectors import places_of
from radcbir.embedding.store import open_embeddings, read_ids
from radcbir.project.image_models import image_model
from radcbir.retrieval.units.slices import read_places

KEPT_IDS = 16
"""Files of embeddings whose ids are kept in memory."""


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


def _sorted_ids(path: Path) -> tuple[np.ndarray, np.ndarray]:
    ids = read_ids(path)
    return ids, np.argsort(ids)
