"""Query images from what the user names: images, folders and lists of paths.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_write, digest_of, is_file, is_folder
from radcbir.core.text.dialect import damage, find_header
from radcbir.core.text.plain_text import read_text
from radcbir.core.text.retrieved import KEYS
from radcbir.images.address import split_address

TABLES = (".csv", ".tsv")
LISTS = (*TABLES, ".txt")
"""Suffixes of lists of paths: tables, and texts with one path per line."""

PATH_COLUMNS = ("filepath", "path", "image", "file", "query")
"""Names that the column with the paths may have, the first that a list has is taken."""


class Query(NamedTuple):
    """One query image."""

    name: str
    """As the user would write it, and as the results show it."""
    path: str
    """Absolute, with the frame or slice behind it where one is named."""
    unit: str = ""
    """The series, study or patient that it belongs to, where such are searched for; of
    :func:`find_queries` the one that a list names."""
    folder: str = ""
    """The folder that it lies in, where the user named a folder and not the image."""
    left_out: str = ""
    """Why it is no part of its unit."""


def find_queries(given: Sequence[str], unit: str = "image") -> list[Query]:
    """The images that ``given`` names: images, folders (every file below that is not hidden) and
    lists of paths. Where the ``unit`` is another than an image, tables may name that of each row.

    Paths of a list are relative to the list's folder, or to the working directory where there is no
    such file. An image that does not exist is listed, too, unless the user named it alone; each
    image is listed once.

    Raises :class:`InputError` where a name matches no file, or a list cannot be read.
    """
    found: dict[str, Query] = {}
    for each in given:
        path = Path(split_address(each)[0])
        if is_folder(path):
            named = [Query(file, "", "", str(Path(file).parent)) for file in _files_below(path)]
        elif not is_file(path):
            raise InputError(
                f"`query: images:` names {each}, which does not exist (looked for from "
                f"{Path.cwd()}): correct it"
            )
        elif path.suffix.lower() in LISTS:
            named = [Query(name, "", of) for name, of in _listed(path, unit)]
        else:
            named = [Query(each, "")]
        if not named:
            raise InputError(
                f"`query: images:` names {each}, which holds no image: name an image, or another "
                "folder"
            )
        for query in named:
            absolute = os.path.normpath(Path.cwd() / query.name)
            found.setdefault(absolute, query._replace(path=absolute))
    return list(found.values())


def listing_digest(queries: Iterable[Query]) -> str:
    """A digest of names, sizes and dates: it changes when an image is added, removed or
    replaced, or a list names another unit for it.
    """
    return digest_of(
        [
            [name, path, *filter(None, [unit]), *_stamp(split_address(path)[0])]
            for name, path, unit, *_ in queries
        ]
    )


def write_queries(path: str | Path, queries: Sequence[Query]) -> None:
    """Write the list as a shard's is written: columns id (the place in the list), path (without the
    first slash), name, unit, left_out.
    """
    with atomic_write(path) as part, open(part, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "path", "name", "unit", "left_out"])
        writer.writerows(
            [number, each.path.lstrip("/"), each.name, each.unit, each.left_out]
            for number, each in enumerate(queries)
        )


def read_queries(path: str | Path) -> list[Query]:
    """The queries of :func:`write_queries`, in their order; the place is the id. Paths are relative
    to ``/``.
    """
    with open(path, newline="", encoding="utf-8") as handle:
        return [
            Query(row["name"], row["path"], row["unit"], left_out=row["left_out"])
            for row in csv.DictReader(handle, delimiter="\t")
        ]


def units_in(queries: Iterable[Query]) -> dict[str, list[int]]:
    """The units that some queries belong to, in their order -> the places of their queries."""
    found: dict[str, list[int]] = {}
    for place, query in enumerate(queries):
        if query.unit:
            found.setdefault(query.unit, []).append(place)
    return found


def _stamp(file: str) -> list[int]:
    try:
        stat = Path(file).stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def _files_below(folder: Path) -> list[str]:
    """Every file below a folder, sorted; hidden files and folders are left out."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        found += [str(Path(parent, each)) for each in files if not each.startswith(".")]
    return sorted(found)


def _listed(path: Path, unit: str) -> list[tuple[str, str]]:
    """The paths of a list, as they are to be opened, and the unit that each belongs to; blank where
    the list does not say it.
    """
    what = "the list of queries"
    text = read_text(path, what)
    lines = text.splitlines()
    if path.suffix.lower() not in TABLES:
        values = [(line, "") for line in lines]
    else:
        separator = find_header(text.encode(), f"{what} {path}", PATH_COLUMNS)[0]
        table = csv.DictReader(lines, delimiter=separator)
        names = [name.strip() for name in table.fieldnames or ()]
        column = next((name for name in PATH_COLUMNS if name in names), None)
        if column is None:
            raise InputError(
                f"the list of queries {path} has no column '{PATH_COLUMNS[0]}' (it has "
                f"{', '.join(names) or 'none'}): name "
                "the column with the paths so, or write one path per line into a .txt"
            )
        table.fieldnames = names
        try:
            values = [(row[column] or "", _unit_of(row, unit)) for row in table]
        except csv.Error as error:
            raise InputError(f"{what} {path} {damage(error)}") from None
    values = [(value.strip(), of) for value, of in values]
    return [
        (_beside(path.parent, value), of)
        for value, of in values
        if value and not value.startswith("#")
    ]


def _unit_of(row: Mapping[str, str | None], unit: str) -> str:
    """The unit that a row of a table names: by its column ``unit``, else by the columns that a
    dataset's CSV has, the numbers of patient and study before that of a series.
    """
    if unit not in KEYS:
        return ""
    own, *others = ((row.get(each) or "").strip() for each in ("unit", *reversed(KEYS[unit])))
    if own or not others[0]:
        return own
    return "/".join(filter(None, reversed(others)))


def _beside(folder: Path, value: str) -> str:
    beside = os.path.normpath(folder / value)
    in_list, from_here = Path(split_address(beside)[0]), Path(split_address(value)[0])
    return value if from_here.exists() and not in_list.exists() else beside
