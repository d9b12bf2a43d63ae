"""The intensity policy of a dataset: the one way from stored values to 8 bit."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from radcbir.images.raster import Raster, UnreadableImage, Window

VERSION = 1
"""Raise it when pixels change."""

INTENSITY = {"policy": "window", "low": 0.5, "high": 99.5}
"""The policy where a dataset has none of its own; the defaults of the configuration's schema."""

ORIGINAL = "original"
"""The policy of models that take the values of the file and not 8 bit. No dataset can have it."""

NO_HOUNSFIELD = "no Hounsfield units"
"""How the reason begins for an image that has none."""

SAMPLE = 4_000_000
"""Percentiles of more values than this are taken over every n-th of them."""

BLOCK = 1_000_000
"""About so many values are scaled at a time: numbers of 8 byte are never held for all of them."""


def policy_of(preprocessing: Mapping, intensity: Mapping) -> Mapping[str, Any]:
    """The policy by which a network reads images whose card has this ``preprocessing``: the
    dataset's ``intensity``, or that of original values where ``range:`` names units or percentiles.
    """
    wanted = preprocessing.get("range")
    if not isinstance(wanted, Mapping):
        return intensity
    return {"policy": ORIGINAL, "unit": next(iter(wanted))}


def is_original(intensity: Mapping) -> bool:
    """Whether a policy leaves the values as they are."""
    return intensity["policy"] == ORIGINAL


def to_original(raster: Raster, intensity: Mapping) -> Image.Image:
    """The values of a raster in the file's units, mode F (float32), whatever window it names.

    Padding has the lowest of the other values. Raises :class:`UnreadableImage` for colors, for
    values that are not finite, and where Hounsfield units are asked for and the values are gray
    levels: unsigned integers that nothing rescales, in no volume.
    """
    values = raster.values
    measured = raster.rescaled or raster.signed or not raster.bits or "volume" in raster.kind
    if values.ndim == 3 or (intensity["unit"] == "hounsfield" and not measured):
        lacks = NO_HOUNSFIELD if intensity["unit"] == "hounsfield" else "no single channel"
        raise UnreadableImage(f"{lacks}: {raster.kind}")
    found = values.astype(np.float32)
    if raster.padding is not None:
        if raster.padding.all():
            raise UnreadableImage("nothing but padding")
        found[raster.padding] = found[~raster.padding].min()
    if not np.isfinite(found).all():
        raise UnreadableImage("pixels that are not finite")
    return _image(found)


def to_8_bit(raster: Raster, intensity: Mapping) -> Image.Image:
    """Scale a raster by an intensity policy: an image of mode L or RGB.

    What has units is windowed (:attr:`Raster.in_units`); gray values keep their range, and only the
    file's own window or table changes them. Values at or below the lower limit become 0, those at
    or above the upper one 255, linearly between; an image of one value is black.

    Raises :class:`UnreadableImage` where pixels are not finite or the policy cannot be applied.
    """
    values, padding = raster.values, raster.padding
    own = raster.window or raster.lookup or raster.inverted or padding is not None
    shown_as_stored = values.dtype == np.uint8 and raster.full_range == (0, 255)
    if shown_as_stored and not raster.in_units and not own:
        return _image(values)
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not (finite if padding is None else finite | padding).all():
            raise UnreadableImage("pixels that are not finite")
    if padding is not None and padding.all():
        raise UnreadableImage("nothing but padding")
    return _image(_scaled(raster, _scale(raster, intensity)))


def before_8_bit(raster: Raster, intensity: Mapping) -> tuple[np.ndarray, tuple[float, float]]:
    """What :func:`to_8_bit` scales to 8 bit, and the values that become 0 and 255.

    The values are those of the raster. Where a table or a sigmoid of the file shows them, they are
    what it gives, from 0 to 255 and not rounded. ``inverted`` and ``padding`` are left to the
    caller. Raises :class:`UnreadableImage` where the policy cannot be applied.
    """
    values = raster.values
    by_window = intensity["policy"] == "window"
    given = intensity.get("window") if raster.in_units else None
    sigmoid = raster.window is not None and raster.window.function == "SIGMOID"
    if by_window and not given and (raster.lookup is not None or sigmoid):
        return _scale(raster, intensity)(values), (0.0, 255.0)
    return values, _limits(raster, intensity, given)


def _scale(raster: Raster, intensity: Mapping) -> Callable[[np.ndarray], np.ndarray]:
    """What turns stored values into shown ones from 0 to 255."""
    by_window = intensity["policy"] == "window"
    given = intensity.get("window") if raster.in_units else None
    if by_window and raster.lookup is not None and not given:
        table, first = raster.lookup
        return lambda values: look_up(values, table, first)
    window = raster.window
    if by_window and window and window.function == "SIGMOID" and not given:
        return lambda values: _sigmoid(values, window)
    low, high = _limits(raster, intensity, given)
    return lambda values: _ramp(values, low, high)


def _scaled(raster: Raster, scale: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The values of a raster as uint8, block of rows by block of rows."""
    values = raster.values
    found = np.empty(values.shape, dtype=np.uint8)
    step = max(1, BLOCK // max(1, values[0].size))
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        scaled = scale(values[rows])
        if raster.inverted:
            scaled = 255 - scaled
        if raster.padding is not None:
            scaled[raster.padding[rows]] = 0
        found[rows] = np.rint(scaled)
    return found


def _limits(raster: Raster, intensity: Mapping, given: Any) -> tuple[float, float]:
    """The values that become 0 and 255."""
    policy = intensity["policy"]
    if policy == "window":
        if given:
            center, width = given
            return Window(center, width, "LINEAR_EXACT").limits()
        if raster.window:
            return raster.window.limits()
    if not raster.in_units or policy == "dtype":
        if raster.full_range is None:
            raise UnreadableImage(
                "floating-point pixels have no range of their own: choose another `intensity: "
                "policy`"
            )
        return raster.full_range
    population = _population(raster)
    if policy == "minmax":
        return float(population.min()), float(population.max())
    flat = population.ravel()
    flat = flat[:: max(1, -(-flat.size // SAMPLE))]
    low, high = np.percentile(flat, [intensity["low"], intensity["high"]])
    if low == high:  # almost all pixels are alike, and the few others are all there is to see
        return float(population.min()), float(population.max())
    return float(low), float(high)


def _population(raster: Raster) -> np.ndarray:
    if raster.population is not None:
        return raster.population
    return raster.values if raster.padding is None else raster.values[~raster.padding]


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    values = values.astype(np.float64)
    if high <= low:
        return np.where(values > low, 255.0, 0.0)
    return np.clip((values - low) * 255 / (high - low), 0, 255)


def _sigmoid(values: np.ndarray, window: Window) -> np.ndarray:
    exponent = -4 * (values.astype(np.float64) - window.center) / window.width
    return 255 / (1 + np.exp(np.clip(exponent, -700, 700)))


def look_up(values: np.ndarray, table: np.ndarray, first: int) -> np.ndarray:
    """Shown values from a lookup table (PS3.3, C.11.2.1.1), whose full range is that of its
    entries' bits.
    """
    place = np.clip(np.rint(values.astype(np.float64)) - first, 0, len(table) - 1).astype(np.intp)
    return table[place] * 255.0


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(values))
