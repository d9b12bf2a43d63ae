"""TIFF -> rasters. Its own tags say what it holds; Pillow decodes one page of it."""

import io
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from radcbir.images.formats import pillow
from radcbir.images.limits import Limits, check_claim, check_size
from radcbir.images.raster import Raster, UnreadableImage, integer_range
from radcbir.images.source import Reader, Source
from radcbir.images.tiff_tags import Page, pages, read_page

VERSION = 1
"""Raise it when pixels change."""

COLORS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}
"""Photometric interpretations of color -> samples of a pixel, without alpha."""

NOT_READ = {4: "a mask", 8: "the color space CIELab", 9: "the color space ICCLab", 10: "ITULab"}
"""Photometric interpretations that are refused."""

NAMES = {1: "uint", 2: "int", 3: "float", 4: "uint", 5: "complex int", 6: "complex"}
"""Values of the tag SampleFormat."""


def read(source: Source, selectors: Mapping[str, int], limits: Limits) -> Raster:
    """Read one page. Raises :class:`UnreadableImage`."""
    if set(selectors) - {"frame"}:
        raise UnreadableImage("not a volume: it has frames, not planes")
    stream, frame = source.stream(), selectors.get("frame", 0)
    starts = pages(stream, limits, frame + 1)
    if frame >= len(starts):
        raise UnreadableImage(f"no frame {frame}: the last is #frame={len(starts) - 1}")
    page = read_page(stream, starts[frame])
    _check(page, source.size, limits)
    with _opened(stream, page, frame) as image:
        image.load()
        return _raster(ImageOps.exif_transpose(image), page)


def _check(page: Page, size: int, limits: Limits) -> None:
    """Raise :class:`UnreadableImage` for a page that is too large, or that Pillow gets wrong."""
    bits, colors = max(page.bits), COLORS.get(page.photometric, 1)
    check_size(page.rows, page.columns, limits, max(14, page.samples * bits / 4 + 8))
    if page.photometric in NOT_READ:
        raise UnreadableImage(f"{NOT_READ[page.photometric]}, which is not read")
    if page.samples > 1 and bits > 8:
        what = "color" if colors > 1 or page.samples > 2 else "transparency"
        raise UnreadableImage(f"{what} of 16 bit per channel: save it with 8 bit, or as DICOM")
    if page.tile_pixels > max(page.rows * page.columns, 4096 * 4096):
        raise UnreadableImage("broken: tiles larger than the image")
    if page.compression != 1:
        check_claim(page.rows, page.columns, size)
        return
    needed = page.rows * -(-page.columns * page.samples * bits // 8)
    subsampled = page.photometric == 6 and page.samples == 3 and page.subsampling != (1, 1)
    if subsampled and page.stored < needed:
        raise UnreadableImage("YCbCr with fewer color samples than pixels, not compressed")
    if needed > size:
        raise UnreadableImage("truncated")


def _opened(stream: BinaryIO, page: Page, frame: int) -> Image.Image:
    """The page as an open image. The first page that Pillow sees is the one that is meant."""
    changed = [page.at] if frame else []
    if page.samples == 1 and page.in_planes:  # a plane per sample is no other order for one sample
        changed.append(page.in_planes)
    try:
        return Image.open(_changed(stream, changed), formats=("TIFF",))
    except UnidentifiedImageError:
        kind = f"{NAMES.get(page.sample_format, 'unknown numbers')}{max(page.bits)}"
        raise UnreadableImage(
            f"TIFF of {kind} x {page.samples}, photometric {page.photometric}: not read"
        ) from None


def _changed(stream: BinaryIO, changed: Sequence[tuple[int, bytes]]) -> BinaryIO:
    """The content of a file with some bytes changed."""
    stream.seek(0)
    if not changed:
        return stream
    content = bytearray(stream.read())
    for place, value in changed:
        content[place : place + len(value)] = value
    return io.BytesIO(content)


def _raster(image: Image.Image, page: Page) -> Raster:
    bits, signed = page.bits[0], page.sample_format == 2
    if image.mode in ("I", "F") or image.mode.startswith("I;") or signed:
        values, kind = np.asarray(image), f"{'int' if signed else 'uint'}{bits}"
        if image.mode == "F":
            bits, kind = 0, "float32"
        elif image.mode == "I" and bits == 32 and not signed:
            values = values.view(np.uint32)
        elif image.mode == "L":
            values = values.view(np.int8)
        return Raster(
            values,
            bits,
            kind,
            integer_range(bits, signed) if bits else None,
            signed=signed,
            inverted=page.photometric == 0,
        )
    if image.mode == "P" and page.colors is not None:
        values = page.colors[np.asarray(image)]
    else:
        values = np.asarray(pillow.flattened(image))
    return Raster(values, 8, f"uint8{' RGB' if values.ndim == 3 else ''}", (0.0, 255.0))


def _parts(source: Source, limits: Limits) -> dict[str, int]:
    count = len(pages(source.stream(), limits))
    return {"frame": count} if count > 1 else {}


def _sniff(head: bytes) -> bool:
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


READER = Reader(
    name="tiff",
    version=VERSION,
    suffixes=(".tif", ".tiff"),
    sniff=_sniff,
    read=read,
    parts=_parts,
)
