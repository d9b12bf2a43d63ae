"""A linear map of vectors, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from radcbir.core.files import atomic_write

MAP = "map"
"""The name of the map of an adapted model in its file."""


@dataclass(frozen=True)
class Transform:
    """``(vectors - mean) @ matrix``; what comes out is brought to length one before it is compared."""

    mean: np.ndarray
    """``(d,)`` float64."""
    matrix: np.ndarray
    """``(d, r)`` float64."""

    @cached_property
    def rounding(self) -> float:
        """How long a vector may be that is nothing but the rounding of float32."""
        return float(np.finfo(np.float32).eps * np.linalg.norm(self.matrix, 2))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors ``(n, d)`` -> ``(n, r)``, float64, of any length.

        Where rounding alone is left, the row is 0: its direction means nothing.
        """
        moved = (vectors - self.mean) @ self.matrix
        moved[np.linalg.norm(moved, axis=1) <= self.rounding] = 0
        return moved


def save(path: str | Path, transforms: Mapping[str, Transform], attributes: Mapping) -> None:
    """Write maps by name to an HDF5 file, atomically; ``attributes`` say what made them."""
    with atomic_write(path) as part, h5py.File(part, "w") as file:
        for name, each in transforms.items():
            group = file.create_group(name)
            group.create_dataset("mean", data=each.mean, track_times=False)
            group.create_dataset("matrix", data=each.matrix, track_times=False)
        for name, value in attributes.items():
            file.attrs[name] = value


def load(path: str | Path) -> dict[str, Transform]:
    """The maps of a file of :func:`save` by name."""
    with h5py.File(path) as file:
        return {
            name: Transform(group["mean"][:], group["matrix"][:]) for name, group in file.items()
        }


def attributes(path: str | Path) -> dict:
    """What a file of :func:`save` says of itself."""
    with h5py.File(path) as file:
        return dict(file.attrs)
