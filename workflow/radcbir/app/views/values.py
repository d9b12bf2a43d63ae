"""The values of an image as its file has them, for the viewer: up to 16 bit, with the windows that
may show them.
"""

from collections.abc import Mapping

import numpy as np

from radcbir.images.intensity import SAMPLE, before_8_bit, to_8_bit
from radcbir.images.raster import Raster, UnreadableImage

LONGEST = 4096
"""Longest side in pixels that is sent; larger images are averaged over blocks of pixels."""

MOST_CODES = 65535
"""The largest number of 16 bit."""

AIR = -500
"""CT has values below this, in Hounsfield units: air and lung."""

CT_WINDOWS = (
    ("CT soft tissue", 40, 400),
    ("CT lung", -600, 1500),
    ("CT bone", 400, 1800),
    ("CT brain", 40, 80),
)
"""Name, center and width in Hounsfield units, as they are in common use."""

PERCENTILES = (1, 99)


def values_of(raster: Raster, intensity: Mapping, modality: str | None) -> tuple[dict, bytes]:
    """What the viewer needs of an image: a description, and its pixels row by row.

    Gray pixels are uint16, little-endian: ``value = intercept + slope * code``. The codes are exact
    for integers that span at most 65536 values; else they are rounded, and ``exact`` is false.
    Images in color are uint8, three per pixel. ``presets`` are ``name, low, high`` in values; the
    first is the one that the index's images were read with. ``modality`` is that of the catalog;
    None where it is not known.

    Raises :class:`UnreadableImage`.
    """
    described = {
        "bits": raster.bits,
        "stored": raster.kind,
        "inverted": raster.inverted,
        "channels": 1,
    }
    if raster.values.ndim == 3:
        pixels, step = _reduced(np.asarray(to_8_bit(raster, intensity)))
        if pixels.ndim == 3:
            colors = np.ascontiguousarray(np.rint(pixels).astype(np.uint8))
            whole = [{"name": "As indexed", "low": 0, "high": 255}]
            return described | {
                "channels": 3,
                "inverted": False,
                **_sizes(colors, step),
                **{"slope": 1, "intercept": 0, "exact": step == 1, "presets": whole},
            }, colors.tobytes()
    values, (low, high) = before_8_bit(raster, intensity)
    padding = raster.padding
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        missing = ~np.isfinite(values)
        padding = missing if padding is None else padding | missing
    known = values if padding is None else values[~padding]
    if not known.size:
        raise UnreadableImage("nothing but padding")
    lowest, highest = float(known.min()), float(known.max())
    presets = _presets(raster, known, (low, high), modality)
    if padding is not None:  # black in each of these windows
        black = (
            max(highest, *(each["high"] for each in presets))
            if raster.inverted
            else min(lowest, *(each["low"] for each in presets))
        )
        values = np.where(padding, black, values)
        lowest, highest = min(lowest, black), max(highest, black)
    reduced, step = _reduced(values)
    codes, slope, exact = _codes(reduced, lowest, highest)
    return described | {
        **_sizes(codes, step),
        "slope": slope,
        "intercept": lowest,
        "exact": exact and step == 1,
        "presets": presets,
    }, codes.tobytes()


def _sizes(pixels: np.ndarray, step: int) -> dict:
    return {"width": pixels.shape[1], "height": pixels.shape[0], "reduced": step}


def _codes(values: np.ndarray, lowest: float, highest: float) -> tuple[np.ndarray, float, bool]:
    """Values as 16 bit from ``lowest`` on, the step between two codes, whether nothing was lost."""
    span = highest - lowest
    whole = span <= MOST_CODES and (
        values.dtype.kind in "iu" or bool((np.rint(values) == values).all())
    )
    slope = 1.0 if whole or span == 0 else span / MOST_CODES
    codes = np.rint((values.astype(np.float64) - lowest) / slope)
    return np.ascontiguousarray(codes.clip(0, MOST_CODES).astype("<u2")), slope, whole


def _reduced(values: np.ndarray) -> tuple[np.ndarray, int]:
    """An image whose sides have at most :data:`LONGEST` pixels, and how many were averaged per
    side.
    """
    step = -(-max(values.shape[:2]) // LONGEST)
    if step == 1:
        return values, 1
    rows, columns = (max(1, each // step) for each in values.shape[:2])
    blocks = values[: rows * step, : columns * step].reshape(
        rows, min(step, values.shape[0]), columns, min(step, values.shape[1]), *values.shape[2:]
    )
    return blocks.mean(axis=(1, 3)), step


def _presets(
    raster: Raster, known: np.ndarray, indexed: tuple[float, float], modality: str | None
) -> list[dict]:
    """Windows that may show an image. Gray images of 8 bit have all of theirs on the screen
    already.
    """
    found: list[tuple[str, float, float]] = [("As indexed", *indexed)]
    if raster.bits == 0 or raster.bits > 8:
        flat = known.ravel()
        flat = flat[:: max(1, -(-flat.size // SAMPLE))]
        low, high = np.percentile(flat, PERCENTILES)
        if raster.window is not None and raster.window.limits() != indexed:
            found.append(("Window of the file", *raster.window.limits()))
        found.append(("Percentiles 1 to 99", float(low), float(high)))
        found.append(("All values", float(known.min()), float(known.max())))
        if known.min() <= AIR and modality in (None, "CT") and raster.in_units:
            found += [
                (name, center - width / 2, center + width / 2) for name, center, width in CT_WINDOWS
            ]
    return [{"name": name, "low": low, "high": high} for name, low, high in found if high > low]
