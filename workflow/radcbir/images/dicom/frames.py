"""The bytes of one frame of a DICOM file: native, or encapsulated (PS3.5, A.4)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from radcbir.images.dicom.header import Opened
from radcbir.images.raster import UnreadableImage

ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
"""Tags of an item and of the end of a sequence. Encapsulated pixels are little endian."""

END_OF_IMAGE = b"\xff\xd9"
"""The last marker of a JPEG or JPEG 2000 codestream."""


class Fragment(NamedTuple):
    """An item of encapsulated pixels: where its value begins, and its bytes."""

    start: int
    length: int


def check_frames(opened: Opened) -> None:
    """Raise :class:`UnreadableImage` where the file cannot hold the frames that its header
    claims.
    """
    if opened.syntax.is_encapsulated:
        if opened.frames * 8 > opened.length:
            raise UnreadableImage("truncated")
        return
    if opened.encapsulated:
        raise UnreadableImage("broken: encapsulated pixels under a syntax that has none")
    needed = -(-frame_bits(opened) * opened.frames // 8)
    if opened.length < needed:
        raise UnreadableImage("truncated")
    photometric = str(opened.header.get("PhotometricInterpretation", "")).strip()
    if photometric == "YBR_FULL_422" and opened.length >= needed // 2 * 3:
        raise UnreadableImage("broken: more pixels than YBR_FULL_422 has")


def frame_bits(opened: Opened) -> int:
    """The bits of one native frame."""
    photometric = str(opened.header.get("PhotometricInterpretation", "")).strip()
    samples, allocated = opened.whole("SamplesPerPixel", 1), opened.whole("BitsAllocated")
    bits = opened.whole("Rows") * opened.whole("Columns") * samples * allocated
    return bits // 3 * 2 if photometric == "YBR_FULL_422" else bits


def native(opened: Opened, frame: int) -> tuple[bytes, int, int]:
    """Bytes that hold a native frame, its number among the frames that they hold, and how many
    those are.
    """
    bits = frame_bits(opened)
    words = not opened.little and opened.vr == "OW"  # bytes come in swapped pairs
    if bits % (16 if words else 8):
        opened.stream.seek(opened.start)
        return opened.stream.read(opened.length), frame, opened.frames
    opened.stream.seek(opened.start + frame * bits // 8)
    return opened.stream.read(bits // 8), 0, 1


def encapsulated(opened: Opened, frame: int) -> bytes:
    """The codestream of a frame.

    Raises :class:`UnreadableImage` where the file does not say without doubt which bytes belong to
    it: offset tables that do not fit the frames, fragments that cannot be assigned.
    """
    stream, frames, end = opened.stream, opened.frames, opened.start + opened.length
    table = _item(opened, opened.start)
    if table is None:
        raise UnreadableImage("broken: pixels that are not encapsulated")
    first = table.start + table.length
    extended = opened.header.get("ExtendedOffsetTable")
    if extended:
        offsets = _offsets(extended, "<u8")
        basic = _basic(opened, table)
        if len(basic) and basic.tolist() != (offsets % 2**32).tolist():
            raise UnreadableImage("broken: two offset tables that contradict each other")
    else:
        offsets = _basic(opened, table)
    if not len(offsets):
        return _by_fragments(stream, list(_fragments(opened, first)), frame, frames)
    _check_offsets(offsets, frames, end - first)
    stop = first + int(offsets[frame + 1]) if frame + 1 < frames else None
    code = _joined(stream, list(_fragments(opened, first + int(offsets[frame]), stop)))
    if extended:  # it says too how long each frame is, without the byte that makes it even
        lengths = _offsets(opened.header.get("ExtendedOffsetTableLengths") or b"", "<u8")
        if len(lengths) != frames or not len(code) - 1 <= lengths[frame] <= len(code):
            raise UnreadableImage("broken: an offset table whose lengths are not those of frames")
        code = code[: int(lengths[frame])]
    return code


def _basic(opened: Opened, table: Fragment) -> np.ndarray:
    opened.stream.seek(table.start)
    return _offsets(opened.stream.read(table.length), "<u4")


def _offsets(content: bytes, kind: str) -> np.ndarray:
    if len(content) % np.dtype(kind).itemsize:
        raise UnreadableImage("broken: an offset table of half a number")
    return np.frombuffer(content, kind)


def _check_offsets(offsets: np.ndarray, frames: int, length: int) -> None:
    if len(offsets) != frames:
        raise UnreadableImage(f"broken: an offset table of {len(offsets)} for {frames} frames")
    steps = offsets.astype(np.int64)
    if steps[0] != 0 or (np.diff(steps) <= 0).any() or steps[-1] >= length:
        raise UnreadableImage("broken: an offset table that does not grow from 0 to the last frame")


def _by_fragments(stream: BinaryIO, fragments: list[Fragment], frame: int, frames: int) -> bytes:
    """The frame where there is no offset table: a fragment each, or all of them, or those up to one
    that ends an image.
    """
    if len(fragments) == frames:
        return _joined(stream, fragments[frame : frame + 1])
    if frames == 1:
        return _joined(stream, fragments)
    if len(fragments) < frames:
        raise UnreadableImage("truncated")
    groups: list[list[Fragment]] = [[]]
    for each in fragments:
        groups[-1].append(each)
        stream.seek(each.start + max(0, each.length - 10))
        if END_OF_IMAGE in stream.read(min(10, each.length)):
            groups.append([])
    groups = [each for each in groups if each]
    if len(groups) != frames:
        raise UnreadableImage(f"broken: {len(groups)} codestreams for {frames} frames")
    return _joined(stream, groups[frame])


def _fragments(opened: Opened, start: int, stop: int | None = None) -> Iterator[Fragment]:
    """The items from ``start`` to ``stop``, or else to the end of the sequence.

    Raises :class:`UnreadableImage` where the file ends before.
    """
    while start != stop and (found := _item(opened, start)) is not None:
        yield found
        start = found.start + found.length


def _item(opened: Opened, place: int) -> Fragment | None:
    """The item at a place; None at the end of the sequence. Raises :class:`UnreadableImage`."""
    opened.stream.seek(place)
    head, end = opened.stream.read(8), opened.start + opened.length
    if head[:4] == END or (place >= end and not opened.encapsulated):
        return None
    if len(head) < 8:
        raise UnreadableImage("truncated")
    if head[:4] != ITEM:
        raise UnreadableImage("broken: something between the fragments of the pixels")
    (length,) = struct.unpack("<I", head[4:])
    if length > end - place - 8:
        raise UnreadableImage("truncated")
    return Fragment(place + 8, length)


def _joined(stream: BinaryIO, fragments: list[Fragment]) -> bytes:
    parts = []
    for each in fragments:
        stream.seek(each.start)
        parts.append(stream.read(each.length))
    if not parts:
        raise UnreadableImage("truncated")
    return b"".join(parts)
