"""Frames of a DICOM file -> stored values: native pixels, RLE, and codestreams of all kinds."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import as_pixel_options, get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000TransferSyntaxes, RLELossless

from radcbir.images.apart import apart
from radcbir.images.codestream import TILE_BYTES, check_scans, claim
from radcbir.images.dicom import run_lengths
from radcbir.images.dicom.frames import ITEM, encapsulated, native
from radcbir.images.dicom.header import Opened
from radcbir.images.limits import Limits, check_size
from radcbir.images.raster import UnreadableImage

PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", "gdcm")
"""pydicom's decoders in the order of preference."""

APART = {"gdcm"}
"""Decoders that end their process on damaged pixels. Those of JPEG 2000 are used apart as well: on
some damaged pixels they do not come to an end."""

HIGH_THROUGHPUT = {f"1.2.840.10008.1.2.4.20{each}" for each in (1, 2, 3)}
"""Transfer syntaxes of High-Throughput JPEG 2000."""

PHOTOMETRIC = "photometric_interpretation"
"""Name of an option of pydicom's decoders."""

JPEG, JPEG_COST, JPEG_2000_COST = b"\xff\xd8", 5, 16
"""How a JPEG or JPEG-LS codestream begins, and bytes per sample that decoders take."""


def is_jpeg_2000(syntax: UID) -> bool:
    """Whether pixels of a transfer syntax are JPEG 2000 codestreams."""
    return syntax in JPEG2000TransferSyntaxes or syntax in HIGH_THROUGHPUT


def photometric(header: pydicom.Dataset) -> str:
    """The photometric interpretation of a file; empty where it says nothing."""
    return str(header.get("PhotometricInterpretation") or "").upper().strip()


def by_codestream(found: Opened) -> bool:
    """Whether the codestream of the pixels says how many bits they have."""
    return found.syntax.is_encapsulated and found.syntax != RLELossless


def decoded(found: Opened, frame: int, limits: Limits) -> np.ndarray:
    """The stored values of a frame: (rows, columns), or (rows, columns, 3) in RGB.

    Bits that are not stored are still there where gray pixels are native or RLE.
    """
    options = as_pixel_options(found.header)
    options.pop("extended_offsets", None)
    options = {name: int(value) for name, value in options.items() if name != PHOTOMETRIC} | {
        PHOTOMETRIC: photometric(found.header),
        "pixel_keyword": found.keyword,
        "pixel_vr": found.vr,
        "correct_unused_bits": by_codestream(found) or options.get("samples_per_pixel") != 1,
    }
    if not found.syntax.is_encapsulated:
        content, index, options["number_of_frames"] = native(found, frame)
        return _as_array(str(found.syntax), content, index, "", options)
    code = encapsulated(found, frame)
    _check_code(found, code, limits)
    if found.syntax == RLELossless:
        samples = int(options["samples_per_pixel"])
        pixels = found.whole("Rows") * found.whole("Columns")
        content = run_lengths.native(code, pixels, samples, found.whole("BitsAllocated"))
        options |= {"planar_configuration": 0, "number_of_frames": 1}
        if options[PHOTOMETRIC] == "YBR_FULL_422":  # runs leave no sample out
            options[PHOTOMETRIC] = "YBR_FULL"
        return _as_array(str(ExplicitVRLittleEndian), content, 0, "", options)
    plugin = _plugin(found.syntax)
    arguments = str(found.syntax), _wrapped(code), 0, plugin, options | {"number_of_frames": 1}
    if plugin in APART or is_jpeg_2000(found.syntax):
        return apart(_as_array, *arguments, limits=limits)
    return _as_array(*arguments)


def _as_array(
    syntax: str, content: bytes, index: int, plugin: str, options: Mapping[str, Any]
) -> np.ndarray:
    decoder = get_decoder(UID(syntax))
    found = decoder.as_array(content, index=index, decoding_plugin=plugin, **options)[0]
    if UID(syntax).is_encapsulated and found.size > 1 and (found == found.flat[0]).all():
        # A single pixel would be spread over a frame of any size: as bytes it is an error.
        decoder.as_buffer(content, index=index, decoding_plugin=plugin, **options)
    return found


def _wrapped(code: bytes) -> bytes:
    """A codestream as the only fragment of encapsulated pixels, without an offset table."""
    code += b"\0" * (len(code) % 2)
    return ITEM + bytes(4) + ITEM + struct.pack("<I", len(code)) + code


def _plugin(syntax: UID) -> str:
    """The decoder of a transfer syntax."""
    offered = get_decoder(syntax).available_plugins
    return next((name for name in PLUGINS if name in offered), "")


def _check_code(found: Opened, code: bytes, limits: Limits) -> None:
    """Raise :class:`UnreadableImage` where a codestream claims more than it may take, or not what
    the header says.
    """
    rows, columns, samples = (
        found.whole(name, 1) for name in ("Rows", "Columns", "SamplesPerPixel")
    )
    if found.syntax == RLELossless:
        size = rows * columns * samples * found.whole("BitsAllocated") // 8
        if len(code) > 2 * size + 4096:
            raise UnreadableImage("broken: a frame of more bytes than its pixels")
        return
    claimed = claim(code)
    if code[:2] == JPEG:
        check_scans(code, rows, columns)
    cost = JPEG_2000_COST if code[:2] != JPEG else JPEG_COST
    check_size(claimed.rows, claimed.columns, limits, cost * claimed.components)
    if claimed.tiles * TILE_BYTES * claimed.components > limits.memory:
        raise UnreadableImage(f"too large: {claimed.tiles} tiles")
    if (claimed.rows, claimed.columns, claimed.components) != (rows, columns, samples):
        raise UnreadableImage(
            f"broken: the header says {columns} x {rows} x {samples}, the pixels hold "
            f"{claimed.columns} x {claimed.rows} x {claimed.components}"
        )
