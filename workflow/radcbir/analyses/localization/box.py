"""A box on a slice: where it is drawn, and what is cut out."""

import numpy as np
from PIL import Image

SEED = 0

TRIES = 50
"""Places that are drawn at most until one is not empty."""

LIGHT = 0.1
"""A pixel is part of the body where it is lighter than this share of the way from the darkest pixel of
the slice to the lightest."""

FULL = 0.5
"""A place is not empty where at least this share of its pixels is part of the body."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of width and height."""


def drawn(pixels: np.ndarray, share: float, slice_: int) -> Box:
    """A box with a ``share`` of the area of a slice, of its shape, at a random place that is not
    empty; of :data:`TRIES` empty ones the one that is least so.

    ``pixels`` ``(h, w)`` are those of the slice, and its id ``slice_`` is the seed.
    """
    side = float(np.sqrt(share))
    random = np.random.default_rng([SEED, slice_ % 2**64, round(share * 1e6)])
    low, high = float(pixels.min()), float(pixels.max())
    body = pixels > low + LIGHT * (high - low)
    best, most = (0.0, 0.0, side, side), -1.0
    for _ in range(TRIES):
        left, top = (round(float(each), 6) for each in random.uniform(0, 1 - side, 2))
        box = (left, top, min(left + side, 1.0), min(top + side, 1.0))
        rows, columns = _edges(box, (pixels.shape[1], pixels.shape[0]))
        full = float(body[slice(*rows), slice(*columns)].mean())
        if full > most:
            best, most = box, full
        if most >= FULL:
            break
    return best


def cropped(image: Image.Image, box: Box) -> Image.Image:
    """What is in a box, one pixel at least."""
    (top, bottom), (left, right) = _edges(box, image.size)
    return image.crop((left, top, right, bottom))


def _edges(box: Box, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First row and the one behind the last, and the same of columns, in an image of (w, h)."""
    found = []
    for first, last, pixels in ((box[1], box[3], size[1]), (box[0], box[2], size[0])):
        start = min(round(first * pixels), pixels - 1)
        found.append((start, max(start + 1, round(last * pixels))))
    return found[0], found[1]
