"""Where images lie: the normal of their plane, and their position along it (PS3.3, C.7.6.2.1.1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

PLANES = ("SAGITTAL", "CORONAL", "AXIAL")
"""The plane whose normal is nearest to each axis of the patient: to the left, the back, the head."""

ALIKE = 0.99
"""Cosine of the angle (8 degrees) up to which two slices have one orientation."""


class Place(NamedTuple):
    """The unit normal of an image, and its position along it in mm."""

    normal: tuple[float, float, float]
    position: float


def place_of(orientation: Any, position: Any) -> Place | None:
    """The place of an image by ImageOrientationPatient (six cosines of rows and columns) and
    ImagePositionPatient (mm); None where they are missing, or span no plane.
    """
    try:
        cosines, corner = (
            np.array([float(each) for each in values]) for values in (orientation, position)
        )
    except (TypeError, ValueError):
        return None
    if cosines.shape != (6,) or corner.shape != (3,) or not np.isfinite([*cosines, *corner]).all():
        return None
    normal = np.cross(cosines[:3], cosines[3:])
    length = float(np.linalg.norm(normal))
    if not 0.5 < length < 1.5:  # no two perpendicular unit vectors, not even nearly
        return None
    normal = normal / length
    x, y, z = (round(float(each), 4) for each in normal)
    return Place((x, y, z), round(float(normal @ corner), 3))


def plane_of(normal: Sequence[float]) -> str:
    """The plane that an image is nearest to."""
    return PLANES[int(np.argmax(np.abs(normal)))]


def orientations(normals: np.ndarray) -> np.ndarray:
    """A number for the orientation of each of the ``(n, 3)`` normals, from 0 in their order: those
    within 8 degrees of the first of a number share it.
    """
    numbers = np.full(len(normals), -1)
    for number in range(len(normals)):
        left = np.flatnonzero(numbers < 0)
        if not len(left):
            break
        alike = normals[left] @ normals[left[0]] > ALIKE
        alike[0] = True
        numbers[left[alike]] = number
    return numbers
