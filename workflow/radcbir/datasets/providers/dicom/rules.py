"""Which DICOM files are no images to search: reasons, in the order in which they count."""

import re
from collections.abc import Collection, Mapping

NO_DICOM = "no DICOM file"
UNREADABLE = "a header that cannot be read"
NO_PIXELS = "no pixels"
NO_IMAGE = "pixels that are no image of a patient"
LOCALIZER = "localizers"
SECONDARY = "secondary captures"
DERIVED = "derived images: reformats, projections, maps"
BURNED_IN = "burned-in annotations, as the header says"
REPEATED = "the same SOPInstanceUID as another file"
ODD_NAME = (
    "a name that a table cannot hold: control characters, a backslash, blanks at its ends, other "
    "bytes than UTF-8, '#frame=' at its end"
)

_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.8": "segmentation",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
    "1.2.840.10008.5.1.4.1.1.481.2": "dose",
}
"""Storage classes (PS3.4, B.5) of pixels that are no image."""

_LOCALIZER = re.compile(r"(?<![a-z])(locali[sz]er|scout|topogram|scanogram|surview|pilot)", re.I)
_SURVEY = re.compile(r"(?<![a-z])survey(?![a-z])", re.I)
_REFORMATS = {"MPR", "MIP", "MINIP", "VRT", "SSD", "REFORMATTED", "PROJECTION IMAGE"}
_REFORMATS |= {"VOLUME RENDERING", "SCREEN SAVE", "SCREENSHOT"}


def reason(header: Mapping[str, str], leave_out: Collection[str]) -> tuple[str, str]:
    """Why an image is left out and which kind of file it is; two blanks where it stays.

    ``header`` has the values by keyword. Localizers are those by ImageType, and in CT, MR, PET and
    nuclear medicine by SeriesDescription. Derived are those by ImageType that were made after the
    examination (DERIVED, SECONDARY; PS3.3, C.7.6.1.1.2), reformats and projections. Images that are
    DERIVED and PRIMARY stay: those that a radiography or mammography unit makes for reading are.
    """
    if header["Rows"] == "" or header["Columns"] == "":
        return NO_PIXELS, header["Modality"] or "no modality"
    if header["SOPClassUID"] in _CLASSES:
        return NO_IMAGE, _CLASSES[header["SOPClassUID"]]
    types = [part.strip().upper() for part in header["ImageType"].split("\\")]
    if "localizers" in leave_out and _is_localizer(header, types):
        return LOCALIZER, ""
    if "secondary_captures" in leave_out and (
        header["SOPClassUID"] == _CAPTURE or header["SOPClassUID"].startswith(f"{_CAPTURE}.")
    ):
        return SECONDARY, ""
    if "derived" in leave_out and (
        (types[0] == "DERIVED" and "SECONDARY" in types[1:2]) or _REFORMATS & set(types)
    ):
        return DERIVED, ""
    if "burned_in" in leave_out and header["BurnedInAnnotation"].upper() == "YES":
        return BURNED_IN, ""
    return "", ""


def _is_localizer(header: Mapping[str, str], types: Collection[str]) -> bool:
    if {"LOCALIZER", "SCOUT"} & set(types):
        return True
    words = {"MR": (_LOCALIZER, _SURVEY)}.get(header["Modality"], (_LOCALIZER,))
    sliced = header["Modality"] in ("CT", "MR", "PT", "NM")
    return sliced and any(each.search(header["SeriesDescription"]) for each in words)
