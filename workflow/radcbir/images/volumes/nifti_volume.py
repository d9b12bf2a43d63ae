"""The volume of a NIfTI file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from radcbir.images.formats import nifti
from radcbir.images.limits import Limits
from radcbir.images.raster import UnreadableImage
from radcbir.images.source import Source
from radcbir.images.volumes import Volume


def volume_of(slices: Sequence[tuple[Path, Mapping[str, int]]], limits: Limits) -> Volume:
    """The volume that some slices are cut from. Values that are not finite become the lowest."""
    chosen = {(file, selectors.get("volume", 0)) for file, selectors in slices}
    if len(chosen) > 1:
        raise UnreadableImage(f"no volume: its slices are from {len(chosen)} volumes")
    [(file, number)] = chosen
    with Source(str(file), limits) as source:
        found = nifti.volume(source, number, limits)
        values = found.scaled(found.voxels)
    if values.ndim != 3:
        raise UnreadableImage("no volume of one channel: its voxels have colors")
    values = np.array(values, dtype=np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise UnreadableImage("no voxel has a finite value")
    values[~finite] = values[finite].min()
    return Volume(values, found.affine)
