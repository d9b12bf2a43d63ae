"""The intensity policy of a dataset: the one way from stored values to 8 bit."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from radcbir.images.raster import Raster, UnreadableImage, Window

INTENSITY = {"policy": "window", "low": 0.5, "high": 99.5}
"""The policy where a dataset has none of its own; the defaults of the configuration's schema."""

SAMPLE = 4_000_000
"""Percentiles of more values than this are taken over every n-th of them."""


def to_8_bit(raster: Raster, intensity: Mapping) -> Image.Image:
    """Scale a raster by an intensity policy: an image of mode L or RGB.

    Values at or below the lower limit become 0, those at or above the upper one 255, linearly
    between; an image of one value is black. Raises :class:`UnreadableImage` where pixels are not
    finite or the policy has nothing to go by.
    """
    values = raster.values
    own = raster.window or raster.lookup or raster.inverted or raster.padding is not None
    if raster.bits == 8 and values.dtype == np.uint8 and raster.full_range == (0, 255) and not own:
        return _image(values)
    shown = np.ones(values.shape[:2], dtype=bool) if raster.padding is None else ~raster.padding
    if values.dtype.kind == "f" and not np.isfinite(values[shown]).all():
        raise UnreadableImage("pixels that are not finite")
    if not shown.any():
        raise UnreadableImage("nothing but padding")
    policy, given = intensity["policy"], intensity.get("window")
    if policy == "window" and raster.lookup is not None and not (given and raster.bits > 8):
        scaled = look_up(values, *raster.lookup)
    elif policy == "window" and raster.window and raster.window.function == "SIGMOID" and not given:
        window = raster.window
        scaled = 255 / (
            1
            + np.exp(
                np.clip(-4 * (values.astype(np.float64) - window.center) / window.width, -700, 700)
            )
        )
    else:
        low, high = _limits(raster, intensity, shown)
        scaled = _ramp(values, low, high)
    if raster.inverted:
        scaled = 255 - scaled
    if raster.padding is not None:
        scaled[raster.padding] = 0
    return _image(np.rint(scaled).astype(np.uint8))


def _limits(raster: Raster, intensity: Mapping, shown: np.ndarray) -> tuple[float, float]:
    """The values that become 0 and 255."""
    policy, given = intensity["policy"], intensity.get("window")
    few = 0 < raster.bits <= 8
    if policy == "window":
        if given and not few:
            return Window(*given, function="LINEAR_EXACT").limits()
        if raster.window:
            return raster.window.limits()
    if few or policy == "dtype":
        if raster.full_range is None:
            raise UnreadableImage(
                "floating-point pixels have no range of their own: choose another `intensity: "
                "policy`"
            )
        return raster.full_range
    population = raster.values[shown] if raster.population is None else raster.population
    if policy == "minmax":
        return float(population.min()), float(population.max())
    flat = population.ravel()
    flat = flat[:: max(1, -(-flat.size // SAMPLE))]
    low, high = np.percentile(flat, [intensity["low"], intensity["high"]])
    if low == high:  # almost all pixels alike: what little differs is all there is to see
        return float(population.min()), float(population.max())
    return float(low), float(high)


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    values = values.astype(np.float64)
    if high <= low:
        return np.where(values > low, 255.0, 0.0)
    return np.clip((values - low) * 255 / (high - low), 0, 255)


def look_up(values: np.ndarray, table: np.ndarray, first: int) -> np.ndarray:
    """Shown values from a lookup table (PS3.3, C.11.2.1.1), whose full range is that of its
    entries' bits.
    """
    place = np.clip(np.rint(values.astype(np.float64)) - first, 0, len(table) - 1).astype(np.intp)
    return table[place] * 255.0


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(values))
