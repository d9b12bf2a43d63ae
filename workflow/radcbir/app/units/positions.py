"""Where slices of uploaded files lie, as far as the files say."""

from collections.abc import Mapping, Sequence

import numpy as np

from radcbir.datasets.providers.dicom.geometry import ALIKE, Place, place_of
from radcbir.images import reader
from radcbir.images.address import PLANES
from radcbir.images.dicom.header import attributes, group
from radcbir.images.formats import kind_of, nifti
from radcbir.images.limits import Limits
from radcbir.images.raster import UnreadableImage
from radcbir.images.source import Source

GROUPS = {
    "PlaneOrientationSequence": "ImageOrientationPatient",
    "PlanePositionSequence": "ImagePositionPatient",
}

NAMES = (*GROUPS, *GROUPS.values(), "Rows", "SOPClassUID")
NAMES += ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")

SAME_MM = 0.01
"""Slices that are nearer to one another lie at one place."""


def places(
    path: str, name: str, parts: Sequence[Mapping[str, int]], limits: Limits
) -> list[Place | None]:
    """The place of each of the ``parts`` of a file (a frame, or a slice of a plane; empty: the
    first frame); None for files that do not say it.

    Positions in NIfTI files begin at 0 with the first slice: the distances between slices are what
    is asked for.
    """
    try:
        with reader.reasons(), Source(path, limits, name) as source:
            kind = kind_of(source.head, source.name)
            if kind is nifti.READER:
                header = nifti.Header(source, limits)
                return [_of_volume(header, each) for each in parts]
            if kind is None or kind.name != "dicom":
                return [None] * len(parts)
            found = attributes(source.stream(), limits, NAMES)
    except UnreadableImage:  # whoever reads the pixels says so
        return [None] * len(parts)
    return [_of_frame(found, each.get("frame", 0)) for each in parts]


def _of_frame(header, frame: int) -> Place | None:
    try:
        values = [group(header, frame, each)[name].value for each, name in GROUPS.items()]
    except KeyError:
        return None
    return place_of(*values)


def _of_volume(header: nifti.Header, part: Mapping[str, int]) -> Place | None:
    from nibabel.affines import voxel_sizes

    plane = next((each for each in PLANES if each in part), None)
    if plane is None:
        return None
    axis = PLANES.index(plane)
    stored = np.flatnonzero(header.orientation[:, 0] == axis)
    spacing = float(voxel_sizes(header.affine)[stored[0]]) if len(stored) else 0.0
    x, y, z = np.eye(3)[axis].tolist()
    return Place((x, y, z), round(spacing * part[plane], 3))


def distances(found: Sequence[Place | None]) -> np.ndarray | None:
    """The positions ``(n,)`` of slices in mm along the normal that they share; None where one has no
    place, they are not parallel, or two lie at one place.
    """
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return None
    normals = np.array([each.normal for each in known])
    positions = np.array([each.position for each in known])
    apart = np.diff(np.sort(positions))
    if (normals @ normals[0] <= ALIKE).any() or (apart < SAME_MM).any():
        return None
    return positions
