"""TIFF -> rasters. The tags of a page say what its samples mean.

Samples that are not compressed, or with deflate, are read from the tags alone. Pillow decodes all
others (JPEG, LZW, PackBits, fax and newer ones), one page of a file.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from radcbir.images.codestream import check_scans
from radcbir.images.formats import pillow
from radcbir.images.limits import Limits, check_claim, check_size
from radcbir.images.raster import Raster, UnreadableImage, integer_range
from radcbir.images.source import Reader, Source
from radcbir.images.tiff.samples import FLOAT, SIGNED, is_read, samples
from radcbir.images.tiff.tags import PHOTOMETRIC, PLANAR, Page, pages, read_page

VERSION = 2
"""Raise it when pixels change."""

COLORS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}
"""Photometric interpretations of color -> samples of a pixel, without alpha."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6

MODES = {RGB: "RGB", CMYK: "CMYK", YCBCR: "YCbCr"}
"""Photometric interpretations of color -> modes of Pillow."""

JPEG = {6, 7}
"""Values of the tag Compression."""

ASSOCIATED, UNASSOCIATED = 1, 2
"""Values of the tag ExtraSamples: transparency that colors are multiplied with, and other."""

NATIVE = {"F;32BF": "F;32NF", "I;16BS": "I;16NS", "I;32BS": "I;32NS"}
"""Pillow's names of big-endian samples -> the same of this machine: what libtiff unpacks is."""

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
    if is_read(page):
        return _meant(upright(samples(stream, page), page.orientation), page)
    if page.compression in JPEG:
        stream.seek(0)
        check_scans(stream.read(), *(page.block or (page.rows, page.columns)))
    with _opened(stream, page, frame) as image:
        image.tile = [_native(each) for each in image.tile]  # type: ignore[attr-defined]
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
    if page.block and np.prod(page.block, dtype=object) > max(page.rows * page.columns, 4096**2):
        raise UnreadableImage("broken: tiles larger than the image")
    if page.compression != 1:
        check_claim(page.rows, page.columns, size)
        return
    needed = page.rows * -(-page.columns * page.samples * bits // 8)
    subsampled = page.photometric == 6 and page.samples == 3 and page.subsampling != (1, 1)
    if subsampled and sum(page.lengths) < needed:
        raise UnreadableImage("YCbCr with fewer color samples than pixels, not compressed")
    if needed > size:
        raise UnreadableImage("truncated")


def _opened(stream: BinaryIO, page: Page, frame: int) -> Image.Image:
    """The page as an open image. The first page that Pillow sees is the one that is meant."""
    changed = [page.at] if frame else []
    if page.in_planes and page.samples > COLORS.get(page.photometric, 1):
        raise UnreadableImage(
            f"{page.samples} samples in planes of their own, compressed: not read"
        )
    if page.samples == 1:  # for one sample these say nothing about how it is stored
        changed += page.changed(PLANAR, 1)
        if page.photometric == WHITE_IS_ZERO:
            changed += page.changed(PHOTOMETRIC, BLACK_IS_ZERO)
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


def _native(tile: Any) -> Any:
    """A part of an image as libtiff unpacks it."""
    layout, *rest = tile.args
    return tile._replace(args=(NATIVE.get(layout, layout), *rest))


def _raster(image: Image.Image, page: Page) -> Raster:
    """What Pillow has decoded."""
    if page.samples == 1 and page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        values, bits, signed = np.asarray(image), page.bits[0], page.sample_format == SIGNED
        if image.mode == "1":
            values = values.astype(np.uint8)
        if image.mode == "L" and bits < 8:  # Pillow has scaled them
            values = values // (255 // (2**bits - 1))
        if image.mode == "I" and bits == 32 and not signed:
            values = values.view(np.uint32)
        if image.mode == "L" and signed:
            values = values.view(np.int8)
        return _gray(values, page)
    if image.mode == "P" and page.colors is not None:
        return _shown(page.colors[np.asarray(image)])
    return _shown(np.asarray(pillow.flattened(image)))


def _meant(values: np.ndarray, page: Page) -> Raster:
    """Samples (rows, columns, samples) by what the tags say that they are."""
    if page.samples == 1 and page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        return _gray(values[..., 0], page)
    count = COLORS.get(page.photometric, 1)
    if values.shape[2] < count or (page.photometric == PALETTE and page.colors is None):
        raise UnreadableImage(f"{values.shape[2]} samples of a color: not read")
    colors = values[..., :count]
    if page.photometric == PALETTE and page.colors is not None:
        colors = page.colors[np.minimum(colors[..., 0], len(page.colors) - 1)]
    elif page.bits[0] != 8 or page.sample_format == SIGNED:
        raise UnreadableImage(f"color of {page.bits[0]} bit: not read")
    elif page.photometric in MODES:
        mode = MODES[page.photometric]
        image = Image.frombytes(mode, colors.shape[1::-1], np.ascontiguousarray(colors).tobytes())
        colors = np.asarray(image.convert("RGB"))
    else:
        colors = colors if page.photometric == BLACK_IS_ZERO else 255 - colors
    # A further sample that no tag explains is transparency, as most writers mean it.
    meaning = page.extra[0] if page.extra else UNASSOCIATED
    if values.shape[2] > count and meaning not in (0, ASSOCIATED):
        colors = np.rint(colors * (values[..., count : count + 1] / 255)).astype(np.uint8)
    return _shown(colors[..., 0] if colors.shape[2] == 1 else colors)


def _gray(values: np.ndarray, page: Page) -> Raster:
    """The only samples of a page, as they are stored."""
    bits, signed, inverted = page.bits[0], page.sample_format == SIGNED, not page.photometric
    if page.sample_format == FLOAT:
        values = values.astype(np.float32) if values.dtype.itemsize < 4 else values
        return Raster(values, 0, values.dtype.name, inverted=inverted)
    if bits <= 8 and not signed:
        if bits < 8:
            values = np.rint(np.arange(2**bits) * 255 / (2**bits - 1)).astype(np.uint8)[values]
        return _shown(255 - values if inverted else values)
    return Raster(
        values,
        bits,
        f"{'int' if signed else 'uint'}{bits}",
        integer_range(bits, signed),
        signed=signed,
        inverted=inverted,
    )


def _shown(values: np.ndarray) -> Raster:
    return Raster(values, 8, f"uint8{' RGB' if values.ndim == 3 else ''}", (0.0, 255.0))


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Rows and columns in the order in which they are seen (TIFF 6.0, section 8)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values


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
