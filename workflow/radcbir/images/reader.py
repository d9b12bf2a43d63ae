"""Image files -> gray or RGB images of 8 bit, whatever depth and mode they have.

An image is decoded whole, or refused with a reason.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from radcbir.core.errors import InputError
from radcbir.images import geometry
from radcbir.images import intensity as scaling
from radcbir.images.address import split_address
from radcbir.images.formats import READERS, by_name, kind_of, nifti
from radcbir.images.intensity import INTENSITY, is_original, to_8_bit, to_original
from radcbir.images.limits import LIMITS, Limits
from radcbir.images.raster import PassingError, Raster, UnreadableImage
from radcbir.images.source import Reader, Source

LASTING = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EISDIR: "not a file",
    errno.ENXIO: "not a file",
    errno.ELOOP: "a link to itself",
    errno.ENAMETOOLONG: "missing",
    errno.EINVAL: "broken: it points beyond its end",
}
"""Errors of the operating system that the next try gives again -> reason. All others may pass."""


SMALLEST = 4
"""No format has an image in fewer bytes, and Pillow fails on such files."""


def resolve(root: str | Path, path: str) -> Path:
    """``root / path``. Raises :class:`InputError` where ``path`` would leave the image root."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InputError(
            f"the path '{path}' leaves the image root {root}: paths are relative to it and contain "
            "no '..'"
        )
    return Path(root, path)


def read(
    path: str | Path,
    intensity: Mapping = INTENSITY,
    limits: Limits = LIMITS,
    name: str | None = None,
) -> Image.Image:
    """Read an image as 8 bit, upright (EXIF), with square pixels: mode L where it is gray, else
    RGB.

    The formats are those of :mod:`radcbir.images.formats`. ``path`` may name a frame or slice
    (:mod:`radcbir.images.address`). Values that have units are scaled by the dataset's
    ``intensity`` policy (:mod:`radcbir.images.intensity`). Transparency is put on black. Of several
    pages of a TIFF or GIF the first is taken where none is named. Where neither the content tells
    the format nor ``path``, as that of an open descriptor, the file's ``name`` does. With a policy
    of :func:`radcbir.images.intensity.policy_of` the values stay as they are, in mode F.

    Raises :class:`UnreadableImage` with a short reason: missing, zero bytes, not an image,
    truncated, too large. Where the reason may pass it is a :class:`PassingError`.
    """
    raster = read_raster(path, limits, name)
    with reasons():
        return (to_original if is_original(intensity) else to_8_bit)(raster, intensity)


def read_raster(
    path: str | Path, limits: Limits = LIMITS, name: str | None = None, as_stored: bool = False
) -> Raster:
    """Read an image with the values of its file, and square pixels unless ``as_stored``. ``name``
    and what is raised are those of :func:`read`.
    """
    file, selectors = split_address(str(path))
    with reasons(), Source(file, limits, name) as source:
        found = _kind(source).read(source, selectors, limits)
        return found if as_stored else geometry.square(found, limits)


def kind_name(path: str | Path) -> str:
    """The name of the family of formats that a file belongs to. Raises :class:`UnreadableImage`."""
    with reasons(), Source(str(path)) as source:
        return _kind(source).name


def parts(path: str | Path, limits: Limits = LIMITS, name: str | None = None) -> dict[str, int]:
    """How many images a file holds, from its header: ``{}`` for one, ``{"frame": 30}``, or a
    volume's slices per plane (``sagittal``, ``coronal``, ``axial``) and its volumes (``volume``).

    ``name`` is that of :func:`read`. Raises :class:`UnreadableImage`.
    """
    with reasons(), Source(str(path), limits, name) as source:
        found = _kind(source).parts(source, limits)
    several = max((count for name, count in found.items() if name != "volume"), default=1)
    if several * found.get("volume", 1) > limits.parts:
        raise UnreadableImage(f"too large: a file of more than {limits.parts} images")
    return found


def is_image(path: str | Path) -> bool:
    """Whether a file is an image by its name, or else by its first bytes.

    Raises :class:`UnreadableImage` where the name says nothing and the file cannot be opened.
    """
    if by_name(str(path)):
        return True
    with reasons(), Source(str(path)) as source:
        return kind_of(source.head, source.name) is not None


def thumbnail(
    path: str | Path, pixels: int, intensity: Mapping = INTENSITY, limits: Limits = LIMITS
) -> Image.Image:
    """The image reduced so that its longer side has at most ``pixels`` pixels. Raises as
    :func:`read` does.
    """
    image = read(path, intensity, limits)
    image.thumbnail((pixels, pixels), Image.Resampling.BICUBIC)
    return image


def forget() -> None:
    """Let go of what readers keep in memory of the files that they read last."""
    nifti.forget()


def versions() -> dict[str, int]:
    """The versions of all code that pixels depend on: readers, geometry, intensity.

    A version is raised when pixels change. Golden pixels in the tests check that it was.
    """
    readers = {reader.name: reader.version for reader in READERS}
    return readers | {"geometry": geometry.VERSION, "intensity": scaling.VERSION}


def _kind(source: Source) -> Reader:
    kind = kind_of(source.head, source.name)
    if kind is None or source.size < SMALLEST:
        raise UnreadableImage("not an image")
    return kind


@contextlib.contextmanager
def reasons() -> Iterator[None]:
    """Turns what readers raise into the reason of the ledger, an :class:`UnreadableImage`."""
    try:
        yield
    except UnreadableImage:
        raise
    except MemoryError:
        raise PassingError("no memory left") from None
    except OSError as error:
        if error.errno is None:
            raise UnreadableImage(_reason(error)) from None
        if error.errno in LASTING:
            raise UnreadableImage(LASTING[error.errno]) from None
        raise PassingError(_of_system(error)) from None
    except Exception as error:  # a hundred decoders raise whatever they do on damaged files
        raise UnreadableImage(_reason(error)) from None


def _of_system(error: OSError) -> str:
    denied = error.errno in (errno.EACCES, errno.EPERM)
    return "no permission" if denied else os.strerror(error.errno or 0)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "truncated" if "truncated" in text or "Truncated" in text else f"broken: {text}"[:120]
