"""The header of a DICOM file as text: what a row of the dataset is made of."""

import contextlib
import dataclasses
import datetime
import functools
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom import datadict
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from radcbir.datasets.providers.dicom import rules
from radcbir.datasets.providers.dicom.geometry import Place, place_of
from radcbir.images.dicom.header import attributes, group
from radcbir.images.formats.dicom import DIRECTORY, READER
from radcbir.images.limits import LIMITS
from radcbir.images.raster import UnreadableImage
from radcbir.images.source import Source

VERSION = 1
"""Raise it when other values are made of a header: all headers are then read again."""

KEPT = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"),
    *("Modality", "ImageType", "BodyPartExamined", "ProtocolName", "SeriesDescription"),
    *("StudyDescription", "SequenceName", "ScanningSequence", "ContrastBolusAgent"),
    *("ConvolutionKernel", "ViewPosition", "ImageLaterality", "Laterality", "PatientSex"),
    *("Manufacturer", "ManufacturerModelName", "InstitutionName", "InstanceNumber"),
    *("SliceLocation", "SliceThickness", "SpacingBetweenSlices", "Rows", "Columns"),
    *("BurnedInAnnotation", "PatientPosition", "AcquisitionType", "EchoTime", "RepetitionTime"),
)
"""Attributes that are kept of each header as they are; a label may name others."""

_READ = (
    *("PatientAge", "PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate"),
    *("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "NumberOfFrames"),
    *("ImageOrientationPatient", "ImagePositionPatient", "AnatomicRegionSequence"),
    *("ViewCodeSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
"""Attributes that something is made of."""

MADE = ("reason", "kind", "frames", "places", "age", "spacing", "anatomy", "view_code")
"""What is made of a header: why the file is no image and which kind of file it is, the number of
frames, the place of each frame, a DICOM age, mm between rows, columns and slices, body part and
view by their codes' names."""

_WRITTEN = {"AE", "AS", "CS", "DA", "DS", "IS", "LO", "SH", "UI"}
"""Value representations whose bytes are the text, with a backslash between values (PS3.5, 6.2)."""

_ELEMENT = 12
"""Bytes of an element before its value."""

_LIMITS = dataclasses.replace(LIMITS, at_once=0)
"""Only the header is read of a file, however small it is."""


def read_header(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The values of a file: :data:`MADE`, and the attributes ``names`` as text, blank where they are
    missing. What is no DICOM, or cannot be read, has a ``reason`` alone.

    Raises :class:`OSError` where the file cannot be opened.
    """
    try:
        with Source(str(path), _LIMITS) as source:
            if DIRECTORY in source.head[:1024]:
                return _refused(rules.NO_DICOM, "DICOMDIR")
            suffix = path.suffix.lower()
            if not READER.sniff(source.head) and suffix not in READER.suffixes:
                return _refused(rules.NO_DICOM, suffix or "no suffix")
            return _values(_header(source, [*names, *_READ]), names)
    except UnreadableImage as error:
        return _refused(rules.UNREADABLE, str(error))
    except OSError as error:
        if error.errno is not None:
            raise
        return _refused(rules.UNREADABLE, "broken")
    except Exception:  # pydicom raises whatever it does on damaged files
        return _refused(rules.UNREADABLE, "broken")


def _header(source: Source, names: Sequence[str]) -> pydicom.Dataset:
    """The header from the first bytes of a file, which are read already, where it ends in them."""
    start = io.BytesIO(source.head)
    with contextlib.suppress(Exception):
        header = attributes(start, _LIMITS, names)
        if start.tell() < len(source.head) - _ELEMENT:
            return header
    return attributes(source.stream(), _LIMITS, names)


def _refused(reason: str, kind: str) -> dict[str, Any]:
    return {"reason": reason, "kind": kind}


def _values(header: pydicom.Dataset, names: Sequence[str]) -> dict[str, Any]:
    frames = _frames(header)
    made = {
        "reason": "",
        "kind": "",
        "frames": frames,
        "places": _places(header, frames),
        "age": _age(header),
        "spacing": _spacing(header),
        "anatomy": _meaning(group(header, 0, "FrameAnatomySequence"), "AnatomicRegionSequence"),
        "view_code": _meaning(header, "ViewCodeSequence"),
    }
    return made | {name: text(header, name) for name in names}


def text(header: pydicom.Dataset, name: str) -> str:
    """An attribute as text in one line, several values with a backslash between them; blank where
    it is missing or broken.
    """
    raw = header.get_item(_tag(name))
    if raw is None:
        return ""
    if _is_written(raw):
        return _line(raw.value.decode("ascii").split("\\"))
    value = _value(header, name)
    if value is None or isinstance(value, pydicom.Sequence):
        return ""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return _line(map(str, value) if several else [str(value)])


def _is_written(raw: Any) -> bool:
    """Whether the bytes of an element are its text. pydicom would make numbers of some, and then
    text again, which takes several times as long.
    """
    if not isinstance(raw, RawDataElement) or raw.value is None or not raw.value.isascii():
        return False
    return (raw.VR or datadict.dictionary_VR(raw.tag)) in _WRITTEN and b"\x1b" not in raw.value


def _line(values: Iterable[str]) -> str:
    joined = "\\".join(each.strip(" \0") for each in values)
    if not joined.isprintable():
        joined = "".join(each if each.isprintable() else " " for each in joined)
    return " ".join(joined.split())


@functools.cache
def _tag(name: str) -> BaseTag:
    return Tag(name)


def _value(header: pydicom.Dataset, name: str) -> Any:
    try:
        return header.get(name) if _tag(name) in header else None
    except Exception:  # a value that is not of its kind
        return None


def _frames(header: pydicom.Dataset) -> int:
    given = text(header, "NumberOfFrames") or "1"
    if not given.isdecimal() or int(given) > LIMITS.parts:
        raise UnreadableImage("NumberOfFrames is no number, or too large")
    return max(1, int(given))


def _places(header: pydicom.Dataset, frames: int) -> list[Place | None]:
    """The place of each frame; of a file without a place for each frame none."""
    groups = _value(header, "PerFrameFunctionalGroupsSequence") or []
    if frames > 1 and len(groups) != frames:
        return []
    found = []
    for frame in range(frames):
        orientation = group(header, frame, "PlaneOrientationSequence")
        position = group(header, frame, "PlanePositionSequence")
        found.append(
            place_of(
                text(orientation, "ImageOrientationPatient").split("\\"),
                text(position, "ImagePositionPatient").split("\\"),
            )
        )
    return found if any(found) else []


def _spacing(header: pydicom.Dataset) -> str:
    """Between rows and columns, and between slices or else through one, as far as it is known."""
    measures = group(header, 0, "PixelMeasuresSequence")
    names = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
    within = next(filter(None, (text(measures, name) for name in names)), "")
    between = ("SpacingBetweenSlices", "SliceThickness")
    through = next(
        filter(None, (text(measures, name) or text(header, name) for name in between)), ""
    )
    try:
        found = [float(each) for each in [*within.split("\\"), *([through] if through else [])]]
    except ValueError:
        return ""
    return " ".join(f"{each:g}" for each in found) if min(found, default=0) > 0 else ""


def _age(header: pydicom.Dataset) -> str:
    """PatientAge, or the years from birth to the examination: no date is kept."""
    given = text(header, "PatientAge")
    if given:
        return given
    born = _date(text(header, "PatientBirthDate"))
    names = ("StudyDate", "SeriesDate", "AcquisitionDate")
    seen = next(filter(None, (_date(text(header, name)) for name in names)), None)
    if born is None or seen is None or seen < born:
        return ""
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    return f"{years:03d}Y"


def _date(given: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(given.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def _meaning(header: pydicom.Dataset, sequence: str) -> str:
    """The meaning of the first code of a sequence."""
    codes = _value(header, sequence)
    return text(codes[0], "CodeMeaning") if codes else ""
