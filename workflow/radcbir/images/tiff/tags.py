"""The tags of TIFF files that decide how pixels are read (TIFF 6.0, and BigTIFF)."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

from radcbir.images.limits import Limits
from radcbir.images.raster import UnreadableImage

COLUMNS, ROWS, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
FILL_ORDER, STRIPS, ORIENTATION, STRIP_ROWS, STORED, PLANAR = 266, 273, 274, 278, 279, 284
PREDICTOR = 317
TILE_COLUMNS, TILE_ROWS, TILES, TILES_STORED = 322, 323, 324, 325
COLORS, EXTRA, SAMPLE_FORMAT, SUBSAMPLING = 320, 338, 339, 530

_WANTED = {
    *(COLUMNS, ROWS, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, FILL_ORDER, STRIPS, STRIP_ROWS),
    *(STORED, PLANAR, TILE_COLUMNS, TILE_ROWS, TILES, TILES_STORED, COLORS, EXTRA),
    *(SAMPLE_FORMAT, SUBSAMPLING, ORIENTATION, PREDICTOR),
}

_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of whole numbers."""


@dataclass(frozen=True)
class Layout:
    """How a file writes numbers and directories, as formats of :mod:`struct`."""

    pointer: str
    count: str
    entry: str
    first: int
    """The place of the pointer to the first page."""

    @property
    def order(self) -> str:
        """The order of bytes."""
        return self.pointer[0]


class Tag(NamedTuple):
    """The numbers of a tag, where in the file they are, and the format of each."""

    values: tuple[int, ...]
    place: int
    number: str


@dataclass(frozen=True)
class Page:
    """What the tags of one page say."""

    rows: int
    columns: int
    bits: tuple[int, ...]
    samples: int
    compression: int
    photometric: int
    sample_format: int
    extra: tuple[int, ...]
    """What samples are that are no color."""
    order: str
    """The order of bytes, as in :mod:`struct`."""
    fill_order: int
    """2 where the lowest bit of a byte comes first."""
    in_planes: bool
    """Whether each sample has strips or tiles of its own."""
    block: tuple[int, int] | None
    """Rows and columns of a tile; None where there are strips."""
    strip_rows: int
    offsets: tuple[int, ...]
    """Where the strips or tiles are."""
    lengths: tuple[int, ...]
    """The bytes of each."""
    predictor: int
    orientation: int
    subsampling: tuple[int, ...]
    colors: np.ndarray | None
    """(entries, 3) of uint8: a palette."""
    at: tuple[int, bytes]
    """The place in the file of the pointer to the first page, and the pointer to this page."""
    tags: Mapping[int, Tag]

    def changed(self, tag: int, value: int) -> list[tuple[int, bytes]]:
        """The place of a tag's numbers in the file, and the bytes that make each of them ``value``;
        empty where the file does not have the tag.
        """
        if tag not in self.tags:
            return []
        values, place, number = self.tags[tag]
        return [(place, struct.pack(number, value) * len(values))]


def pages(stream: BinaryIO, limits: Limits, wanted: int | None = None) -> list[int]:
    """Where the directories of the pages are, at most ``wanted`` of them.

    Raises :class:`UnreadableImage` where there are none or too many, or one is beyond the end.
    """
    layout, place = _layout(stream)
    found: dict[int, None] = {}
    while place and place not in found and (wanted is None or len(found) < wanted):
        found[place] = None
        if len(found) > limits.pages:
            raise UnreadableImage(f"too large: more than {limits.pages} pages")
        count = _number(stream, place, layout.count)
        after = place + struct.calcsize(layout.count) + count * struct.calcsize(layout.entry)
        place = _number(stream, after, layout.pointer)
    if not found:
        raise UnreadableImage("no pixels: a TIFF without pages")
    return list(found)


def read_page(stream: BinaryIO, place: int) -> Page:
    """The tags of the page whose directory is at ``place``. Raises :class:`UnreadableImage`."""
    layout, _ = _layout(stream)
    tags = _tags(stream, layout, place)

    def one(tag: int, default: int) -> int:
        return tags[tag].values[0] if tag in tags and tags[tag].values else default

    def several(tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return tags[tag].values if tag in tags else default

    samples, tiled = one(SAMPLES, 1), TILE_COLUMNS in tags
    return Page(
        rows=one(ROWS, 0),
        columns=one(COLUMNS, 0),
        bits=several(BITS, (1,))[: max(1, samples)] or (1,),
        samples=samples,
        compression=one(COMPRESSION, 1),
        photometric=one(PHOTOMETRIC, 0),
        sample_format=one(SAMPLE_FORMAT, 1),
        extra=several(EXTRA),
        order=layout.order,
        fill_order=one(FILL_ORDER, 1),
        in_planes=one(PLANAR, 1) == 2,
        block=(one(TILE_ROWS, 0), one(TILE_COLUMNS, 0)) if tiled else None,
        strip_rows=one(STRIP_ROWS, 2**32 - 1),
        offsets=several(TILES if tiled and TILES in tags else STRIPS),
        lengths=several(TILES_STORED if tiled and TILES_STORED in tags else STORED),
        predictor=one(PREDICTOR, 1),
        orientation=one(ORIENTATION, 1),
        subsampling=several(SUBSAMPLING, (2, 2)),
        colors=_palette(several(COLORS)),
        at=(layout.first, struct.pack(layout.pointer, place)),
        tags=tags,
    )


def _layout(stream: BinaryIO) -> tuple[Layout, int]:
    """The layout of a file, and where its first directory is."""
    stream.seek(0)
    head = stream.read(4)
    order, big = ("<" if head[:2] == b"II" else ">"), b"+" in head
    pointer, count, entry, first = ("Q", "Q", "HHQ8s", 8) if big else ("I", "H", "HHI4s", 4)
    layout = Layout(order + pointer, order + count, order + entry, first)
    return layout, _number(stream, layout.first, layout.pointer)


def _tags(stream: BinaryIO, layout: Layout, place: int) -> dict[int, Tag]:
    count = _number(stream, place, layout.count)
    start, size = place + struct.calcsize(layout.count), struct.calcsize(layout.entry)
    stream.seek(0, 2)
    end = stream.tell()
    stream.seek(start)
    directory = stream.read(min(count * size, end))
    found = {}
    for number in range(len(directory) // size):
        name, kind, many, value = struct.unpack_from(layout.entry, directory, number * size)
        if name not in _WANTED or kind not in _NUMBERS or name in found:
            continue
        letter = layout.order + _NUMBERS[kind]
        length = many * struct.calcsize(letter)
        at = start + number * size + size - len(value)
        if length > len(value):
            at = struct.unpack(layout.pointer, value)[0]
            if length > end - at:
                raise UnreadableImage("truncated")
            stream.seek(at)
            value = stream.read(length)
        found[name] = Tag(
            struct.unpack(f"{layout.order}{many}{_NUMBERS[kind]}", value[:length]), at, letter
        )
    return found


def _number(stream: BinaryIO, place: int, form: str) -> int:
    stream.seek(place)
    content = stream.read(struct.calcsize(form))
    if len(content) < struct.calcsize(form):
        raise UnreadableImage("truncated")
    return struct.unpack(form, content)[0]


def _palette(colors: tuple[int, ...]) -> np.ndarray | None:
    """Reds, greens, blues of 16 bit -> (entries, 3) of 8 bit.

    Some writers store entries of 8 bit in them: where none is larger than 255 they are such.
    """
    if not colors or len(colors) % 3:
        return None
    table = np.array(colors, dtype=np.uint32).reshape(3, -1).T
    return (table >> 8 if table.max() > 255 else table).astype(np.uint8)
