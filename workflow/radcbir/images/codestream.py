"""The size that a JPEG, JPEG-LS or JPEG 2000 codestream claims, found as its decoders find it."""

from typing import NamedTuple

from radcbir.images.raster import UnreadableImage

_SIZ = b"\xff\x4f\xff\x51"
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}

TILE_BYTES = 8192
"""What a JPEG 2000 decoder takes for each tile before it decodes one."""


SCANS = 4_000_000_000
"""Pixels times scans of a progressive JPEG, each of which goes through the whole image."""


def check_scans(code: bytes, rows: int, columns: int) -> None:
    """Raise :class:`UnreadableImage` for a JPEG with scans without end."""
    scans = code.count(b"\xff\xda")
    if scans * rows * columns > SCANS:
        raise UnreadableImage(f"too large: {scans} scans of {columns} x {rows}")


class Claim(NamedTuple):
    """What a codestream says of itself."""

    rows: int
    columns: int
    components: int
    tiles: int = 1


def claim(code: bytes) -> Claim:
    """The size of a codestream from its own header.

    Raises :class:`UnreadableImage` where there is none: what a decoder would make of it is open.
    """
    if code[:2] == b"\xff\xd8":
        return _jpeg(code)
    if code[:4] == _SIZ:
        return _jpeg_2000(code, 0)
    if code[:12] == _JP2:
        return _jpeg_2000(code, _contiguous(code))
    raise UnreadableImage("broken: no JPEG codestream")


def _jpeg(code: bytes) -> Claim:
    """The frame header: markers with their lengths, bytes between them left out, as libjpeg
    does.
    """
    place = 2
    while True:
        place = code.find(b"\xff", place)
        if place < 0 or place + 10 > len(code):
            raise UnreadableImage("broken: a JPEG codestream without a frame header")
        marker = code[place + 1]
        if marker in (0x00, 0xFF) or marker in _STANDALONE:
            place += 1 if marker == 0xFF else 2
        elif marker in _FRAME_HEADERS:
            rows, columns = _number(code, place + 5, 2), _number(code, place + 7, 2)
            return Claim(rows, columns, code[place + 9])
        else:
            place += 2 + max(2, _number(code, place + 2, 2))


def _contiguous(code: bytes) -> int:
    """Where the codestream of a JP2 file begins: in the first box of the type jp2c."""
    place = 0
    while place + 8 <= len(code):
        length, start = _number(code, place, 4), place + 8
        if length == 1:
            length, start = _number(code, place + 8, 8), place + 16
        if code[place + 4 : place + 8] == b"jp2c":
            return start
        if length < start - place:
            break
        place += length
    raise UnreadableImage("broken: a JPEG 2000 file without a codestream")


def _jpeg_2000(code: bytes, start: int) -> Claim:
    """The SIZ marker: size of the grid, its origin, size of tiles, their origin, components."""
    if code[start : start + 4] != _SIZ or len(code) < start + 42:
        raise UnreadableImage("broken: a JPEG 2000 codestream without a size")
    x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0 = (
        _number(code, start + 8 + 4 * each, 4) for each in range(8)
    )
    if not tile_x or not tile_y:
        raise UnreadableImage("broken: a JPEG 2000 codestream with tiles of no size")
    across, down = -(-(x - tile_x0) // tile_x), -(-(y - tile_y0) // tile_y)
    return Claim(y - y0, x - x0, _number(code, start + 40, 2), max(1, across) * max(1, down))


def _number(code: bytes, place: int, length: int) -> int:
    return int.from_bytes(code[place : place + length])
