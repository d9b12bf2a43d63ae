"""The samples of TIFF pages that are not compressed, or with deflate: of any depth, type and order.

Pillow reads some combinations of depth, order of bytes, planes and meaning, and gets others wrong
without an error. Here the tags alone say how samples are stored.
"""

import zlib
from typing import BinaryIO

import numpy as np

from radcbir.images.raster import UnreadableImage
from radcbir.images.tiff.tags import Page

PLAIN, DEFLATE = 1, {8, 32946}
"""Values of the tag Compression."""

UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4
"""Values of the tag SampleFormat."""

LETTERS = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f", UNDEFINED: "u"}

DIFFERENCES = 2
"""Value of the tag Predictor: each sample less the one of the pixel before it."""

_REVERSED = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], dtype=np.uint8)
"""Bytes with their bits the other way round."""


def is_read(page: Page) -> bool:
    """Whether :func:`samples` reads a page."""
    bits, letter = page.bits[0], LETTERS.get(page.sample_format)
    whole = bits in (8, 16, 32, 64) and letter is not None and (letter != "f" or bits > 8)
    if set(page.bits) != {bits} or not (whole or (0 < bits < 16 and letter == "u")):
        return False
    if page.compression == PLAIN:
        return True
    differences = page.predictor == DIFFERENCES and whole and letter != "f"
    return page.compression in DEFLATE and (page.predictor == 1 or differences)


def samples(stream: BinaryIO, page: Page) -> np.ndarray:
    """(rows, columns, samples) in a type of this machine; bits that are no whole bytes as uint16.

    Raises :class:`UnreadableImage`: truncated, strips or tiles that do not fit.
    """
    rows, columns = page.block or (min(page.strip_rows, page.rows), page.columns)
    if rows < 1 or columns < 1:
        raise UnreadableImage("broken: strips or tiles of no size")
    together = 1 if page.in_planes else page.samples
    down, across = -(-page.rows // rows), -(-page.columns // columns)
    if len(page.offsets) < down * across * (page.samples // together):
        raise UnreadableImage("truncated")
    shape = page.rows, page.columns, page.samples
    found = np.empty(shape, _dtype(page).newbyteorder("="))
    for number in range(down * across * (page.samples // together)):
        plane, place = divmod(number, down * across)
        top, left = place // across * rows, place % across * columns
        height = rows if page.block else min(rows, page.rows - top)
        block = _block(stream, page, number, (height, columns, together))
        part = found[top : top + height, left : left + columns, plane : plane + together]
        part[:] = block[: part.shape[0], : part.shape[1]]
    return found


def _dtype(page: Page) -> np.dtype:
    bits = page.bits[0]
    if bits % 8:
        return np.dtype(np.uint16)
    return np.dtype(f"{page.order}{LETTERS[page.sample_format]}{bits // 8}")


def _block(stream: BinaryIO, page: Page, number: int, shape: tuple[int, int, int]) -> np.ndarray:
    """One strip or tile."""
    bits, in_row = page.bits[0], shape[1] * shape[2]
    content = _bytes(stream, page, number, shape[0] * -(-in_row * bits // 8))
    if bits % 8:
        return _unpacked(content.reshape(shape[0], -1), bits, in_row).reshape(shape)
    block = content.view(_dtype(page)).reshape(shape)
    if page.compression != PLAIN and page.predictor == DIFFERENCES:
        return np.cumsum(block, axis=1, dtype=block.dtype.newbyteorder("="))
    return block


def _bytes(stream: BinaryIO, page: Page, number: int, size: int) -> np.ndarray:
    stream.seek(min(page.offsets[number], 2**62))
    if page.compression == PLAIN:
        content = stream.read(size)
    else:
        if number >= len(page.lengths):
            raise UnreadableImage("truncated")
        longest = (
            size + size // 64 + 4096
        )  # what cannot be packed is as long as it is, and a little
        packed = np.frombuffer(stream.read(min(page.lengths[number], longest)), np.uint8)
        packed = _REVERSED[packed] if page.fill_order == 2 else packed
        try:
            content = zlib.decompressobj().decompress(packed.tobytes(), size)
        except zlib.error:
            raise UnreadableImage("broken: deflated pixels") from None
    found = np.frombuffer(content, np.uint8)
    if len(found) < size:
        raise UnreadableImage("truncated")
    return _REVERSED[found] if page.fill_order == 2 and page.compression == PLAIN else found


def _unpacked(rows: np.ndarray, bits: int, count: int) -> np.ndarray:
    """(rows, bytes) -> (rows, ``count``) of samples that do not end with bytes, the highest bit
    first.
    """
    found: np.ndarray = np.zeros((len(rows), count), dtype=np.uint16)
    single = np.unpackbits(rows, axis=1)[:, : count * bits].reshape(len(rows), count, bits)
    for place in range(bits):
        found = found << 1 | single[..., place]
    return found
