"""PNG, JPEG, WebP and other formats that Pillow decodes -> rasters. TIFF has a module of its own."""

import re
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from radcbir.images.apart import apart
from radcbir.images.codestream import check_scans
from radcbir.images.limits import Limits, check_claim, check_size
from radcbir.images.raster import Raster, UnreadableImage
from radcbir.images.source import Reader, Source

VERSION = 1
"""Raise it when pixels change."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
"""The formats that are read.

Pillow knows others. They are left out: EPS starts a program, ICO decodes while it is opened.
"""

MODES = {"1": 6, "L": 6, "I;16": 10, "I;16B": 10, "I": 16, "F": 16, "RGB": 16}
"""Bytes of memory that reading takes per pixel in these modes, and in all others."""

OTHER_MODES = 24

DECODERS = {"WEBP": 26, "AVIF": 20, "JPEG2000": 20, "GIF": 8}
"""Bytes that these decoders take besides."""

ANIMATION = 2_000_000_000
"""Pixels that may be decoded to reach one frame of an animation, which is made of those before."""

_HEADS = re.compile(
    rb"""
      \x89PNG\r\n\x1a\n
    | \xff\xd8\xff
    | GIF8[79]a
    | RIFF....WEBP
    | BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0
    | P[1-6f](?:\s+|\#[^\n]*\n)+\d+\s
    | \0\0\0\x0cjP\ {2}\r\n\x87\n
    | \xff\x4f\xff\x51
    | .{4}ftyp(?:avif|avis|mif1|msf1)
    """,
    re.VERBOSE | re.DOTALL,
)
"""How files of these formats begin."""

_APART = re.compile(rb".{4}ftyp|\0\0\0\x0cjP\ {2}|\xff\x4f\xff\x51", re.DOTALL)
"""How AVIF, whose decoder takes memory that no header announces, and JPEG 2000 begin, whose decoder
does not come to an end on some damaged files."""

Image.MAX_IMAGE_PIXELS = None  # sizes are checked here, before anything is decoded


def read(source: Source, selectors: Mapping[str, int], limits: Limits) -> Raster:
    """Read one frame. Raises :class:`UnreadableImage`."""
    if set(selectors) - {"frame"}:
        raise UnreadableImage("not a volume: it has frames, not planes")
    if _APART.match(source.head):
        return apart(_read_apart, source.path, dict(selectors), limits, limits=limits)
    return _read(source, selectors, limits)


def _read_apart(path: str, selectors: Mapping[str, int], limits: Limits) -> Raster:
    with Source(path, limits) as source:
        return _read(source, selectors, limits)


def _read(source: Source, selectors: Mapping[str, int], limits: Limits) -> Raster:
    with _opened(source) as image:
        check_size(image.height, image.width, limits, _cost(image))
        check_claim(image.height, image.width, source.size)
        _check_depth(image, source)
        _check_scans(image, source)
        _select(image, selectors.get("frame", 0), limits)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _raster(image)


def _opened(source: Source) -> Image.Image:
    try:
        return Image.open(source.stream(), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnreadableImage(_other_format(source.head)) from None


def _cost(image: Image.Image) -> int:
    """Bytes of memory that reading an image takes per pixel."""
    return MODES.get(image.mode, OTHER_MODES) + DECODERS.get(image.format or "", 0)


def _other_format(head: bytes) -> str:
    """The reason for a file that none of the formats fits."""
    Image.init()
    for name, (_, accept) in Image.OPEN.items():
        if name not in FORMATS and accept and accept(head[:16]) is True:
            return f"{name}, which is not read: save it as PNG"
    return "not an image"


def _check_depth(image: Image.Image, source: Source) -> None:
    """Raise :class:`UnreadableImage` for color, or gray with transparency, of 16 bit in PNG.

    Pillow would cut the lower 8 bit off.
    """
    if image.format == "PNG" and source.head[24] == 16 and source.head[25] != 0:
        what = "transparency" if source.head[25] == 4 else "color"
        raise UnreadableImage(f"{what} of 16 bit per channel: save it with 8 bit, or as DICOM")


def _check_scans(image: Image.Image, source: Source) -> None:
    """Raise :class:`UnreadableImage` for a JPEG with scans without end."""
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        check_scans(source.stream().read(), image.height, image.width)


def _select(image: Image.Image, frame: int, limits: Limits) -> None:
    """Go to a frame, one after the other, as animations are decoded."""
    if frame * image.width * image.height > ANIMATION:
        raise UnreadableImage(f"too large: {frame} frames of {image.width} x {image.height}")
    for number in range(1, frame + 1):
        try:
            image.seek(number)
        except EOFError:
            raise UnreadableImage(f"no frame {frame}: the last is #frame={number - 1}") from None
        check_size(image.height, image.width, limits, _cost(image))


def _raster(image: Image.Image) -> Raster:
    if image.mode == "F":
        return Raster(np.asarray(image), 0, "float32")
    if image.mode == "I" or image.mode.startswith("I;"):  # 16 bit, whatever the mode holds
        values = np.asarray(image)
        hidden = image.info.get("transparency")
        return Raster(
            values,
            16,
            "uint16",
            (0.0, 65535.0),
            padding=values == hidden if isinstance(hidden, int) else None,
        )
    values = np.asarray(flattened(image))
    return Raster(values, 8, f"uint8{' RGB' if values.ndim == 3 else ''}", (0.0, 255.0))


def flattened(image: Image.Image) -> Image.Image:
    """An image of 8 bit as L or RGB, its transparency on black."""
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _parts(source: Source, limits: Limits) -> dict[str, int]:
    return {}


def _sniff(head: bytes) -> bool:
    return _HEADS.match(head) is not None


READER = Reader(
    name="pillow",
    version=VERSION,
    suffixes=(
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".bmp",
        ".gif",
        ".pgm",
        ".ppm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
        ".avif",
    ),
    sniff=_sniff,
    read=read,
    parts=_parts,
)
