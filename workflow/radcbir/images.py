"""Image files -> gray or RGB images of 8 bit: whatever depth and mode, decoded whole or refused with a reason."""

import contextlib
import errno
import io
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from radcbir.addresses import split_address
from radcbir.errors import InputError
from radcbir.rasters import INTENSITY, Raster, UnreadableImage, check_size, integer_range, to_8_bit

Image.MAX_IMAGE_PIXELS = None  # the limit of `rasters` is checked before anything is decoded

AT_ONCE = 64 * 2**20
"""Files of up to so many bytes are read in one go: over a network each small read is a round trip."""

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
"""What Pillow raises on damaged files."""

PHOTOMETRIC, BITS, SAMPLE_FORMAT = 262, 258, 339
"""Tags of TIFF."""


def resolve(root: str | Path, path: str) -> Path:
    """``root / path``. Raises :class:`InputError` where ``path`` would leave the image root."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InputError(
            f"the path '{path}' leaves the image root {root}: paths are relative to it and contain no '..'"
        )
    return Path(root, path)


def read(path: str | Path, intensity: Mapping = INTENSITY) -> Image.Image:
    """Read an image as 8 bit, upright (EXIF): mode L where it is gray, else RGB.

    PNG, JPEG, TIFF, WebP, BMP and what else Pillow reads, DICOM, and slices of NIfTI volumes; ``path`` may name a frame or
    slice (:mod:`radcbir.addresses`). Pixels of more than 8 bit are scaled by the dataset's ``intensity`` policy
    (:mod:`radcbir.rasters`); transparency is put on black. Of several pages of a TIFF or GIF the first is taken where none
    is named.

    Raises :class:`UnreadableImage` with a short reason: missing, zero bytes, not an image, truncated, too large.
    """
    return to_8_bit(read_raster(path), intensity)


def read_raster(path: str | Path) -> Raster:
    """Read an image as it is stored. Raises as :func:`read` does."""
    file, selectors = split_address(str(path))
    with _reasons():
        if file.lower().endswith((".nii", ".nii.gz")):
            from radcbir import volumes  # takes a while to load, and few datasets need it

            _stream(file).close()
            return volumes.read(file, selectors)
        with _stream(file) as stream:
            if _is_dicom(stream, file):
                from radcbir import dicom

                return dicom.read(stream, selectors)
            return _read_with_pillow(stream, selectors)


def parts(path: str | Path) -> dict[str, int]:
    """How many images a file holds, from its header: ``{}`` for one, ``{"frame": 30}``, or a volume's slices per plane
    (``sagittal``, ``coronal``, ``axial``) and its volumes (``volume``).

    Raises :class:`UnreadableImage`.
    """
    file = str(path)
    with _reasons():
        if file.lower().endswith((".nii", ".nii.gz")):
            from radcbir import volumes

            return volumes.sizes(file)
        with open(file, "rb") as stream:
            if _is_dicom(stream, file):
                from radcbir import dicom

                frames = dicom.count_frames(stream)
            elif file.lower().endswith((".tif", ".tiff")):
                with Image.open(stream) as image:
                    frames = image.n_frames
            else:
                frames = 1
        return {"frame": frames} if frames > 1 else {}


def thumbnail(path: str | Path, pixels: int, intensity: Mapping = INTENSITY) -> Image.Image:
    """The image reduced so that its longer side has at most ``pixels`` pixels. Raises as :func:`read` does."""
    image = read(path, intensity)
    image.thumbnail((pixels, pixels), Image.Resampling.BICUBIC)
    return image


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turns what readers raise into the reason of the ledger."""
    try:
        yield
    except FileNotFoundError:
        raise UnreadableImage("missing") from None
    except UnidentifiedImageError:
        raise UnreadableImage("not an image") from None
    except BROKEN as error:
        raise UnreadableImage(_reason(error)) from None


def _stream(file: str) -> BinaryIO:
    """The file, read already where it is not large."""
    handle = open(file, "rb")  # noqa: SIM115 - closed below, or by the reader
    size = os.fstat(handle.fileno()).st_size
    if not size:
        handle.close()
        raise UnreadableImage("zero bytes")
    if size > AT_ONCE:
        return handle
    with handle:
        return io.BytesIO(handle.read())


def _is_dicom(stream: BinaryIO, file: str) -> bool:
    """Whether a file is DICOM by its preamble, or by its name where it has none. Leaves the stream at its start."""
    head = stream.read(132)
    stream.seek(0)
    return head[128:] == b"DICM" or file.lower().endswith((".dcm", ".dicom", ".ima"))


def _read_with_pillow(stream: BinaryIO, selectors: Mapping[str, int]) -> Raster:
    with Image.open(stream) as image:
        if set(selectors) - {"frame"}:
            raise UnreadableImage("not a volume: it has frames, not planes")
        last = getattr(image, "n_frames", 1) - 1 if "frame" in selectors else 0
        if selectors.get("frame", 0) > last:
            raise UnreadableImage(f"no frame {selectors['frame']}: the last is #frame={last}")
        if selectors.get("frame"):
            image.seek(selectors["frame"])
        check_size(image.height, image.width)
        raw = next((str(part) for tile in image.tile for part in _arguments(tile) if ";16" in str(part)), "")
        tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
        image.load()
        upright = ImageOps.exif_transpose(image)
    mode = upright.mode
    if mode in ("I", "F") or mode.startswith("I;"):
        values = np.asarray(upright)
        bits = 0 if mode == "F" else int(tags.get(BITS, (16 if mode.startswith("I;") else 32,))[0])
        signed = mode == "I" and int(tags.get(SAMPLE_FORMAT, (2,))[0]) == 2
        kind = "float32" if mode == "F" else f"{'int' if signed else 'uint'}{bits}"
        full = integer_range(bits, signed) if bits else None
        return Raster(
            values, max(bits, 9) if bits else 0, kind, full, inverted=bool(tags) and tags.get(PHOTOMETRIC) == 0
        )
    values = np.asarray(_without_alpha(upright))
    if raw and not mode.startswith("I"):
        raise UnreadableImage("color of 16 bit per channel: save it with 8 bit, or as DICOM")
    return Raster(values, 8, f"uint8{' RGB' if values.ndim == 3 else ''}", (0.0, 255.0))


def _arguments(tile: tuple) -> tuple:
    return tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def _without_alpha(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
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
