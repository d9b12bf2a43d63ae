"""Which query images make one series, study or patient."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import Progress
from radcbir.core.text.retrieved import one
from radcbir.datasets.providers.dicom.header_cache import quiet
from radcbir.datasets.providers.dicom.headers import KEPT, read_header
from radcbir.images import reader
from radcbir.images.address import split_address
from radcbir.images.raster import UnreadableImage
from radcbir.query.cut import cut_queries
from radcbir.query.image_list import Query, units_in
from radcbir.query.units.headers import Header, by_header
from radcbir.retrieval.units.catalog import in_order

READ_AHEAD = 8
"""So many files are opened at a time."""


def in_units(queries: Sequence[Query], unit: str, options: Mapping) -> list[Query]:
    """A query per image, with the ``unit`` (``series``, ``study``, ``patient``) that it belongs to:
    unit by unit, each in the order of its slices, then what belongs to none.

    An image belongs to the unit that a list names for it; else to that of its DICOM header; else
    those of a file that holds several are one, those in one folder are one, and an image that was
    named alone is one. A file of a folder that is no image belongs to none. ``options`` are those of
    :func:`radcbir.query.cut.cut_queries`, and under ``dicom`` those of `prepare: dicom` where the
    experiment's dataset is made so (`leave_out`, `step`, `trim`), or None.
    """
    progress = Progress(len(queries), "files opened")

    def looked_at(query: Query) -> list[Query] | Header:
        try:
            return _looked_at(query, options)
        finally:
            progress.advance()

    with quiet(), ThreadPoolExecutor(READ_AHEAD) as pool:
        found = list(pool.map(looked_at, queries))
    named = {number: each for number, each in enumerate(found) if isinstance(each, list)}
    headers = {number: each for number, each in enumerate(found) if isinstance(each, Header)}
    rows: list[dict[str, Any]] = []
    for number, images in named.items():
        rows += [{"given": number, "query": each} for each in images]
    rows += by_header(headers, unit, options)
    return _ordered(rows)


def check_units(queries: Iterable[Query], unit: str) -> None:
    """Raise :class:`InputError` where no image belongs to a unit."""
    queries = list(queries)
    if any(each.unit for each in queries):
        return
    reasons = [f"{each.name} ({each.left_out or 'not an image'})" for each in queries]
    raise InputError(
        f"`query: images:` names no {one(unit)}: {'; '.join(reasons[:3])}"
        f"{' ...' if len(reasons) > 3 else ''}; name other images"
    )


def members_of(queries: Sequence[Query]) -> tuple[list[str], pd.DataFrame]:
    """The units of a list of :func:`in_units` by name, and the images of each (columns unit and
    image: places among the names and in the list).
    """
    found = units_in(queries)
    rows = [(unit, place) for unit, places in enumerate(found.values()) for place in places]
    return list(found), pd.DataFrame(rows, columns=["unit", "image"], dtype="int64")


def _looked_at(query: Query, options: Mapping) -> list[Query] | Header:
    """The images of a file with their unit, or the header that says more."""
    file, selectors = split_address(query.path)
    alone = split_address(query.name)[0] if selectors else query.name
    try:
        kind = reader.kind_name(file)
    except UnreadableImage:
        return [query._replace(unit=query.unit or ("" if query.folder else alone))]
    if kind == "dicom" and not query.unit:
        values = read_header(Path(file), KEPT)
        if not values["reason"]:
            return Header(query, values)
    images = cut_queries([query], options)
    several = any(split_address(each.path)[1] for each in images)
    unit = query.unit or (alone if several else query.folder or alone)
    return [each._replace(unit=unit) for each in images]


def _ordered(rows: list[dict[str, Any]]) -> list[Query]:
    table = pd.DataFrame(rows, columns=["given", "query", "series_id", "position", "instance"])
    table = table.sort_values("given", kind="stable", ignore_index=True)
    table["path"] = [each.path for each in table["query"]]
    table["name"] = [each.unit for each in table["query"]]
    table = table.drop_duplicates("path", ignore_index=True)
    table["unit"] = pd.factorize(table["name"])[0]
    table["series_id"] = table["series_id"].astype(object)
    belongs = table["name"] != ""
    for each in ("position", "instance"):
        table[each] = pd.to_numeric(table[each], errors="coerce")
    ordered = [*in_order(table[belongs].reset_index(drop=True))["query"], *table["query"][~belongs]]
    return [each._replace(folder="") for each in ordered]
