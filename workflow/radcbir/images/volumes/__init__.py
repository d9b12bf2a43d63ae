"""Series of slices as volumes: values in the file's units, and where each voxel lies in the patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radcbir.images import reader
from radcbir.images.address import split_address
from radcbir.images.limits import LIMITS, Limits
from radcbir.images.raster import UnreadableImage

VERSION = 1
"""Raise it when values or places change: vectors of volumes are then made again."""


@dataclass(frozen=True)
class Volume:
    """A volume of one channel."""

    values: np.ndarray
    """(i, j, k) float32 in the file's units (Hounsfield, counts ...), all finite."""
    affine: np.ndarray
    """(4, 4): indices -> mm to the patient's right-to-left, back-to-front and foot-to-head axes,
    each growing to the right, to the front and up (RAS+, as nibabel has it)."""


def read_volume(root: str | Path, paths: Sequence[str], limits: Limits = LIMITS) -> Volume:
    """The volume of a series whose slices are the images ``paths`` below ``root``, in any order.

    DICOM: the slices that are named, by the places in their headers. NIfTI: the whole volume of the
    file, whichever of its slices are named. Raises :class:`UnreadableImage` with a short reason:
    what a reader says of an image, another format, no places, slices that do not make one volume.
    """
    addresses = [split_address(path) for path in paths]
    files = [reader.resolve(root, file) for file, _ in addresses]
    kinds = {reader.kind_name(file) for file in dict.fromkeys(files)}
    slices = [(file, selectors) for file, (_, selectors) in zip(files, addresses, strict=True)]
    if kinds == {"nifti"}:
        from radcbir.images.volumes.nifti_volume import volume_of
    elif kinds == {"dicom"}:
        from radcbir.images.volumes.dicom_series import volume_of
    else:
        raise UnreadableImage(
            f"no volume: {' and '.join(sorted(kinds))} files do not say where a slice lies (DICOM "
            "and NIfTI do)"
        )
    with reader.reasons():
        return volume_of(slices, limits)
