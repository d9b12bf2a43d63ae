"""What a PACS is asked for: DICOM keywords and the values that studies, series or images match."""

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from radcbir.core.errors import InputError

STUDY = {
    *("StudyDate", "StudyTime", "StudyDescription", "StudyInstanceUID", "StudyID"),
    *("AccessionNumber", "ModalitiesInStudy", "SOPClassesInStudy", "ReferringPhysicianName"),
    *("PatientID", "PatientName", "PatientSex", "PatientBirthDate", "IssuerOfPatientID"),
}
"""Keywords that are matched by study (PS3.18, table 10.6.1-5, and the patient's own)."""

INSTANCE = {
    *("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "ImageType", "NumberOfFrames", "Rows"),
    *("Columns", "BitsAllocated", "AcquisitionNumber", "AcquisitionDate", "ContentDate"),
    *("SliceThickness", "SliceLocation", "ViewPosition", "ImageLaterality", "KVP", "EchoTime"),
    *("PhotometricInterpretation", "BurnedInAnnotation", "ConvolutionKernel", "RepetitionTime"),
}
"""Keywords that are matched by image. All that are in neither are matched by series."""

LEVELS = ("study", "series", "instance")

_MATCHED = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UI", "US"}
_COMPARED = {"AE", "CS", "DA", "LO", "SH", "UI"}
"""Value representations in which an answer can be compared with what was asked; names are matched
by each server in its own way."""

_DATE = re.compile(r"\d{8}|\d{8}-(\d{8})?|-\d{8}")

Keys = Mapping[str, str]


def check(query: Mapping[str, Any]) -> None:
    """Raise :class:`InputError` with the first key that nobody can be asked for, or whose value
    cannot match, or where no key is about studies.
    """
    from pydicom import datadict

    for name, value in query.items():
        tag = datadict.tag_for_keyword(name)
        if tag is None:
            near = difflib.get_close_matches(name, datadict.keyword_dict, 1, 0.6)
            hint = f"did you mean '{near[0]}'?" if near else "take one, such as StudyDate"
            raise InputError(f"`prepare: query:` has '{name}', which is no DICOM keyword: {hint}")
        kind = datadict.dictionary_VR(tag)
        if kind not in _MATCHED:
            raise InputError(
                f"`prepare: query:` has '{name}', which is no text, date or number and cannot be "
                "matched: take another keyword"
            )
        if kind == "DA" and not all(_DATE.fullmatch(str(each)) for each in _listed(value)):
            raise InputError(
                f"`prepare: query: {name}` is {value!r}: write a date as '20240131' and a range as "
                "'20240101-20241231' or '20240101-'"
            )
    if not at_level(query, "study"):
        raise InputError(
            "`prepare: query:` has no key by which studies are found, so that the whole archive "
            "would be listed: add StudyDate, ModalitiesInStudy, PatientID or another key of studies"
        )


def at_level(query: Mapping[str, Any], level: str) -> dict[str, Any]:
    """The part of a query that is about studies, series or images, one of :data:`LEVELS`.

    Modality is that of series; studies without such a series need not be looked at.
    """
    found = {name: value for name, value in query.items() if _level(name) == level}
    if level == "study" and "Modality" in query:
        found.setdefault("ModalitiesInStudy", query["Modality"])
    return found


def _level(name: str) -> str:
    return "study" if name in STUDY else "instance" if name in INSTANCE else "series"


def single(keys: Mapping[str, Any]) -> Iterator[Keys]:
    """Of keys with several values each, all combinations with one value each."""
    for values in itertools.product(*(_listed(each) for each in keys.values())):
        yield dict(zip(keys, map(str, values), strict=True))


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def contradicts(kind: str, wanted: str, found: Sequence[Any]) -> bool:
    """Whether the values of an answer cannot match what was asked: then the server ignored the key.

    ``kind`` is the value representation. Nothing is said of attributes without a value, and of
    kinds that servers match in their own ways (PS3.4, C.2.2.2).
    """
    values = [str(each).strip() for each in found if each not in (None, "")]
    if kind not in _COMPARED or not values or ("\\" in wanted and kind != "UI"):
        return False
    if kind == "DA":
        first, dash, last = wanted.partition("-")
        last = last or "99999999" if dash else first
        return not any(first <= each.replace(".", "") <= last for each in values)
    if kind == "UI":
        return not set(re.split(r"[,\\]", wanted)) & set(values)
    form = re.escape(wanted.strip()).replace(r"\*", ".*").replace(r"\?", ".")
    return not any(re.fullmatch(form, each, re.I | re.S) for each in values)
