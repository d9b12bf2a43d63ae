"""In a child process: whether a file of an archive is an image to ask with, and the same file with
nothing but the image.
"""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radcbir.datasets.providers.dicom import rules
from radcbir.datasets.providers.dicom.headers import KEPT, read_header
from radcbir.images.dicom.header import WANTED

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

KEPT_KEYWORDS = {
    *WANTED,
    *PIXELS,
    *("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence"),
    *("LUTDescriptor", "LUTData"),
}
"""All that pixels need, within sequences too."""

OTHER = "another instance than the one that was asked for"


def image_of(path: str, sop: str, leave_out: Collection[str]) -> dict[str, Any]:
    """What a file of an archive is: ``reason``, why it is no image to ask with, by the rules of the
    datasets (`leave_out:`), or blank; then ``content``, the file without names; ``position`` along
    the normal of its plane in mm, or None; ``number``, its InstanceNumber, or None.

    ``sop`` is the SOPInstanceUID that was asked for.
    """
    header = read_header(Path(path), KEPT)
    reason = header["reason"]
    if not reason:
        reason = OTHER if header["SOPInstanceUID"] != sop else rules.reason(header, leave_out)[0]
    if reason:
        return {"reason": reason}
    try:
        content = without_names(path)
    except Exception:  # pydicom raises whatever it does on damaged files
        return {"reason": rules.UNREADABLE}
    places, number = header["places"], header["InstanceNumber"]
    return {
        "reason": "",
        "content": content,
        "position": places[0].position if places and places[0] else None,
        "number": int(number) if number.lstrip("+-").isdecimal() else None,
    }


def without_names(path: str) -> bytes:
    """A DICOM file with the attributes that pixels need and no others: no names, no dates, no
    identifiers. The pixels are as they were, compressed ones too.
    """
    found = pydicom.dcmread(path, force=True, specific_tags=[*WANTED, *PIXELS])
    syntax = found.file_meta.get("TransferSyntaxUID")
    if not syntax:
        implicit, little = found.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else explicit
    _prune(found)
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = syntax
    found.preamble = bytes(128)
    written = io.BytesIO()
    pydicom.dcmwrite(written, found, enforce_file_format=False)
    return written.getvalue()


def _prune(header: pydicom.Dataset) -> None:
    """Take out what is not kept, at every level."""
    for tag in list(header.keys()):
        name = keyword_for_tag(tag)
        if name not in KEPT_KEYWORDS:
            del header[tag]
        elif name.endswith("Sequence"):
            for each in header[tag].value or ():
                _prune(each)
