"""Pixels as a file stores them, and the one way from them to 8 bit: the intensity policy of a dataset.

Policies (`intensity:` in the configuration). ``window``, the default: the window that the configuration gives, else the
file's own (DICOM), else percentiles. ``percentile``: from the percentile ``low`` to ``high``. ``minmax``: from the
smallest to the largest value. ``dtype``: the whole range that the stored type can hold. Pixels of up to 8 bit are shown
values already and keep their range under every policy; only a file's own window changes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

MAX_PIXELS = 200_000_000
"""Larger images are refused: a file of a few kilobytes can claim them and fill the memory."""

INTENSITY = {"policy": "window", "low": 0.5, "high": 99.5}
"""The policy where a dataset has none of its own; the defaults of the configuration's schema."""

SAMPLE = 4_000_000
"""Percentiles of more values than this are taken over every n-th of them."""


class UnreadableImage(Exception):
    """An image that cannot be used; the message is the short reason that goes into the ledger."""


@dataclass(frozen=True)
class Window:
    """A display window in the units of the values: linear from ``low`` to ``high``, or a sigmoid through its centre."""

    center: float
    width: float
    function: str = "LINEAR"

    def limits(self) -> tuple[float, float]:
        """Where the output begins to rise and where it stays at its top (DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
        if self.function == "LINEAR":
            return self.center - 0.5 - (self.width - 1) / 2, self.center - 0.5 + (self.width - 1) / 2
        return self.center - self.width / 2, self.center + self.width / 2


@dataclass(frozen=True)
class Raster:
    """One image before scaling."""

    values: np.ndarray
    """(rows, columns) or (rows, columns, 3), of any number type, in the file's units (Hounsfield, counts ...)."""
    bits: int
    """Bits per sample as stored; 0 for floating point, 9 at least for small integers that are no shown values (signed or
    rescaled ones): what has up to 8 bits keeps its range."""
    kind: str
    """Type and channels as stored, for instance ``int16`` or ``uint8 RGB``: what an audit compares."""
    full_range: tuple[float, float] | None = None
    """The values that the stored type can hold, in the same units; None for floating point."""
    window: Window | None = None
    """The file's own window."""
    lookup: tuple[np.ndarray, int] | None = None
    """The file's own lookup table of shown values: the table and the value of its first entry."""
    inverted: bool = False
    """Whether small values are bright."""
    padding: np.ndarray | None = None
    """(rows, columns), true where there is no image: black, and no part of any range."""
    population: np.ndarray | None = None
    """The values that percentiles are taken over, where those are more than this image: its volume."""
    facts: dict[str, str] = field(default_factory=dict)
    """What an audit wants to know of the header: ``burned_in``, the reason to suspect annotations in the pixels."""


def check_size(rows: int, columns: int) -> None:
    """Raise :class:`UnreadableImage` for an image of too many pixels, or of none."""
    if rows * columns > MAX_PIXELS:
        raise UnreadableImage(f"too large: {columns} x {rows} pixels")
    if rows < 1 or columns < 1:
        raise UnreadableImage(f"no pixels: {columns} x {rows}")


def integer_range(bits: int, signed: bool) -> tuple[float, float]:
    """The smallest and the largest integer of so many bits."""
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def to_8_bit(raster: Raster, intensity: Mapping) -> Image.Image:
    """Scale a raster by an intensity policy: an image of mode L or RGB.

    Values at or below the lower limit become 0, those at or above the upper one 255, linearly between; an image of one
    value is black. Raises :class:`UnreadableImage` where pixels are not finite or the policy has nothing to go by.
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
        scaled = _look_up(values, *raster.lookup)
    elif policy == "window" and raster.window and raster.window.function == "SIGMOID" and not given:
        window = raster.window
        scaled = 255 / (1 + np.exp(np.clip(-4 * (values.astype(np.float64) - window.center) / window.width, -700, 700)))
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
                "floating-point pixels have no range of their own: choose another `intensity: policy`"
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


def _look_up(values: np.ndarray, table: np.ndarray, first: int) -> np.ndarray:
    """Shown values from a lookup table (PS3.3, C.11.2.1.1), whose full range is that of its entries' bits."""
    place = np.clip(np.rint(values.astype(np.float64)) - first, 0, len(table) - 1).astype(np.intp)
    return table[place] * 255.0


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(values))
