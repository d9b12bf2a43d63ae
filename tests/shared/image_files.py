"""Writers of DICOM, TIFF and NIfTI files from their standards, byte by byte.

They share nothing with the readers, and with no library that these use.
"""

import gzip
import struct
import zlib

import numpy as np

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

TAGS = {
    "SOPClassUID": (0x0008, 0x0016, "UI"),
    "SOPInstanceUID": (0x0008, 0x0018, "UI"),
    "SamplesPerPixel": (0x0028, 0x0002, "US"),
    "PhotometricInterpretation": (0x0028, 0x0004, "CS"),
    "PlanarConfiguration": (0x0028, 0x0006, "US"),
    "NumberOfFrames": (0x0028, 0x0008, "IS"),
    "Rows": (0x0028, 0x0010, "US"),
    "Columns": (0x0028, 0x0011, "US"),
    "PixelSpacing": (0x0028, 0x0030, "DS"),
    "PixelAspectRatio": (0x0028, 0x0034, "IS"),
    "ImagerPixelSpacing": (0x0018, 0x1164, "DS"),
    "NominalScannedPixelSpacing": (0x0018, 0x2010, "DS"),
    "BitsAllocated": (0x0028, 0x0100, "US"),
    "BitsStored": (0x0028, 0x0101, "US"),
    "HighBit": (0x0028, 0x0102, "US"),
    "PixelRepresentation": (0x0028, 0x0103, "US"),
    "PixelPaddingValue": (0x0028, 0x0120, "US"),
    "PixelPaddingRangeLimit": (0x0028, 0x0121, "US"),
    "FloatPixelPaddingValue": (0x0028, 0x0122, "FL"),
    "WindowCenter": (0x0028, 0x1050, "DS"),
    "WindowWidth": (0x0028, 0x1051, "DS"),
    "RescaleIntercept": (0x0028, 0x1052, "DS"),
    "RescaleSlope": (0x0028, 0x1053, "DS"),
    "RescaleType": (0x0028, 0x1054, "LO"),
    "VOILUTFunction": (0x0028, 0x1056, "CS"),
    "RedPaletteColorLookupTableDescriptor": (0x0028, 0x1101, "US"),
    "GreenPaletteColorLookupTableDescriptor": (0x0028, 0x1102, "US"),
    "BluePaletteColorLookupTableDescriptor": (0x0028, 0x1103, "US"),
    "RedPaletteColorLookupTableData": (0x0028, 0x1201, "OW"),
    "GreenPaletteColorLookupTableData": (0x0028, 0x1202, "OW"),
    "BluePaletteColorLookupTableData": (0x0028, 0x1203, "OW"),
    "ModalityLUTSequence": (0x0028, 0x3000, "SQ"),
    "LUTDescriptor": (0x0028, 0x3002, "US"),
    "LUTData": (0x0028, 0x3006, "OW"),
    "VOILUTSequence": (0x0028, 0x3010, "SQ"),
    "SegmentedRedPaletteColorLookupTableData": (0x0028, 0x1221, "OW"),
    "SegmentedGreenPaletteColorLookupTableData": (0x0028, 0x1222, "OW"),
    "SegmentedBluePaletteColorLookupTableData": (0x0028, 0x1223, "OW"),
    "ExtendedOffsetTable": (0x7FE0, 0x0001, "OV"),
    "ExtendedOffsetTableLengths": (0x7FE0, 0x0002, "OV"),
    "FloatPixelData": (0x7FE0, 0x0008, "OF"),
    "PixelData": (0x7FE0, 0x0010, "OW"),
}
"""Group, element and usual value representation of what the tests write."""

_LONG = {"OB", "OW", "OF", "OV", "SQ", "UN"}


def dicom_file(elements, syntax=EXPLICIT, vrs=None, fragments=None, offsets=b"", preamble=True):
    """A DICOM file (PS3.5, PS3.10).

    ``elements`` maps keywords to numbers, texts, lists of numbers, lists of mappings (sequences),
    or bytes, which are written as they are; ``vrs`` changes value representations. With
    ``fragments`` the pixels are encapsulated behind the offset table ``offsets``.
    """
    order, implicit = (">" if syntax == BIG else "<"), syntax == IMPLICIT
    vrs = vrs or {}
    body = _data_set(elements, order, implicit, vrs)
    if fragments is not None:
        body += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
        for each in [offsets, *fragments]:
            each += b"\0" * (len(each) % 2)
            body += struct.pack("<HHI", 0xFFFE, 0xE000, len(each)) + each
        body += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    if syntax == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    meta = _element((2, 2, "UI"), SECONDARY_CAPTURE, "<", False)
    meta += _element((2, 3, "UI"), "1.2.3", "<", False) + _element(
        (2, 16, "UI"), syntax, "<", False
    )
    return (bytes(128) + b"DICM" + meta if preamble else b"") + body


def _data_set(elements, order, implicit, vrs):
    tags = {name: (*TAGS[name][:2], vrs.get(name, TAGS[name][2])) for name in elements}
    return b"".join(
        _element(tags[name], elements[name], order, implicit, vrs)
        for name in sorted(elements, key=lambda name: tags[name][:2])
    )


def _element(tag, value, order, implicit, vrs=()):
    group, number, vr = tag
    if vr == "SQ":
        content = b""
        for item in value:
            inner = _data_set(item, order, implicit, vrs)
            content += struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(inner)) + inner
    elif isinstance(value, bytes):
        content = value
    elif isinstance(value, str):
        content = value.encode()
    elif vr in ("DS", "IS"):
        content = "\\".join(str(each) for each in np.atleast_1d(value)).encode()
    else:
        letter = {"US": "H", "SS": "h", "FL": "f", "OW": "H", "UL": "I"}[vr]
        numbers = [int(each) if letter != "f" else each for each in np.atleast_1d(value)]
        if letter == "h":  # a pattern of 16 bits is as good
            numbers = [each - 2**16 if each >= 2**15 else each for each in numbers]
        content = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
    if len(content) % 2:
        content += b"\0" if vr in ("UI", "OB", "OW", "UN") else b" "
    head = struct.pack(f"{order}HH", group, number)
    if implicit:
        return head + struct.pack(f"{order}I", len(content)) + content
    if vr in _LONG:
        return head + vr.encode() + bytes(2) + struct.pack(f"{order}I", len(content)) + content
    return head + vr.encode() + struct.pack(f"{order}H", len(content)) + content


def run_lengths(segment):
    """Bytes as PackBits: literal runs, and repeated ones where there are some (PS3.5, G.3)."""
    found, place = b"", 0
    while place < len(segment):
        run = 1
        while place + run < len(segment) and run < 128 and segment[place + run] == segment[place]:
            run += 1
        if run > 2:
            found, place = found + bytes([257 - run, segment[place]]), place + run
        else:
            literal = segment[place : place + 3]
            found, place = found + bytes([len(literal) - 1]) + literal, place + len(literal)
    return found


def rle_frame(cells, samples=1):
    """One frame of DICOM RLE: a segment per byte of each sample, the highest first."""
    size = cells.dtype.itemsize
    planes = np.moveaxis(cells.reshape(-1, samples), 1, 0)
    segments = [
        run_lengths(np.ascontiguousarray(plane.astype(f">u{size}")).view(np.uint8)[byte::size].tobytes())
        for plane in planes
        for byte in range(size)
    ]  # fmt: skip
    segments = [each + b"\0" * (len(each) % 2) for each in segments]
    places = np.cumsum([64, *map(len, segments)])[:-1]
    header = [len(segments), *places, *[0] * (15 - len(segments))]
    return struct.pack("<16I", *header) + b"".join(segments)


def tiff_file(pages, order="<", big=False, padding=0):
    """A TIFF file (TIFF 6.0, BigTIFF) of several pages.

    A page is a mapping of tags to whole numbers or tuples of them, with the key ``data``: a list
    of strips or tiles (bytes); their places and lengths are filled in.
    """
    pointer, count, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    mark = b"II" if order == "<" else b"MM"
    head = 16 if big else 8
    content = bytearray(mark + struct.pack(f"{order}H", 43 if big else 42))
    content += struct.pack(f"{order}HH", 8, 0) if big else b""
    link = len(content)
    content += bytes(head - link) + bytes(padding)
    for page in pages:
        tags, places = dict(page), []
        for each in tags.pop("data"):
            places.append(len(content))
            content += each + b"\0" * (len(each) % 2)
        tiled = 322 in tags
        tags[324 if tiled else 273] = tuple(places)
        tags[325 if tiled else 279] = tuple(len(each) for each in page["data"])
        entries = []
        for tag, values in sorted(tags.items()):
            values = values if isinstance(values, tuple) else (values,)
            kind, letter = (
                (4, "I") if tag in (273, 279, 324, 325) or max(values) > 65535 else (3, "H")
            )
            packed = struct.pack(f"{order}{len(values)}{letter}", *values)
            if len(packed) > struct.calcsize(pointer):
                packed, place = struct.pack(order + pointer, len(content)), packed
                content += place + b"\0" * (len(place) % 2)
            packed += bytes(struct.calcsize(pointer) - len(packed))
            entries.append(struct.pack(f"{order}HH{pointer}", tag, kind, len(values)) + packed)
        assert len(entries[0]) == size
        content[link : link + struct.calcsize(pointer)] = struct.pack(order + pointer, len(content))
        content += struct.pack(order + count, len(entries)) + b"".join(entries)
        link = len(content)
        content += bytes(struct.calcsize(pointer))
    return bytes(content)


NIFTI_TYPES = {
    "u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024,
    "u8": 1280,
}  # fmt: skip
"""Codes of types of numbers in a NIfTI header."""


def nifti_file(
    voxels, affine, slope=0.0, intercept=0.0, pixdim=(1, 1, 1), order="<", version=1, quaternion=False, packed=False
):  # fmt: skip
    """A NIfTI file of one part. ``voxels`` have their first axis fastest, as the format does.

    The affine is written as sform, with ``quaternion`` as qform (it has to be a rotation with the
    spacings of ``pixdim``, then).
    """
    code, bits = NIFTI_TYPES[voxels.dtype.str[1:]], 8 * voxels.dtype.itemsize
    dim = [voxels.ndim, *voxels.shape, *[1] * (7 - voxels.ndim)]
    q, sides = [0.0] * 6, [1.0, *pixdim, *[1.0] * 4]
    forms = (0, 1)
    if quaternion:
        forms = (1, 0)
        rotation = np.array(affine)[:3, :3] / np.array(pixdim)
        if np.linalg.det(rotation) < 0:
            sides[0], rotation = -1.0, rotation * [1, 1, -1]
        a = np.sqrt(max(0, 1 + np.trace(rotation))) / 2
        assert a > 0.1, "choose a rotation that is not half a turn"
        b = (rotation[2, 1] - rotation[1, 2]) / (4 * a)
        c = (rotation[0, 2] - rotation[2, 0]) / (4 * a)
        d = (rotation[1, 0] - rotation[0, 1]) / (4 * a)
        q = [b, c, d, *np.array(affine)[:3, 3]]
    rows = [] if quaternion else np.array(affine, dtype=float)[:3].ravel().tolist()
    rows = rows or [0.0] * 12
    if version == 1:
        head = struct.pack(f"{order}i35xB8h14xhh2x8f", 348, 0, *dim, code, bits, *sides)
        head += struct.pack(f"{order}fff", 352, slope, intercept)
        head = head.ljust(252, b"\0") + struct.pack(f"{order}hh6f12f", *forms, *q, *rows)
        head = head.ljust(344, b"\0") + b"n+1\0" + bytes(4)
    else:
        head = struct.pack(f"{order}i", 540) + b"n+2\0\r\n\x1a\n"
        head += struct.pack(
            f"{order}hh8q3d8dq2d", code, bits, *dim, 0, 0, 0, *sides, 544, slope, intercept
        )
        head = head.ljust(344, b"\0") + struct.pack(f"{order}ii6d12d", *forms, *q, *rows)
        head = head.ljust(540, b"\0") + bytes(4)
    data = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes(order="F")
    return gzip.compress(head + data, 1) if packed else head + data
