"""Image files -> gray or RGB images of 8 bit: whatever depth and mode, decoded whole or refused
with a reason.
"""

import contextlib
import errno
import io
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from radcbir.core.errors import InputError
from radcbir.images.address import split_address
from radcbir.images.intensity import INTENSITY, to_8_bit
from radcbir.images.pillow_reader import AT_ONCE, read_with_pillow
from radcbir.images.raster import Raster, UnreadableImage

Image.MAX_IMAGE_PIXELS = None  # the limit of `rasters` is checked before anything is decoded


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


def resolve(root: str | Path, path: str) -> Path:
    """``root / path``. Raises :class:`InputError` where ``path`` would leave the image root."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InputError(
            f"the path '{path}' leaves the image root {root}: paths are relative to it and contain "
            "no '..'"
        )
    return Path(root, path)


def read(path: str | Path, intensity: Mapping = INTENSITY, name: str | None = None) -> Image.Image:
    """Read an image as 8 bit, upright (EXIF): mode L where it is gray, else RGB.

    PNG, JPEG, TIFF, WebP, BMP and what else Pillow reads, DICOM, and slices of NIfTI volumes;
    ``path`` may name a frame or slice (:mod:`radcbir.images.address`). Pixels of more than 8 bit
    are scaled by the dataset's ``intensity`` policy (:mod:`radcbir.images.raster`); transparency is
    put on black. Of several pages of a TIFF or GIF the first is taken where none is named. ``name``
    tells the format by its suffix where ``path`` does not, as that of an open descriptor.

    Raises :class:`UnreadableImage` with a short reason: missing, zero bytes, not an image,
    truncated, too large.
    """
    return to_8_bit(read_raster(path, name), intensity)


def read_raster(path: str | Path, name: str | None = None) -> Raster:
    """Read an image as it is stored. ``name`` and what is raised are those of :func:`read`."""
    file, selectors = split_address(str(path))
    name = (name or file).lower()
    with _reasons():
        if name.endswith((".nii", ".nii.gz")):
            from radcbir.images import nifti  # takes a while to load, and few datasets need it

            _stream(file).close()
            return nifti.read(file, selectors)
        with _stream(file) as stream:
            if _is_dicom(stream, name):
                from radcbir.images import dicom

                return dicom.read(stream, selectors)
            return read_with_pillow(stream, selectors)


def parts(path: str | Path, name: str | None = None) -> dict[str, int]:
    """How many images a file holds, from its header: ``{}`` for one, ``{"frame": 30}``, or a
    volume's slices per plane (``sagittal``, ``coronal``, ``axial``) and its volumes (``volume``).

    ``name`` is that of :func:`read`. Raises :class:`UnreadableImage`.
    """
    file = str(path)
    name = (name or file).lower()
    with _reasons():
        if name.endswith((".nii", ".nii.gz")):
            from radcbir.images import nifti

            return nifti.sizes(file)
        with open(file, "rb") as stream:
            if _is_dicom(stream, name):
                from radcbir.images import dicom

                frames = dicom.count_frames(stream)
            elif name.endswith((".tif", ".tiff")):
                with Image.open(stream) as image:
                    frames = image.n_frames
            else:
                frames = 1
        return {"frame": frames} if frames > 1 else {}


def thumbnail(path: str | Path, pixels: int, intensity: Mapping = INTENSITY) -> Image.Image:
    """The image reduced so that its longer side has at most ``pixels`` pixels. Raises as
    :func:`read` does.
    """
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


def _is_dicom(stream: BinaryIO, name: str) -> bool:
    """Whether a file is DICOM by its preamble, or by its name where it has none. Leaves the stream
    at its start.
    """
    head = stream.read(132)
    stream.seek(0)
    return head[128:] == b"DICM" or name.endswith((".dcm", ".dicom", ".ima"))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return {errno.EACCES: "no permission", errno.EISDIR: "not a file"}.get(
            error.errno, os.strerror(error.errno)
        )
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated" if "truncated" in text or "Truncated" in text else f"broken: {text}"[:120]
