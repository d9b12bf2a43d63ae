"""Image files -> gray or RGB images of 8 bit: whatever depth and mode, decoded whole or refused with a reason."""

import errno
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from radcbir.errors import InputError

MAX_PIXELS = 200_000_000
"""Larger images are refused: a file of a few kilobytes can claim them and fill the memory."""

Image.MAX_IMAGE_PIXELS = None  # the limit above is checked before anything is decoded


class UnreadableImage(Exception):
    """An image that cannot be used; the message is the short reason that goes into the ledger."""


def resolve(root: str | Path, path: str) -> Path:
    """``root / path``. Raises :class:`InputError` where ``path`` would leave the image root."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InputError(
            f"the path '{path}' leaves the image root {root}: paths are relative to it and contain no '..'"
        )
    return Path(root, path)


def read(path: str | Path) -> Image.Image:
    """Read an image file as 8 bit, upright (EXIF), the first frame of several: mode L where it is gray, else RGB.

    PNG, JPEG, TIFF, WebP, BMP and what else Pillow reads. Pixels of more than 8 bit (integer or float) are scaled
    linearly, so that the image's own minimum becomes 0 and its maximum 255; transparency is put on black.

    Raises :class:`UnreadableImage` with a short reason: missing, zero bytes, not an image, truncated, too large.
    """
    try:
        content = Path(path).read_bytes()  # in one go: over a network each small read is a round trip
        if not content:
            raise UnreadableImage("zero bytes")
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImage(f"too large: {image.width} x {image.height} pixels")
            image.load()
            return _to_8_bit(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise UnreadableImage("missing") from None
    except UnidentifiedImageError:
        dicom = str(path).lower().endswith((".dcm", ".dicom"))
        raise UnreadableImage("DICOM is not read yet: convert to PNG" if dicom else "not an image") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, MemoryError) as error:
        raise UnreadableImage(_reason(error)) from None


def thumbnail(path: str | Path, pixels: int) -> Image.Image:
    """The image reduced so that its longer side has at most ``pixels`` pixels. Raises as :func:`read` does."""
    image = read(path)
    image.thumbnail((pixels, pixels), Image.Resampling.BICUBIC)
    return image


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = np.asarray(image, dtype=np.float64)
        if not np.isfinite(values).all():
            raise UnreadableImage("pixels that are not finite")
        low, high = values.min(), values.max()
        scaled = np.zeros_like(values) if high == low else (values - low) * (255 / (high - low))
        image = Image.fromarray(np.rint(scaled).astype(np.uint8))
    elif image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return {errno.EACCES: "no permission", errno.EISDIR: "not a file"}.get(error.errno, os.strerror(error.errno))
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated" if "truncated" in text or "Truncated" in text else f"broken: {text}"[:120]
