"""Labels as a template over the attributes of a header: ``{modality}/{region}/{view}``."""

import difflib
import re
from collections.abc import Callable

from radcbir.core.errors import InputError

DEFAULT = "{modality}/{region}/{view}"
"""The label where none is asked for. Nothing in it is free text."""

FINDING = "finding"
"""What segmentations and reports say of an image; it may have several."""

OURS = ("modality", "region", "view", "laterality", FINDING)
"""What is made of several attributes of a header, or of other files."""

_FIELD = re.compile(r"\{([^{}]*)\}")

_PERSONAL = re.compile(
    "Patient|Physician|Operator|Institution|Accession|Station|Address|Telephone|Person|Name$|"
    "Reviewer|StudyID|Admission|Visit|Issuer|SerialNumber|Comments"
)
_HARMLESS = {"PatientSex", "PatientPosition", "PatientOrientation", "ManufacturerModelName"}
_HARMLESS |= {"SequenceName", "PulseSequenceName", "ProtocolName"}
_TEXT = {"AE", "AS", "CS", "DS", "FD", "FL", "IS", "LO", "LT", "SH", "SL", "SS", "ST", "UC", "UL"}
_TEXT |= {"US", "UT"}


class Template:
    """A label with fields in braces: DICOM keywords, or one of :data:`OURS`.

    ``{ViewPosition|SeriesDescription}`` is the first of several that is filled in.
    """

    def __init__(self, text: str):
        """Raises :class:`InputError` for a field that is none, that tells who or when, or where the
        template has not three parts.
        """
        self.text = text
        self.fields = [
            [name.strip() for name in found.split("|")] for found in _FIELD.findall(text)
        ]
        between = _FIELD.split(text)[::2]
        if set("".join(between)) & set("{}|;"):
            raise InputError(
                f"`prepare: label:` is '{text}', whose braces do not close or which has a '|' or "
                "';' outside of them: write it as '{modality}/{region}/{SeriesDescription}'"
            )
        parts = _FIELD.sub("x", text).split("/")
        if len(parts) < 3 or not all(part.strip() for part in parts):
            raise InputError(
                f"`prepare: label:` is '{text}': give it three parts, such as "
                "'{modality}/{region}/{SeriesDescription}'"
            )
        for name in self.keywords:
            _check(name)

    @property
    def keywords(self) -> list[str]:
        """The DICOM keywords that it needs."""
        named = [name for field in self.fields for name in field if name not in OURS]
        return list(dict.fromkeys(named))

    @property
    def finds(self) -> bool:
        """Whether segmentations and reports are needed."""
        return any(FINDING in field for field in self.fields)

    def label(self, value_of: Callable[[str], str]) -> tuple[str, str]:
        """The label of an image, or a blank one and the field that is blank; ``value_of`` gives the
        value of a field.
        """
        found = []
        for names in self.fields:
            value = next(filter(None, (plain(value_of(name)) for name in names)), "")
            if not value:
                return "", " or ".join(names)
            found.append(value)
        values = iter(found)
        return _FIELD.sub(lambda _: next(values), self.text), ""


def plain(value: str) -> str:
    """A value as a part of a label: without what separates parts or labels."""
    return value.replace("/", "-").replace("\\", " ").translate({ord("|"): ",", ord(";"): ","})


def _check(name: str) -> None:
    """Raise :class:`InputError` where a field is no DICOM keyword, or not for everybody's eyes."""
    from pydicom import datadict

    where = f"`prepare: label:` has the field '{{{name}}}'"
    tag = datadict.tag_for_keyword(name)
    if tag is None:
        near = difflib.get_close_matches(name, [*datadict.keyword_dict, *OURS], 1, 0.6)
        hint = f"did you mean '{near[0]}'?" if near else f"take one, or {', '.join(OURS)}"
        raise InputError(f"{where}, which is no DICOM keyword: {hint}")
    if name not in _HARMLESS and _PERSONAL.search(name):
        raise InputError(
            f"{where}, which may tell who the patient is, and labels are shown everywhere: take "
            "another one, or a CSV (`csv:`)"
        )
    if datadict.dictionary_VR(tag) not in _TEXT:
        raise InputError(
            f"{where}, which is a date, an identifier or no text, and so no label: take another one"
        )
