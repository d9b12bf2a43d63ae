"""What an archive has of one study or series, by its UID."""

from itertools import islice
from typing import NamedTuple

from radcbir.fetch.dicomweb.instances import is_uid
from radcbir.fetch.dicomweb.server import Gone, Server

NO_IMAGES = {
    *("SR", "PR", "KO", "SEG", "REG", "FID", "RWV", "DOC", "PLAN", "AU", "ECG", "EPS", "HD"),
    *("RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "TEXTUREMAP", "STAIN", "SMR"),
}
"""Modalities of series without images of a patient (PS3.3, C.7.3.1.1.1)."""

_SERIES = (
    *("SeriesInstanceUID", "StudyInstanceUID", "Modality", "SeriesDescription", "SeriesNumber"),
    "NumberOfSeriesRelatedInstances",
)


MOST = 20_000
"""Series of a study, and instances of a series, that are listed at most."""


class Series(NamedTuple):
    """A series as an archive lists it; what is not listed is blank."""

    uid: str
    study: str
    modality: str
    description: str
    number: str
    size: str
    """How many instances it has."""


def series_of(server: Server, uid: str) -> list[Series]:
    """The series of the study with this UID, in the order of their numbers, or else the one series
    that has it; none where the archive has neither.

    Raises :class:`InputError` where the server cannot be asked.
    """
    places: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        ({"study_instance_uid": uid}, {}),
        ({}, {"SeriesInstanceUID": uid}),
    )
    for within, keys in places:
        try:
            rows = list(islice(server.search(within, keys, _SERIES), MOST))
        except Gone:
            continue
        found = [Series(*row) for row in rows]
        if within:
            found = [each._replace(study=uid) for each in found]
        found = [each for each in found if is_uid(each.uid) and is_uid(each.study)]
        if found:
            return sorted(found, key=lambda each: (_number(each.number), each.uid))
    return []


def instances_of(server: Server, series: Series) -> list[str]:
    """The SOPInstanceUIDs of a series, in the order of the numbers of its instances.

    Raises :class:`InputError` where the server cannot be asked.
    """
    within = {"study_instance_uid": series.study, "series_instance_uid": series.uid}
    try:
        wanted = ["SOPInstanceUID", "InstanceNumber"]
        rows = list(islice(server.search(within, {}, wanted), MOST))
    except Gone:
        return []
    ordered = sorted(rows, key=lambda row: (_number(row[1]), row[0]))
    return [sop for sop, _ in ordered if is_uid(sop)]


def _number(text: str) -> float:
    """A number that orders; what is none comes last."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return float("inf")
