"""Query images of DICOM files by their headers, as `prepare: dicom` makes series of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from radcbir.core.text.retrieved import KEYS
from radcbir.datasets.providers.dicom import rules
from radcbir.datasets.providers.dicom.series import with_places
from radcbir.images.address import join_address, split_address
from radcbir.images.slices import taken
from radcbir.query.image_list import Query

COLUMNS = {
    "series_id": ("SeriesInstanceUID",),
    "study_id": ("StudyInstanceUID",),
    "patient_id": ("PatientID", "StudyInstanceUID", "SeriesInstanceUID"),
}
"""Column of a dataset -> the attributes that give it, the first that a header has."""

ALL: Mapping[str, Any] = {"leave_out": [], "step": 1, "trim": 0}


class Header(NamedTuple):
    """A DICOM file that was named as a query, and what its header says."""

    query: Query
    values: dict[str, Any]
    """As :func:`radcbir.datasets.providers.dicom.headers.read_header` gives them."""


def by_header(headers: Mapping[int, Header], unit: str, options: Mapping) -> list[dict[str, Any]]:
    """A row per image: the number of its file (``given``), the ``query`` with its unit, and what
    orders the slices (``series_id``, ``position``, ``instance``).

    ``options`` are those of :func:`radcbir.query.units.group.in_units`. Files that `prepare: dicom`
    would leave out have the reason in ``left_out`` and no unit.
    """
    own = options["dicom"] or ALL
    out, kept = [], []
    seen: set[str] = set()
    for number, header in headers.items():
        reason, _ = rules.reason(header.values, own["leave_out"])
        uid, chosen = header.values["SOPInstanceUID"], split_address(header.query.path)[1]
        if not reason and not chosen and uid and uid in seen:
            reason = rules.REPEATED
        if reason:
            query = header.query._replace(left_out=f"left out: {reason}")
            out.append({"given": number, "query": query})
            continue
        if not chosen:
            seen.add(uid)
        kept.append((number, bool(chosen)))
    whole = [number for number, chosen in kept if not chosen]
    found = with_places(_table({each: headers[each] for each in whole}), own) if whole else None
    rows = [] if found is None else _rows(found, headers, unit, options)
    rows += [_chosen(number, headers[number], unit) for number, chosen in kept if chosen]
    return [*out, *rows]


def _table(headers: Mapping[int, Header]) -> pd.DataFrame:
    """The columns that :func:`with_places` reads, and the units, a row per file."""
    values = [each.values for each in headers.values()]
    table = pd.DataFrame(
        {
            "given": list(headers),
            "file": [each.query.path for each in headers.values()],
            "frames": [each["frames"] for each in values],
            "places": pd.Series([each["places"] for each in values], dtype=object),
            "SliceLocation": [each["SliceLocation"] for each in values],
            "instance": [_instance(each) for each in values],
        }
    )
    for column in COLUMNS:
        table[column] = pd.Series([_known(each, column) for each in values], dtype=object)
    table["view"] = None
    return table


def _rows(
    found: pd.DataFrame, headers: Mapping[int, Header], unit: str, options: Mapping
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    column = KEYS[unit][-1]
    for each in found.to_dict("records"):
        header = headers[each["given"]]
        frames = int(header.values["frames"])
        if options["dicom"] is None and each["frame"] not in taken(frames, options):
            continue
        name = header.query.name
        if frames > 1:
            name = join_address(name, {"frame": each["frame"]})
        of = each[column] or (header.query.folder if frames == 1 else "") or header.query.name
        query = header.query._replace(name=name, path=each["filepath"], unit=of)
        order = {key: each[key] for key in ("given", "series_id", "position", "instance")}
        rows.append({**order, "query": query})
    return rows


def _chosen(number: int, header: Header, unit: str) -> dict[str, Any]:
    """The row of a frame that was named."""
    of = _known(header.values, KEYS[unit][-1]) or split_address(header.query.name)[0]
    return {"given": number, "query": header.query._replace(unit=of)}


def _known(values: Mapping[str, Any], column: str) -> str | None:
    return next((values[name] for name in COLUMNS[column] if values[name]), None)


def _instance(values: Mapping[str, Any]) -> float:
    """InstanceNumber, or not a number."""
    return pd.to_numeric(values["InstanceNumber"], errors="coerce")
