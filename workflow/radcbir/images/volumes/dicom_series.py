"""The volume of a series of DICOM slices: they are put where their headers say that they lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom

from radcbir.images import reader
from radcbir.images.address import join_address
from radcbir.images.dicom.header import attributes, group
from radcbir.images.limits import Limits
from radcbir.images.raster import Raster, UnreadableImage
from radcbir.images.source import Source
from radcbir.images.volumes import Volume

NAMES = (
    *("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)

TOLERANCE = 1e-3
"""Cosines, and sides of a pixel in mm, that differ by less are equal."""

UNEVEN = 0.1
"""The share of their distance by which slices may lie off their places."""


class Place(NamedTuple):
    """Where a slice lies, in mm, along DICOM's axes (to the left, to the back, up)."""

    along_row: np.ndarray
    """Unit vector (3,) from one column to the next."""
    along_column: np.ndarray
    """Unit vector (3,) from one row to the next."""
    corner: np.ndarray
    """The center of the first pixel (3,)."""
    spacing: tuple[float, float]
    """Between rows, and between columns."""


def volume_of(slices: Sequence[tuple[Path, Mapping[str, int]]], limits: Limits) -> Volume:
    """The volume of some slices. Padding becomes the lowest value of the rest.

    Raises :class:`UnreadableImage` where a slice has no place, and where they do not make one
    volume: several orientations or sizes, two at one place, uneven distances.
    """
    if len(slices) < 2:
        raise UnreadableImage("no volume: it has one slice")
    places = _places(slices, limits)
    first = places[0]
    for name, words in (("along_row", "orientations"), ("along_column", "orientations")):
        _refuse_several([getattr(each, name) for each in places], words)
    _refuse_several([np.array(each.spacing) for each in places], "sizes of pixels")
    normal = np.cross(first.along_row, first.along_column)
    positions = np.array([each.corner @ normal for each in places])
    order = np.argsort(positions, kind="stable")
    distance = _distance(positions[order])
    rasters = [_raster(slices[number], limits) for number in order]
    _refuse_several([np.array(each.values.shape) for each in rasters], "sizes of images")
    values = np.stack([each.values.astype(np.float32).T for each in rasters], axis=2)
    padding = np.stack([_padding(each).T for each in rasters], axis=2)
    if padding.all():
        raise UnreadableImage("no voxel has a value: all is padding")
    if padding.any():
        values[padding] = values[~padding].min()
    affine = np.eye(4)
    down, across = first.spacing
    affine[:3, 0], affine[:3, 1] = first.along_row * across, first.along_column * down
    affine[:3, 2], affine[:3, 3] = normal * distance, places[order[0]].corner
    return Volume(values, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def _places(slices: Sequence[tuple[Path, Mapping[str, int]]], limits: Limits) -> list[Place]:
    """The place of each slice, each file's header read once."""
    headers: dict[Path, pydicom.Dataset] = {}
    found = []
    for file, selectors in slices:
        if file not in headers:
            with Source(str(file), limits) as source:
                headers[file] = attributes(source.stream(), limits, NAMES)
        place = _place(headers[file], selectors.get("frame", 0))
        if place is None:
            raise UnreadableImage(f"no volume: the header of {file.name} gives no place of a slice")
        found.append(place)
    return found


def _place(header: pydicom.Dataset, frame: int) -> Place | None:
    wanted = (
        ("PlaneOrientationSequence", "ImageOrientationPatient", 6),
        ("PlanePositionSequence", "ImagePositionPatient", 3),
        ("PixelMeasuresSequence", "PixelSpacing", 2),
    )
    numbers = []
    for sequence, name, count in wanted:
        try:
            value = np.array([float(each) for each in group(header, frame, sequence)[name].value])
        except (KeyError, TypeError, ValueError):
            return None
        if value.shape != (count,) or not np.isfinite(value).all():
            return None
        numbers.append(value)
    cosines, corner, (down, across) = numbers
    lengths = np.linalg.norm(cosines.reshape(2, 3), axis=1)
    if min(down, across) <= 0 or abs(lengths - 1).max() > 0.01:
        return None
    if abs(cosines[:3] @ cosines[3:]) > 0.01:
        return None
    return Place(cosines[:3], cosines[3:], corner, (float(down), float(across)))


def _refuse_several(values: Sequence[np.ndarray], what: str) -> None:
    if any(each.shape != values[0].shape for each in values) or (
        max(np.abs(each - values[0]).max() for each in values) > TOLERANCE
    ):
        raise UnreadableImage(f"no volume: its slices have several {what}")


def _distance(positions: np.ndarray) -> float:
    """The distance of slices in mm, from their sorted positions."""
    steps = np.diff(positions)
    if steps.min() < TOLERANCE:
        raise UnreadableImage(
            "no volume: several slices lie at one place (phases of one series, for instance)"
        )
    distance = float(np.median(steps))
    if np.abs(steps - distance).max() > UNEVEN * distance:
        raise UnreadableImage(
            f"no volume: its slices are {steps.min():.4g} to {steps.max():.4g} mm apart; some are "
            "missing"
        )
    return distance


def _raster(one: tuple[Path, Mapping[str, int]], limits: Limits) -> Raster:
    file, selectors = one
    found = reader.read_raster(join_address(str(file), dict(selectors)), limits, as_stored=True)
    if found.values.ndim != 2:
        raise UnreadableImage("no volume of one channel: its slices have colors")
    return found


def _padding(raster: Raster) -> np.ndarray:
    if raster.padding is None:
        return np.zeros(raster.values.shape, dtype=bool)
    return raster.padding
