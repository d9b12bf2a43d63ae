"""The images beside an image in its volume or series, as far as the catalog knows them."""

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from radcbir.images.address import split_address

_NUMBERED = re.compile(r"(.*?)([+-]?)(\d{1,12})([^0-9/]*)", re.DOTALL)
"""A path up to its last number, a sign, the number, what follows."""


class Place(NamedTuple):
    """Where an image stands: what it shares with its neighbors, and its number among them."""

    group: tuple
    sign: str
    number: int

    @property
    def kind(self) -> str:
        """``frame``, the name of a plane, or ``file``."""
        return self.group[0]

    @property
    def prefix(self) -> str:
        """How the paths of all of them begin."""
        return self.group[1]


def place_of(path: str) -> Place | None:
    """The place of a path: by the slice or frame that it names, or else by the last number of its
    name; None for a name without a number.
    """
    file, selectors = split_address(path)
    if selectors:
        (kind, number), *volume = selectors.items()
        return Place((kind, file, *volume), "", number)
    found = _NUMBERED.fullmatch(path)
    if found is None:
        return None
    prefix, sign, digits, suffix = found.groups()
    return Place(("file", prefix, suffix), sign, int(digits))


def series_of(table: pa.Table, row: int) -> dict:
    """The volume or series of the image in a row of a catalog: ``rows`` in their order, the
    ``place`` of the image in it, and ``kind``.

    ``position`` and ``instance`` are images of one series and view, where the catalog knows the
    series. They come in the order of their positions along the normal of their plane, or else of
    their numbers. ``frame`` and the names of planes are images of one file, in one plane and one
    volume. ``file`` are files of one patient, study and view, in one folder, whose names differ in
    their last number alone. They come in the order of these numbers. Files of an unknown patient
    have no series.
    """
    image = table.slice(row, 1).to_pylist()[0]
    known = _known_series(table, row, image)
    if known:
        return known
    own = place_of(image["path"])
    if own is None or (own.kind == "file" and image["patient_id"] is None):
        return {"rows": [row], "place": 0, "kind": ""}
    same = pc.and_(
        pc.equal(table["dataset"], image["dataset"]),
        pc.starts_with(table["path"], pattern=own.prefix),
    )
    rows = pc.indices_nonzero(same)
    shared = ("patient_id", "study_id", "view") if own.kind == "file" else ()
    near = table.select(["path", *shared]).take(rows).to_pylist()
    found = []
    for at, other in zip(rows.to_pylist(), near, strict=True):
        place = place_of(other["path"])
        alike = all(other[name] == image[name] for name in shared)
        if alike and place is not None and place.group == own.group:
            found.append((place, at))
    # In -2, +2 the sign belongs to the number; in axial-2, axial-4 it divides words.
    signed = any(place.sign == "+" for place, _ in found)

    def order(each: tuple[Place, int]) -> tuple[int, int]:
        place, at = each
        return (-place.number if signed and place.sign == "-" else place.number), at

    ordered = [at for _, at in sorted(found, key=order)]
    return {"rows": ordered, "place": ordered.index(row), "kind": own.kind}


def _known_series(table: pa.Table, row: int, image: dict) -> dict | None:
    """The series of an image by the catalog's columns; None where they say nothing of its order.
    The frames of a file without positions are in an order of their own.
    """
    of_one_file = bool(split_address(image["path"])[1])
    number = image["position"] if of_one_file else (image["position"], image["instance"])
    if image["series_id"] is None or number in (None, (None, None)):
        return None
    shared = ("dataset", "patient_id", "study_id", "series_id", "view")
    same = pc.and_(
        pc.equal(table["dataset"], image["dataset"]),
        pc.equal(table["series_id"], image["series_id"]),
    )
    rows = pc.indices_nonzero(same)
    near = table.select([*shared, "position", "instance"]).take(rows).to_pylist()
    alike = [
        (each, at)
        for each, at in zip(near, rows.to_pylist(), strict=True)
        if all(each[name] == image[name] for name in shared)
    ]
    placed = all(each["position"] is not None for each, _ in alike)

    def order(found: tuple[dict, int]) -> tuple:
        each, at = found
        instance = each["instance"]
        return each["position"] if placed else 0, instance is None, instance or 0, at

    ordered = [at for _, at in sorted(alike, key=order)]
    kind = "position" if placed else "instance"
    return {"rows": ordered, "place": ordered.index(row), "kind": kind}
