"""From files to images: frames, their places in a series, and which of them are taken."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from radcbir.datasets.providers.dicom.geometry import orientations, plane_of
from radcbir.images.address import join_address
from radcbir.images.slices import taken


def with_places(table: pd.DataFrame, options: Mapping) -> pd.DataFrame:
    """A row per image of the files in ``table``: its address, ``position`` and ``view`` by its
    place, its series by orientation; of each series the slices that `step` and `trim` take.

    The orientations of a series are told apart by a number behind its UID from the second on, and
    ``mixed`` marks them. The position of an image without a place is its SliceLocation.
    """
    frames = table["frames"].astype(int)
    images = table.loc[table.index.repeat(frames)].copy()
    images["frame"] = images.groupby(level=0).cumcount()
    several = frames[images.index].to_numpy() > 1
    images["filepath"] = [
        join_address(file, {"frame": frame} if many else {})
        for file, frame, many in zip(images["file"], images["frame"], several, strict=True)
    ]
    places = [
        found[frame] if len(found) > frame else None
        for found, frame in zip(images["places"], images["frame"], strict=True)
    ]
    images = images.reset_index(drop=True)
    placed = np.array([each is not None for each in places], dtype=bool)
    normals = np.full((len(images), 3), np.nan)
    positions = np.full(len(images), np.nan)
    for row in np.flatnonzero(placed):
        normals[row], positions[row] = places[row]  # type: ignore[misc]
    _tell_apart(images, normals, placed)
    location = pd.to_numeric(images["SliceLocation"].where(~several), errors="coerce")
    own = pd.Series(positions).fillna(location)
    images["position"] = own.map(lambda mm: f"{round(mm, 3):.10g}", na_action="ignore")
    planes = [plane_of(normals[row]) if placed[row] else None for row in range(len(images))]
    images["view"] = images["view"].fillna(pd.Series(planes, dtype=object))
    return _thinned(images, own, several, options)


def _tell_apart(images: pd.DataFrame, normals: np.ndarray, placed: np.ndarray) -> None:
    """Number the orientations of each series in ``series_id``, and mark the series that have
    several.
    """
    series = images["series_id"].to_numpy(dtype=object, copy=True)
    mixed = np.zeros(len(images), dtype=bool)
    known = np.flatnonzero(placed & images["series_id"].notna().to_numpy())
    for _, among in pd.Series(series[known]).groupby(series[known]):
        rows = known[among.index.to_numpy()]
        numbers = orientations(normals[rows])
        if numbers.max() > 0:
            mixed[rows] = True
            for row, number in zip(rows, numbers, strict=True):
                series[row] += f"/{number + 1}" if number else ""
    images["series_id"], images["mixed"] = series, mixed


def _thinned(
    images: pd.DataFrame, positions: pd.Series, several: np.ndarray, options: Mapping
) -> pd.DataFrame:
    """Every `step`-th slice without the share `trim` at both ends, of each series in the order of
    its positions, or of the frames of a file. Other images stay.
    """
    if options["step"] == 1 and not options["trim"]:
        return images
    sliced = positions.notna() & images["series_id"].notna()
    order = images.assign(
        position=positions,
        number=pd.to_numeric(images["instance"]),
        group=images["series_id"].where(sliced, images["file"]),
    )
    order = order[sliced | several].sort_values(["position", "number", "file", "frame"])
    kept = [
        row
        for _, rows in order.groupby("group", sort=False).groups.items()
        for row in np.asarray(rows)[list(taken(len(rows), options))]
    ]
    stays = ~(sliced | several)
    stays.loc[kept] = True
    return images[stays].reset_index(drop=True)
