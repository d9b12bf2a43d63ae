"""How much of each structure the slices of a volume show, counted in its masks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from radcbir.core.errors import InputError
from radcbir.images.address import PLANES
from radcbir.images.formats import nifti
from radcbir.images.limits import LIMITS
from radcbir.images.raster import UnreadableImage
from radcbir.images.reader import reasons
from radcbir.images.source import Source

Counts = dict[tuple[str, str], np.ndarray]
"""Label and plane -> the number of its voxels in each slice of that plane ``(slices,)``."""

APART = 1e-2
"""Affines of volume and mask may differ by so many mm at each voxel's place."""


def structure_counts(
    path: Path, volume: nifti.Grid, structures: Mapping[str, str], planes: Sequence[str]
) -> tuple[Counts, set[str]]:
    """The voxels of each structure in the masks at ``path``: a NIfTI file whose numbers are
    structures, or a folder with a file per structure, whose voxels are 0 outside of it.

    ``structures`` maps numbers or names of files (without suffix) to labels; several may share one,
    whose voxels are added up. The structures of which there is any voxel come with it. Raises
    :class:`InputError` where a mask cannot be read, has another grid than its ``volume``, or numbers
    that are not whole.
    """
    found: Counts = {}
    seen = set()
    if path.is_dir():
        for name, label in structures.items():
            files = [path / f"{name}{suffix}" for suffix in (".nii.gz", ".nii")]
            for file in [each for each in files if each.is_file()][:1]:
                mask = _read(file, volume)
                for plane in planes:
                    axes = tuple(axis for axis, each in enumerate(PLANES) if each != plane)
                    counts = np.count_nonzero(mask.voxels, axis=axes)
                    _add(found, (label, plane), counts)
                    if counts.any():
                        seen.add(name)
        return found, seen
    mask = _read(path, volume)
    for plane in planes:
        by_number = _by_number(mask, plane, path)
        for number, label in structures.items():
            value = int(number)
            if value < by_number.shape[1]:
                _add(found, (label, plane), by_number[:, value])
                if by_number[:, value].any():
                    seen.add(number)
    return found, seen


def _add(found: Counts, key: tuple[str, str], counts: np.ndarray) -> None:
    found[key] = found[key] + counts if key in found else counts


def _read(path: Path, volume: nifti.Grid) -> nifti.Volume:
    """A mask, its axes turned as its volume's are."""
    try:
        with reasons(), Source(str(path)) as source:
            mask = nifti.volume(source, 0, LIMITS)
    except UnreadableImage as error:
        raise InputError(
            f"the mask {path} cannot be read ({error}): replace it, or move its volume elsewhere"
        ) from None
    corners = np.array([[0, 0, 0, 1], [*mask.voxels.shape[:3], 1]], dtype=float).T
    apart = np.abs((mask.affine - volume.affine) @ corners).max()
    if mask.voxels.shape != volume.shape or apart > APART:
        raise InputError(
            f"the mask {path} has another grid than its volume ({_grid(mask.voxels.shape)} and "
            f"{_grid(volume.shape)} voxels{f', up to {apart:.1f} mm apart' if apart > APART else ''}): "
            "resample it to the volume"
        )
    return mask


def _grid(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _by_number(mask: nifti.Volume, plane: str, path: Path) -> np.ndarray:
    """How many voxels of each number ``(slices, numbers)`` each slice of a plane has."""
    axis = PLANES.index(plane)
    rows = []
    for number in range(mask.voxels.shape[axis]):
        values = mask.scaled(mask.voxels[(slice(None),) * axis + (number,)])
        if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
            raise InputError(
                f"the mask {path} has numbers that are not whole, so that they name no structure: "
                "give a file whose numbers are structures, or a folder with a file per structure"
            )
        rows.append(np.bincount(np.maximum(values, 0).astype(np.int64).ravel()))
    width = max(map(len, rows))
    return np.stack([np.pad(row, (0, width - len(row))) for row in rows])
