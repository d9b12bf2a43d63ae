"""The header of a DICOM file, and where its pixels are."""

import functools
import io
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from radcbir.images.limits import Limits
from radcbir.images.raster import UnreadableImage

WANTED = [
    *("SOPClassUID", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"),
    *("PixelAspectRatio", "PixelPaddingValue", "PixelPaddingRangeLimit", "FloatPixelPaddingValue"),
    *("FloatPixelPaddingRangeLimit", "DoubleFloatPixelPaddingValue"),
    *("DoubleFloatPixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("ModalityLUTSequence", "VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *(f"{each}PaletteColorLookupTableDescriptor" for each in ("Red", "Green", "Blue")),
    *(f"{each}PaletteColorLookupTableData" for each in ("Red", "Green", "Blue")),
    *(f"Segmented{each}PaletteColorLookupTableData" for each in ("Red", "Green", "Blue")),
    *("BurnedInAnnotation", "RecognizableVisualFeatures"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
]
"""All that is read of a header."""

_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"}
"""Value representations of pixels, which have a length of four bytes behind two that are unused."""

_PIXELS = {
    0x7FE00010: "PixelData",
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
}

_UNDEFINED = 0xFFFFFFFF

_READS = 600_000
"""Reads that pydicom may do before the pixels. An element takes two or three, 60,000 are many."""

_NESTED = 2**20, 2**14
"""Bytes of a sequence at most: so many, and so many more per frame."""

# What fails becomes a reason; the traceback in the log says no more.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Opened:
    """A DICOM file up to its pixels."""

    header: pydicom.Dataset
    syntax: UID
    stream: BinaryIO
    """The file, unpacked where it was deflated."""
    keyword: str
    """Name of the element of the pixels."""
    vr: str
    start: int
    """Where the value of that element begins."""
    length: int
    """Bytes of that value which the file holds."""
    encapsulated: bool
    """Whether the value is written as encapsulated pixels are: with no length."""

    @property
    def frames(self) -> int:
        """The number of frames that the header gives; a blank or missing one is one."""
        try:
            return max(1, int(self.header.get("NumberOfFrames") or 1))
        except (TypeError, ValueError):
            raise UnreadableImage("the number of frames is not a number") from None

    @property
    def little(self) -> bool:
        """Whether numbers begin with their lowest byte."""
        return self.syntax != ExplicitVRBigEndian

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number of the header."""
        value = self.header.get(name)
        return default if value is None or value == "" else int(value)


def opened(stream: BinaryIO, limits: Limits) -> Opened:
    """The header of a file, and where its pixels are.

    Raises :class:`UnreadableImage`: no DICOM, no pixels, a deflated file that unpacks to too much.
    """
    stream, header = _read(stream, limits, WANTED)
    if "Rows" not in header or "Columns" not in header:
        raise UnreadableImage("DICOM without pixels")
    implicit, little = header.original_encoding
    syntax = header.file_meta.get("TransferSyntaxUID")
    if not syntax:
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else explicit
    return Opened(header, UID(syntax), stream, *_pixels(stream, bool(implicit), bool(little)))


def attributes(stream: BinaryIO, limits: Limits, names: Sequence[str]) -> pydicom.Dataset:
    """The attributes ``names`` of a file's header, whether it has pixels or not.

    Raises :class:`UnreadableImage`: no DICOM, a header of too many elements, a deflated file that
    unpacks to too much.
    """
    return _read(stream, limits, names)[1]


def _read(
    stream: BinaryIO, limits: Limits, names: Sequence[str]
) -> tuple[BinaryIO, pydicom.Dataset]:
    """The header, and the stream at the element of the pixels."""
    try:
        header = pydicom.dcmread(
            _Guarded(stream),
            stop_before_pixels=True,
            force=True,
            specific_tags=[*_tags(tuple(names))],
        )
    except _Deflated as found:
        return _read(_inflated(stream, found.args[0], limits), limits, names)
    if not ("SOPClassUID" in header or "Rows" in header or "TransferSyntaxUID" in header.file_meta):
        raise UnreadableImage("not a DICOM file")
    _check_sequences(header, names)
    return stream, header


@functools.cache
def _tags(names: tuple[str, ...]) -> tuple[BaseTag, ...]:
    """The tags of keywords: pydicom looks them up for each file."""
    return tuple(map(Tag, names))


def _check_sequences(header: pydicom.Dataset, names: Sequence[str]) -> None:
    """Raise :class:`UnreadableImage` for a sequence with more elements than frames can need:
    pydicom makes objects of all of them when the first is wanted.
    """
    try:
        frames = max(1, int(header.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        frames = 1
    for name in names:
        raw = header.get_item(name) if name.endswith("Sequence") and name in header else None
        size = len(raw.value) if raw is not None and isinstance(raw.value, bytes) else 0
        if size > _NESTED[0] + _NESTED[1] * min(frames, 2**12):
            raise UnreadableImage("too large: a header of too many elements")


def _pixels(stream: BinaryIO, implicit: bool, little: bool) -> tuple[str, str, int, int, bool]:
    """Keyword and value representation of the element at which the stream is, the start of its
    value, how many bytes of it there are, and whether it has no length.
    """
    place, order = stream.tell(), "little" if little else "big"
    size = stream.seek(0, io.SEEK_END)
    stream.seek(place)
    start = stream.read(12)
    parts = (int.from_bytes(start[each : each + 2], order) for each in (0, 2))  # type: ignore
    keyword = _PIXELS.get(next(parts) << 16 | next(parts))
    if keyword is None or len(start) < 8:
        raise UnreadableImage("DICOM without pixels")
    if implicit:
        vr, length, skip = "OW", start[4:8], 8
    elif start[4:6] in _LONG:
        vr, length, skip = start[4:6].decode(), start[8:12], 12
    else:
        vr, length, skip = start[4:6].decode("ascii", "replace"), start[6:8], 8
    claimed, there = int.from_bytes(length, order), max(0, size - place - skip)  # type: ignore
    undefined = claimed == _UNDEFINED
    return keyword, vr, place + skip, there if undefined else min(claimed, there), undefined


class _Deflated(Exception):
    """Raised with the place where a deflated data set begins."""


class _Guarded:
    """A stream for pydicom that cannot be read whole: it does so for a deflated data set alone,
    which it would unpack without a limit. Nor can it be read without end: a file of some megabytes
    can hold millions of elements.
    """

    def __init__(self, stream: BinaryIO):
        self._stream, self._left = stream, _READS
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            raise _Deflated(self._stream.tell())
        self._left -= 1
        if self._left < 0:
            raise UnreadableImage("too large: a header of too many elements")
        return self._stream.read(size)


def _inflated(stream: BinaryIO, start: int, limits: Limits) -> BinaryIO:
    """A deflated file as the same file in Explicit VR Little Endian."""
    stream.seek(start)
    unpacker, parts, total = zlib.decompressobj(-zlib.MAX_WBITS), [], 0
    while not unpacker.eof and (block := stream.read(1 << 16)):
        while block and not unpacker.eof:
            try:
                parts.append(unpacker.decompress(block, 1 << 24))
            except zlib.error:
                raise UnreadableImage("truncated") from None
            total += len(parts[-1])
            if total > limits.unpacked:
                raise UnreadableImage("too large: a deflated file that unfolds without end")
            block = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise UnreadableImage("truncated")
    syntax = ExplicitVRLittleEndian.encode() + b"\0"
    element = b"\x02\0\x10\0UI" + len(syntax).to_bytes(2, "little") + syntax
    return io.BytesIO(b"".join([bytes(128), b"DICM", element, *parts]))


def number(value: Any) -> float | None:
    """A number of a header: the first of several; None where it is blank, broken or not finite."""
    try:
        found = float(value if isinstance(value, str | int | float) else value[0])
    except (TypeError, ValueError, IndexError):
        return None
    return found if np.isfinite(found) else None


def group(header: pydicom.Dataset, frame: int, sequence: str) -> pydicom.Dataset:
    """Where the attributes of a functional group are: with the frame, with all frames, or in the
    header itself.
    """
    shared = header.get("SharedFunctionalGroupsSequence") or []
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    for groups in ([each[frame]] if frame < len(each) else [], shared[:1]):
        for found in groups:
            if found.get(sequence):
                return found[sequence][0]
    return header
