"""Square pixels: the one place that decides about the shape of an image, for all formats."""

from dataclasses import replace

import numpy as np
from PIL import Image

from radcbir.images.limits import LIMITS, Limits, check_size
from radcbir.images.raster import Raster

VERSION = 1
"""Raise it when pixels change."""

TOLERANCE = 1.01
"""Pixels whose sides differ by less than this factor are square."""


def square(raster: Raster, limits: Limits = LIMITS) -> Raster:
    """The image with square pixels: the side with the coarser spacing is stretched linearly to the
    finer one.

    Padding takes no part in the stretched values. Ranges are still those of the values before.
    Raises :class:`UnreadableImage` where the stretched image is too large.
    """
    if raster.spacing is None or max(raster.spacing) < TOLERANCE * min(raster.spacing):
        return raster
    rows, columns = raster.values.shape[:2]
    down, across = raster.spacing
    finer = min(down, across)
    size = max(1, round(columns * across / finer)), max(1, round(rows * down / finer))
    check_size(size[1], size[0], limits, 16)
    values, padding, population = raster.values, raster.padding, raster.population
    if population is None:
        population = values if padding is None else values[~padding]
    if padding is not None:
        lowest = population.min() if population.size else 0
        values = np.where(padding, np.asarray(lowest, values.dtype), values)
        padding = np.asarray(Image.fromarray(padding).resize(size, Image.Resampling.NEAREST))
    return replace(
        raster,
        values=_stretched(values, size),
        padding=padding,
        population=population,
        spacing=None,
    )


def _stretched(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``values`` linearly interpolated to ``size`` (columns, rows), of the same type; floating
    point becomes float32.
    """
    if values.ndim == 3:
        if values.dtype == np.uint8:
            image = Image.fromarray(np.ascontiguousarray(values))
            return np.asarray(image.resize(size, Image.Resampling.BILINEAR))
        return np.stack([_stretched(each, size) for each in np.moveaxis(values, 2, 0)], axis=-1)
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    found = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    return np.rint(found).astype(values.dtype) if values.dtype.kind in "iu" else found
