"""The images of an experiment's series, studies or patients, in their order."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from radcbir.app.collection import Collection
from radcbir.app.units.lying import Lying, lying
from radcbir.core.errors import InputError
from radcbir.core.vectors import places_of

GONE = "an image is not in the catalog (any more): reload the page"


class Slices:
    """Which images belong to which unit."""

    def __init__(self, path: str | Path):
        """``path`` is the experiment's ``units/images.parquet``: unit by unit, in the order of the
        slices.
        """
        self.collection = Collection(path, "")  # its split is nothing's: units are searched
        of_row = pq.read_table(path, columns=["unit"])["unit"].to_numpy()
        first = np.ones(len(of_row), dtype=bool)
        first[1:] = of_row[1:] != of_row[:-1]
        self.bounds = np.append(np.flatnonzero(first), len(of_row))
        self.units = of_row[first]
        self._order = np.argsort(self.units)

    @cached_property
    def lying(self) -> Lying:
        """How the slices lie in their series."""
        return lying(self.collection.table, self.bounds)

    def rows(self, unit: int) -> np.ndarray:
        """The rows of the catalog of images that belong to a unit; none where there is no such
        unit.
        """
        place = places_of(np.array([unit]), self.units, self._order)[0]
        if place < 0:
            return np.empty(0, dtype=np.int64)
        return np.arange(self.bounds[place], self.bounds[place + 1])

    def ids(self, unit: int) -> np.ndarray:
        """The ids of a unit's images."""
        return self.collection.ids[self.rows(unit)]

    def unit_of(self, row: int) -> int:
        """The unit that an image belongs to."""
        return int(self.units[np.searchsorted(self.bounds, row, side="right") - 1])

    def named(self, name: str) -> list[int]:
        """The units that have an image whose ``study_id`` or ``series_id`` is ``name``, in the order
        of the catalog.
        """
        rows = self.collection.rows_named(name)
        return list(dict.fromkeys(map(self.unit_of, rows.tolist())))

    def around(self, identity: int) -> dict:
        """All ``rows`` of a unit, named by its own id or that of one of its images, and the ``place``
        of that image among them; of a unit that of its middle one, whose picture it has.

        Raises :class:`InputError`.
        """
        rows = self.rows(identity)
        place = (len(rows) - 1) // 2
        if not len(rows):
            row = int(self.collection.rows(np.array([identity]))[0])
            if row < 0:
                raise InputError(GONE)
            rows = self.rows(self.unit_of(row))
            place = row - int(rows[0])
        return {"rows": rows.tolist(), "place": place}
