"""The files below a folder, and whether they have changed."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from radcbir.core import files


def files_below(root: str | Path) -> Iterator[str]:
    """The files below a folder as relative paths, in order; hidden ones are left out, links are
    followed once.
    """
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        below = Path(folder).relative_to(root).as_posix()
        yield from (
            name if below == "." else f"{below}/{name}"
            for name in sorted(names)
            if not name.startswith(".")
        )


def folder_digest(root: str | Path) -> str:
    """The digest of the names below a folder: images that come or go are a change."""
    return files.digest("\0".join(files_below(root)).encode("utf-8", "surrogateescape"))


def status_digest(root: str | Path) -> str:
    """The digest of names, sizes and dates below a folder: another header is a change, too."""
    from radcbir.datasets.changes import look

    digest = hashlib.sha256()
    for file, status in look(root, files_below(root)).items():
        line = f"{file}\0{status.bytes}\0{status.modified}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
