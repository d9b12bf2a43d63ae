"""DICOM files -> rasters: every transfer syntax that pydicom's decoders read, one frame at a time.

Nothing of a header leaves this module but what the pixels need and the flag of burned-in
annotations: reasons name the kind of damage, never a value, since any value may hold a name.
"""

import io
import logging
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, apply_modality_lut, get_decoder, pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from radcbir.images.raster import (
    MAX_PIXELS,
    Raster,
    UnreadableImage,
    Window,
    check_size,
    integer_range,
)

MAX_DEFLATED = 4 * MAX_PIXELS
"""Bytes that a deflated data set may unfold into."""

PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", "gdcm")
"""pydicom's decoders in the order of preference."""

SUSPECT = {
    "BurnedInAnnotation": "burned-in annotation",
    "RecognizableVisualFeatures": "recognizable features",
}
"""Attributes whose YES means that the pixels may identify the patient."""


logging.getLogger("pydicom").setLevel(
    logging.CRITICAL
)  # what fails becomes a reason; its traceback says no more


def read(stream: BinaryIO, selectors: Mapping[str, int]) -> Raster:
    """Read one frame (``{"frame": n}``; needed where there are several).

    Applied are: the modality lookup table, or rescale slope and intercept, of the file or of the
    frame; palettes; the conversion of YBR to RGB. The window stays apart, for the intensity policy.
    Pixel padding is marked.

    Raises :class:`UnreadableImage`: not DICOM, no pixels, no such frame, truncated, an unknown
    transfer syntax, too large.
    """
    syntax = None
    try:
        _refuse_bomb(stream)
        header, syntax, pixels_at = _header(stream)
        frames = frame_count(header)
        frame = _chosen(selectors, frames)
        check_size(int(header.Rows), int(header.Columns))
        if isinstance(stream, io.BytesIO) or syntax == DeflatedExplicitVRLittleEndian:
            source = pydicom.dcmread(stream, force=True)
            source.file_meta.TransferSyntaxUID = syntax
            pixels = (
                io.BytesIO(source.PixelData)
                if syntax.is_encapsulated and "PixelData" in source
                else None
            )
        else:  # a large file: of several frames only the one is read
            source = pixels = stream
            stream.seek(pixels_at + 12)  # tag, VR, two bytes in reserve, length
        if syntax.is_encapsulated and pixels is not None:
            check_size(*codestream_size(get_frame(pixels, frame, number_of_frames=frames)))
        values = pixel_array(source, index=frame, decoding_plugin=_plugin(syntax))
        return _raster(header, values, frame)
    except UnreadableImage:
        raise
    except Exception as error:  # a parser of a hundred decoders raises whatever they do
        raise UnreadableImage(_reason(error, syntax)) from None


def count_frames(stream: BinaryIO) -> int:
    """The number of frames, from the header alone. Raises :class:`UnreadableImage`."""
    try:
        _refuse_bomb(stream)
        return frame_count(_header(stream)[0])
    except UnreadableImage:
        raise
    except Exception as error:
        raise UnreadableImage(_reason(error, None)) from None


def frame_count(header: pydicom.Dataset) -> int:
    """The number of frames that a header gives; a blank or missing one is one."""
    try:
        return max(1, int(header.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        raise UnreadableImage("the number of frames is not a number") from None


def _header(stream: BinaryIO) -> tuple[pydicom.Dataset, UID, int]:
    """The header up to the pixels, the transfer syntax, and where in the file the element of the
    pixels begins.
    """
    try:
        header = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        pixels_at = stream.tell()
    except zlib.error:
        raise UnreadableImage("truncated") from None
    finally:
        stream.seek(0)
    if not ("SOPClassUID" in header or "Rows" in header or "TransferSyntaxUID" in header.file_meta):
        raise UnreadableImage("not a DICOM file")
    if "Rows" not in header or "Columns" not in header:
        raise UnreadableImage("DICOM without pixels")
    syntax = header.file_meta.get("TransferSyntaxUID")
    if not syntax:
        implicit, little = header.original_encoding
        syntax = (
            ImplicitVRLittleEndian
            if implicit
            else ExplicitVRLittleEndian
            if little
            else ExplicitVRBigEndian
        )
    return header, UID(syntax), pixels_at


def _refuse_bomb(stream: BinaryIO) -> None:
    """Raise :class:`UnreadableImage` for a deflated data set that would unfold into too much.
    Leaves it at its start.
    """
    head = stream.read(2048)
    if head[128:132] == b"DICM" and DeflatedExplicitVRLittleEndian.encode() in head:
        stream.seek(
            144 + int.from_bytes(head[140:144], "little")
        )  # behind the group that is never deflated
        unfold, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while block := stream.read(1 << 16):
            while block:
                total += len(unfold.decompress(block, 1 << 24))
                block = unfold.unconsumed_tail
                if total > MAX_DEFLATED:
                    raise UnreadableImage("too large: a deflated file that unfolds without end")
    stream.seek(0)


def _plugin(syntax: UID) -> str:
    """The decoder of a transfer syntax: gdcm only where there is no other, since damaged pixels can
    end its process.
    """
    offered = get_decoder(syntax).available_plugins
    return next((name for name in PLUGINS if name in offered), "")


def _chosen(selectors: Mapping[str, int], frames: int) -> int:
    if set(selectors) - {"frame"}:
        raise UnreadableImage("a DICOM file has frames, not planes: name one as #frame=0")
    if "frame" not in selectors:
        if frames > 1:
            raise UnreadableImage(
                f"{frames} frames: name one, from #frame=0 to #frame={frames - 1}"
            )
        return 0
    if selectors["frame"] >= frames:
        raise UnreadableImage(
            f"no frame {selectors['frame']}: the last of {frames} is #frame={frames - 1}"
        )
    return selectors["frame"]


def codestream_size(code: bytes) -> tuple[int, int]:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 codestream claims; (1, 1) where it says
    nothing.
    """
    start = code.find(b"\xff\x4f\xff\x51")
    if (
        start >= 0 and len(code) >= start + 24
    ):  # SIZ marker: Xsiz, Ysiz, XOsiz, YOsiz from its eighth byte on
        x, y, x0, y0 = (
            int.from_bytes(code[start + 8 + 4 * place : start + 12 + 4 * place])
            for place in range(4)
        )
        return max(1, y - y0), max(1, x - x0)
    place = 2
    while code[:2] == b"\xff\xd8" and place + 9 < len(code) and code[place] == 0xFF:
        marker = code[place + 1]
        if marker == 0xFF:
            place += 1
        elif (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            return max(1, int.from_bytes(code[place + 5 : place + 7])), int.from_bytes(
                code[place + 7 : place + 9]
            )
        else:
            place += 2 + int.from_bytes(code[place + 2 : place + 4])
    return 1, 1


def _raster(header: pydicom.Dataset, values: np.ndarray, frame: int) -> Raster:
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise UnreadableImage(f"pixels of the shape {values.shape}")
    facts = _facts(header)
    stored = int(header.get("BitsStored") or header.get("BitsAllocated") or 0)
    signed = bool(header.get("PixelRepresentation") or 0)
    photometric = str(header.get("PhotometricInterpretation", "")).upper().strip()
    kind = (
        f"{'int' if signed else 'uint'}{stored}"
        if values.dtype.kind in "iub"
        else values.dtype.name
    )
    if photometric == "PALETTE COLOR":
        colors = apply_color_lut(values, header)[..., :3]
        bits = 8 * colors.dtype.itemsize
        if bits > 8:  # entries are shown values of the whole range
            colors = (colors >> (bits - 8)).astype(np.uint8)
        return Raster(colors, 8, f"{kind} palette", (0, 255), facts=facts)
    full = integer_range(stored, signed) if values.dtype.kind in "iub" else None
    if values.ndim == 3:
        return Raster(values, stored if full else 0, f"{kind} RGB", full, facts=facts)
    padding = _padding(header, values)
    values, full = _modality(header, values, full, frame)
    return Raster(
        values,
        (stored if not signed else max(stored, 9)) if full else 0,
        kind,
        full,
        window=_window(header, frame),
        lookup=_lookup(header, frame),
        inverted=photometric == "MONOCHROME1",
        padding=padding,
        facts=facts,
    )


def _facts(header: pydicom.Dataset) -> dict[str, str]:
    found = [
        words
        for name, words in SUSPECT.items()
        if str(header.get(name, "")).strip().upper() == "YES"
    ]
    return {"burned_in": ", ".join(found)} if found else {}


def _group(header: pydicom.Dataset, frame: int, sequence: str) -> pydicom.Dataset:
    """Where the attributes of a functional group stand: with the frame, with all frames, or in the
    header itself.
    """
    shared = header.get("SharedFunctionalGroupsSequence") or []
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    for groups in ([each[frame]] if frame < len(each) else [], shared[:1]):
        for group in groups:
            if group.get(sequence):
                return group[sequence][0]
    return header


def _modality(
    header: pydicom.Dataset, values: np.ndarray, full: tuple[float, float] | None, frame: int
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Values in the modality's units (PS3.3, C.11.1), and what the stored type can hold in these
    units.
    """
    if header.get("ModalityLUTSequence"):
        bits = int(header.ModalityLUTSequence[0].LUTDescriptor[2])
        return apply_modality_lut(values, header), integer_range(bits, signed=False)
    group = _group(header, frame, "PixelValueTransformationSequence")
    slope, intercept = (_number(group.get(name)) for name in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    if slope == 0 or (slope, intercept) == (1.0, 0.0):
        return values, full
    ends = None if full is None else sorted(each * slope + intercept for each in full)
    return values.astype(np.float64) * slope + intercept, None if ends is None else (
        ends[0],
        ends[1],
    )


def _window(header: pydicom.Dataset, frame: int) -> Window | None:
    """The first window of the file; one that no rule allows (PS3.3, C.11.2.1.2) counts as none."""
    group = _group(header, frame, "FrameVOILUTSequence")
    center, width = (_number(group.get(name)) for name in ("WindowCenter", "WindowWidth"))
    function = str(group.get("VOILUTFunction") or "LINEAR").upper().strip()
    if center is None or width is None or function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return None
    if width < 1 if function == "LINEAR" else width <= 0:
        return None
    return Window(center, width, function)


def _lookup(header: pydicom.Dataset, frame: int) -> tuple[np.ndarray, int] | None:
    """The first VOI lookup table, its entries from 0 to 1 of the range of their bits."""
    sequence = _group(header, frame, "FrameVOILUTSequence").get("VOILUTSequence") or header.get(
        "VOILUTSequence"
    )
    if not sequence:
        return None
    count, first, bits = (int(each) for each in sequence[0].LUTDescriptor)
    data = sequence[0].LUTData
    if isinstance(data, bytes):
        order = "<" if header.original_encoding[1] is not False else ">"
        data = np.frombuffer(data, f"{order}u2")
    table = np.asarray(data, dtype=np.float64)[: count or 2**16]
    return (table / (2**bits - 1)).clip(0, 1), first


def _padding(header: pydicom.Dataset, values: np.ndarray) -> np.ndarray | None:
    """Where the stored values are padding (PS3.3, C.7.5.1.1.2); None where nothing is."""
    first = _number(header.get("PixelPaddingValue"))
    if first is None:
        return None
    last = _number(header.get("PixelPaddingRangeLimit"))
    low, high = sorted((first, first if last is None else last))
    found = (values >= low) & (values <= high)
    return found if found.any() else None


def _number(value: object) -> float | None:
    """A number of a header: the first of several; None where it is blank, broken or not finite."""
    try:
        number = float(value if isinstance(value, str | int | float) else value[0])
    except (TypeError, ValueError, IndexError):
        return None
    return number if np.isfinite(number) else None


def _reason(error: Exception, syntax: UID | None) -> str:
    text = str(error)
    name = UID(syntax).name if syntax else "unknown"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if (
        "less than expected" in text
        or "cannot reshape" in text
        or "EOF" in text
        or isinstance(error, EOFError)
    ):
        return "truncated"
    if (
        isinstance(error, NotImplementedError)
        or "missing required" in text
        or "does not support" in text
    ):
        return f"no decoder for these pixels ({name})"
    if isinstance(error, AttributeError) and "no pixel data" in text:
        return "DICOM without pixels"
    if isinstance(error, RuntimeError) and "Unable to decode" in text:
        return f"broken: the pixels cannot be decoded ({name})"
    return f"broken: not valid DICOM ({type(error).__name__})"
