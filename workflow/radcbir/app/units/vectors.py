"""The vectors of the images of series, studies and patients, and which two slices are nearest."""

from pathlib import Path

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
        slices = self.stored.slices(experiment)
        rows = slices.rows(unit)
        if not len(rows):
            raise InputError(GONE)
        dataset = slices.collection.table["dataset"][int(rows[0])].as_py()
        own = image_model(self.stored.project, model)
        path = self.stored.image_embeddings_file(own, dataset)
        present, order = self._ids.get((path, version(path)), lambda: _sorted_ids(path))
        ids = slices.collection.ids[rows]
        places = places_of(ids, present, order)
        ids, places = ids[places >= 0], places[places >= 0]
        return ids, read_places(path, places)


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


def read_places(path: Path, places: np.ndarray) -> np.ndarray:
    """The unit vectors ``(n, d)`` in some rows ``(n,)`` of a file of embeddings, in the order given;
    what lies side by side is read at once.
    """
    order = np.argsort(places)
    runs = np.split(order, np.flatnonzero(np.diff(places[order]) != 1) + 1)
    with open_embeddings(path) as file:
        vectors = np.empty((len(places), file["embeddings"].shape[1]), dtype=np.float32)
        for run in runs if len(places) else ():
            start, end = int(places[run[0]]), int(places[run[-1]]) + 1
            vectors[run] = unit_rows(file, slice(start, end))
    return vectors
