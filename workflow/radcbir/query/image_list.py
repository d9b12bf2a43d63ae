"""Query images from what the user names: images, folders and lists of paths.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_write, digest_of, is_file, is_folder
from radcbir.core.text.dialect import damage, find_header
from radcbir.core.text.plain_text import read_text
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


def find_queries(given: Sequence[str]) -> list[Query]:
    """The images that ``given`` names: images, folders (every file below that is not hidden) and
    lists of paths.

    Paths of a list are relative to the list's folder, or to the working directory where there is no
    such file. An image that does not exist is listed, too, unless the user named it alone; each
    image is listed once.

    Raises :class:`InputError` where a name matches no file, or a list cannot be read.
    """
    found: dict[str, Query] = {}
    for each in given:
        path = Path(split_address(each)[0])
        if is_folder(path):
            names = _files_below(path)
        elif not is_file(path):
            raise InputError(
                f"`query: images:` names {each}, which does not exist (looked for from "
                f"{Path.cwd()}): correct it"
            )
        elif path.suffix.lower() in LISTS:
            names = _listed(path)
        else:
            names = [each]
        if not names:
            raise InputError(
                f"`query: images:` names {each}, which holds no image: name an image, or another "
                "folder"
            )
        for name in names:
            absolute = os.path.normpath(Path.cwd() / name)
            found.setdefault(absolute, Query(name, absolute))
    return list(found.values())


def listing_digest(queries: Iterable[Query]) -> str:
    """A digest of names, sizes and dates: it changes when an image is added, removed or
    replaced.
    """
    return digest_of([[name, path, *_stamp(split_address(path)[0])] for name, path in queries])


def write_queries(path: str | Path, queries: Sequence[Query]) -> None:
    """Write the list as a shard's is written: columns id (the place in the list), path (without the
    first slash), name.
    """
    with atomic_write(path) as part, open(part, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "path", "name"])
        writer.writerows(
            [number, each.path.lstrip("/"), each.name] for number, each in enumerate(queries)
        )


def read_queries(path: str | Path) -> list[Query]:
    """The queries of :func:`write_queries`, in their order; the place is the id. Paths are relative
    to ``/``.
    """
    with open(path, newline="", encoding="utf-8") as handle:
        return [Query(row["name"], row["path"]) for row in csv.DictReader(handle, delimiter="\t")]


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


def _listed(path: Path) -> list[str]:
    """The paths of a list, as they are to be opened."""
    what = "the list of queries"
    text = read_text(path, what)
    lines = text.splitlines()
    if path.suffix.lower() not in TABLES:
        values = lines
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
            values = [row[column] or "" for row in table]
        except csv.Error as error:
            raise InputError(f"{what} {path} {damage(error)}") from None
    values = [value.strip() for value in values]
    return [_beside(path.parent, value) for value in values if value and not value.startswith("#")]


def _beside(folder: Path, value: str) -> str:
    beside = os.path.normpath(folder / value)
    in_list, from_here = Path(split_address(beside)[0]), Path(split_address(value)[0])
    return value if from_here.exists() and not in_list.exists() else beside
