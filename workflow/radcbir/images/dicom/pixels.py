"""One frame of a DICOM file -> a raster: decoding, geometry, units, windows, padding."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import UID

from radcbir.images.dicom.decoding import by_codestream, decoded, is_jpeg_2000, photometric
from radcbir.images.dicom.frames import check_frames
from radcbir.images.dicom.header import Opened, group, number, opened
from radcbir.images.dicom.tables import palette, table
from radcbir.images.limits import Limits, check_size
from radcbir.images.raster import Raster, UnreadableImage, Window, integer_range
from radcbir.images.source import Source

GRAY = {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"}
COLOR = {"RGB", "YBR_FULL", "YBR_FULL_422"}
JPEG_2000_COLOR = {"YBR_ICT", "YBR_RCT"}
"""Photometric interpretations that are read: of one sample, of three, and of three where the
decoder converts them. The others mean colors that nothing here converts (PS3.3, C.7.6.3.1.2)."""

NOT_READ = {
    *(*GRAY, *COLOR, *JPEG_2000_COLOR, "HSV", "ARGB", "CMYK", "XYB"),
    *("YBR_PARTIAL_422", "YBR_PARTIAL_420"),
}
"""Names that may be told in a reason. Others could hold anything."""

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
"""Attributes that give the sides of a pixel, between rows first (PS3.3, C.7.6.3.1.7)."""

PADDINGS = {
    "PixelData": "PixelPadding",
    "FloatPixelData": "FloatPixelPadding",
    "DoubleFloatPixelData": "DoubleFloatPixelPadding",
}
"""Element of the pixels -> how the attributes of its padding begin."""

UNSPECIFIED = {"", "US"}
"""Rescale types that name no unit."""

SUSPECT = {
    "BurnedInAnnotation": "burned-in annotation",
    "RecognizableVisualFeatures": "recognizable features",
}
"""Attributes whose YES means that the pixels may identify the patient."""


def read(source: Source, selectors: Mapping[str, int], limits: Limits) -> Raster:
    """Read one frame (``{"frame": n}``; needed where there are several).

    Applied are: the modality lookup table, or rescale slope and intercept, of the file or of the
    frame; palettes; the conversion of YBR to RGB. The window stays apart, for the intensity policy.
    Pixel padding is marked.

    Raises :class:`UnreadableImage`: not DICOM, no pixels, no such frame, truncated, an unknown
    transfer syntax, too large, pixels whose meaning is not known.
    """
    found = None
    try:
        found = opened(source.stream(), limits)
        frame = _chosen(selectors, found.frames)
        check_size(found.whole("Rows"), found.whole("Columns"), limits, _cost(found))
        _check_meaning(found)
        check_frames(found)
        return _raster(found, decoded(found, frame, limits), frame)
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # a parser and a hundred decoders raise whatever they do
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableImage(_reason(error, found.syntax if found else None)) from None


def parts(source: Source, limits: Limits) -> dict[str, int]:
    """``{"frame": n}`` where there are several, from the header alone. Raises
    :class:`UnreadableImage`.
    """
    try:
        found = opened(source.stream(), limits)
        if found.frames > 1:
            check_size(found.whole("Rows"), found.whole("Columns"), limits)
            if not found.whole("BitsAllocated"):
                raise UnreadableImage("broken: pixels of no bits")
            check_frames(found)
            return {"frame": found.frames}
        return {}
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableImage(_reason(error, None)) from None


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


def _cost(found: Opened) -> int:
    """Bytes of memory that a pixel takes from the decoded frame to the raster."""
    if found.whole("SamplesPerPixel", 1) == 1:
        return 8 + found.whole("BitsAllocated") // 4
    return 33 if photometric(found.header).startswith("YBR") else 10


def _check_meaning(found: Opened) -> None:
    """Raise :class:`UnreadableImage` for pixels whose shape is right and whose meaning is not
    known.
    """
    samples, space = found.whole("SamplesPerPixel", 1), photometric(found.header)
    known = {1: GRAY, 3: COLOR | (JPEG_2000_COLOR if is_jpeg_2000(found.syntax) else set())}
    if samples not in known:
        raise UnreadableImage(f"{samples} samples per pixel: not read")
    if space and space not in known[samples]:
        name = space if space in NOT_READ else "unknown"
        raise UnreadableImage(f"the color space {name} with {samples} samples: not read")
    if found.keyword != "PixelData":
        return
    stored, high = found.whole("BitsStored"), found.header.get("HighBit")
    if high is not None and high != "" and int(high) != stored - 1 and not by_codestream(found):
        raise UnreadableImage(f"broken: the high bit {int(high)} of {stored} bits stored")
    if samples == 3 and found.whole("PixelRepresentation"):
        raise UnreadableImage("broken: colors with a sign")


def _raster(found: Opened, values: np.ndarray, frame: int) -> Raster:
    header = found.header
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise UnreadableImage(f"pixels of the shape {values.shape}")
    padding = _padding(found, values) if values.ndim == 2 else None
    values = _stored_bits(found, values)
    stored = found.whole("BitsStored") or found.whole("BitsAllocated")
    signed, whole = bool(found.whole("PixelRepresentation")), values.dtype.kind in "iub"
    kind = f"{'int' if signed else 'uint'}{stored}" if whole else values.dtype.name
    full = integer_range(stored, signed) if whole else None
    common: Any = {"spacing": _spacing(header, frame), "facts": _facts(header)}
    if photometric(header) == "PALETTE COLOR":
        colors, first = palette(found, full or (0, 0))
        values = colors[np.clip(values.astype(np.int64) - first, 0, len(colors) - 1)]
        return Raster(values, 8, f"{kind} palette", (0, 255), **common)
    if values.ndim == 3:
        return Raster(values, stored if full else 0, f"{kind} RGB", full, **common)
    values, full, rescaled = _modality(found, values, full, frame)
    return Raster(
        values,
        stored if whole else 0,
        kind,
        full,
        signed=signed and whole,
        rescaled=rescaled,
        window=_window(header, frame),
        lookup=_lookup(found, full, frame),
        inverted=photometric(header) == "MONOCHROME1",
        padding=padding,
        **common,
    )


def _stored_bits(found: Opened, values: np.ndarray) -> np.ndarray:
    """Cells without the bits that are not stored, which may hold anything (PS3.5, 8.1.1)."""
    unused = 8 * values.dtype.itemsize - found.whole("BitsStored")
    allocated = found.whole("BitsAllocated")
    if values.dtype.kind not in "iu" or by_codestream(found) or allocated == 1 or unused <= 0:
        return values
    if values.ndim == 3:
        return values
    return (values << unused) >> unused


def _facts(header: pydicom.Dataset) -> dict[str, str]:
    suspected = [
        words
        for name, words in SUSPECT.items()
        if str(header.get(name, "")).strip().upper() == "YES"
    ]
    return {"burned_in": ", ".join(suspected)} if suspected else {}


def _spacing(header: pydicom.Dataset, frame: int) -> tuple[float, float] | None:
    """The sides of a pixel, from the first attribute that gives two lengths."""
    measures = group(header, frame, "PixelMeasuresSequence")
    for holder, name in [(measures, SPACINGS[0]), *((header, each) for each in SPACINGS)]:
        value = holder.get(name)
        if isinstance(value, str | bytes | float | int) or value is None or len(value) != 2:
            continue
        down, across = number(value[0]), number(value[1])
        if down and across and down > 0 and across > 0:
            return down, across
    return None


def _modality(
    found: Opened, values: np.ndarray, full: tuple[float, float] | None, frame: int
) -> tuple[np.ndarray, tuple[float, float] | None, bool]:
    """Values in the modality's units (PS3.3, C.11.1), what the stored type can hold in these units,
    and whether they are others than the stored ones.
    """
    sequence = found.header.get("ModalityLUTSequence")
    if sequence:
        entries, first, bits = table(sequence[0], found, full or (0, 0))
        places = np.clip(values.astype(np.int64) - first, 0, len(entries) - 1)
        return entries[places], integer_range(bits, signed=False), True
    holder = group(found.header, frame, "PixelValueTransformationSequence")
    slope, intercept = (number(holder.get(name)) for name in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    if slope == 0 or (slope, intercept) == (1.0, 0.0):
        unit = str(holder.get("RescaleType") or "").upper().strip()
        return values, full, unit not in UNSPECIFIED
    if full is not None:
        low, high = sorted(each * slope + intercept for each in full)
        full = low, high
    return values.astype(np.float64) * slope + intercept, full, True


def _window(header: pydicom.Dataset, frame: int) -> Window | None:
    """The first window of the file; one that no rule allows (PS3.3, C.11.2.1.2) counts as none."""
    holder = group(header, frame, "FrameVOILUTSequence")
    center, width = (number(holder.get(name)) for name in ("WindowCenter", "WindowWidth"))
    function = str(holder.get("VOILUTFunction") or "LINEAR").upper().strip()
    if center is None or width is None or function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return None
    if width < 1 if function == "LINEAR" else width <= 0:
        return None
    return Window(center, width, function)


def _lookup(
    found: Opened, full: tuple[float, float] | None, frame: int
) -> tuple[np.ndarray, int] | None:
    """The first table of shown values, its entries from 0 to 1 of the range of their bits."""
    sequence = group(found.header, frame, "FrameVOILUTSequence").get(
        "VOILUTSequence"
    ) or found.header.get("VOILUTSequence")
    if not sequence:
        return None
    entries, first, bits = table(sequence[0], found, full or (0, 0))
    return entries / (2.0**bits - 1), first


def _padding(found: Opened, values: np.ndarray) -> np.ndarray | None:
    """Where the stored values are padding (PS3.3, C.7.5.1.1.2); None where nothing is.

    Integers are compared bit by bit: writers give the value with the sign that the pixels do not
    have.
    """
    kind = PADDINGS[found.keyword]
    first, last = (found.header.get(f"{kind}{name}") for name in ("Value", "RangeLimit"))
    if isinstance(first, float) and np.isnan(first):
        where = np.isnan(values)
        return where if where.any() else None
    low, high = number(first), number(last)
    if low is None:
        return None
    high = low if high is None else high
    if values.dtype.kind in "iu":
        low, high = (_as_stored(each, values.dtype) for each in (low, high))
    where = (values >= min(low, high)) & (values <= max(low, high))
    return where if where.any() else None


def _as_stored(value: float, dtype: np.dtype) -> int:
    """The number that a cell of this type holds where its bits are those of ``value``."""
    bits = 8 * dtype.itemsize
    unsigned = int(value) % 2**bits
    return unsigned - 2**bits if dtype.kind == "i" and unsigned >= 2 ** (bits - 1) else unsigned


def _reason(error: Exception, syntax: UID | None) -> str:
    text = str(error)
    name = UID(syntax).name if syntax else "unknown"
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
    if isinstance(error, RuntimeError) and "Unable to decode" in text:
        return f"broken: the pixels cannot be decoded ({name})"
    return f"broken: not valid DICOM ({type(error).__name__})"
