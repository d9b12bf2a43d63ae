"""Which image files are no longer what they were: replaced, back again, readable again.

What the catalog saw of each file (size, dates) is kept beside the results. Every run looks at sizes
and dates of all files again, and where one differs the catalog is made anew. There a file of another
date is read: only another content is a change. The content that a file had is known from the look
that each image gets before it is embedded (:mod:`radcbir.audit.inspect`).

A file that has changed gets the digest of its content into the image list of its shard. The list
then has another name, and the shard is looked at and embedded again. Files that never changed have
none, so that the same images give the same lists on every machine.
"""

import csv
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from radcbir.core import layout
from radcbir.core.files import digest, sha256_of_file, write_text
from radcbir.core.logs import Progress, logger
from radcbir.datasets.passing import notes, write_note
from radcbir.images.address import split_address

MISSING, NO_FILE = -1, -2
"""Sizes of what is not there, and of what is no file."""

GONE = "gone"
"""The content of a file that was there and is not: whatever comes back under its name is new."""


class Status(NamedTuple):
    """Size in bytes, and the dates of content and of anything else, in nanoseconds."""

    bytes: int
    modified: int
    changed: int


class Known(NamedTuple):
    """What is known of a file: its status when the catalog was made, the digest of its content
    where it is not the first one seen, and whether the catalog lists it.
    """

    status: Status
    content: str
    listed: bool


def file_digest(path: str | Path) -> str:
    """16 digits that tell the content of a file."""
    return sha256_of_file(path)[:16]


def look(root: str | Path, files: Iterable[str], progress: Progress | None = None) -> dict:
    """The :class:`Status` of each file below ``root``."""
    files = list(files)

    def one(file: str) -> Status:
        try:
            found = Path(f"{root}/{file}").stat()
        except OSError:
            return Status(MISSING, 0, 0)
        finally:
            if progress:
                progress.advance()
        if not stat.S_ISREG(found.st_mode):
            return Status(NO_FILE, 0, 0)
        return Status(found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(files, pool.map(one, files, chunksize=256), strict=True))


class ImageFiles:
    """The image files of a dataset, as the catalog saw them last.

    All paths are below the folder of the project (:mod:`radcbir.core.layout`).
    """

    def __init__(self, dataset: str):
        self.dataset = dataset
        self.place = Path(layout.SEEN_IMAGES.format(dataset=dataset))
        self.known = _read(self.place)
        self.retried: set[str] = set()

    def state(self, root: str | Path) -> str:
        """A text that is another one as soon as a file has another size or date than the catalog
        saw, or can be read again.

        A file of the same size and date that was copied, moved or got other rights is read here.
        With the same content it is no change. The text is kept in a file, so that it stays the same
        until there is another change.
        """
        place = Path(layout.IMAGE_CHANGES.format(dataset=self.dataset))
        before = place.read_text(encoding="utf-8") if place.is_file() else ""
        if not self.known or not Path(root).is_dir():
            return before
        listed = [file for file, each in self.known.items() if each.listed]
        found = look(root, listed)
        other = [file for file in listed if found[file] != self.known[file].status]
        same = self._same_content(root, found, other)
        if same:
            self.known |= {file: self.known[file]._replace(status=found[file]) for file in same}
            self._write()
        changed = [f"{file} {found[file]}" for file in other if file not in same]
        changed += sorted(self._readable_again(root))
        if not changed:
            return before
        last = str(self.place.stat().st_mtime_ns)  # the same change may come again
        now = digest("\n".join([last, *changed]).encode("utf-8", "surrogateescape"))
        if now != before:
            write_text(place, now)
        return now

    def contents(self, root: str | Path, found: Mapping[str, Status]) -> dict[str, str]:
        """The digest of each file that is not the first one seen under its name; else blank.

        ``found`` is what :func:`look` found. Files of another date, and those that could not be read
        for a reason that may pass, are read.
        """
        self.retried = self._readable_again(root)
        self.known = self.known or _listed_contents(self.dataset)
        doubtful = [
            file
            for file, status in found.items()
            if file in self.known
            and status.bytes >= 0
            and (status != self.known[file].status or file in self.retried)
        ]
        looked = _looked_digests(self.dataset, self.known) if doubtful else {}
        progress = Progress(len(doubtful), "files with another date read")

        def one(file: str) -> str:
            before = self.known[file]
            try:
                now = file_digest(Path(root, file))
            except OSError:  # it is rejected when it is read, and that tells why
                return before.content
            finally:
                progress.advance()
            return _content(before, found[file], now, looked.get(file), file in self.retried)

        with ThreadPoolExecutor(8) as pool:
            read = dict(zip(doubtful, pool.map(one, doubtful), strict=True))
        contents = {}
        for file, status in found.items():
            before = self.known.get(file)
            contents[file] = read.get(file, before.content if before else "")
            if status.bytes < 0 and before and before.status.bytes >= 0:
                contents[file] = GONE
        changed = sum(contents[file] != self.known[file].content for file in read)
        if read:
            logger.info("%d files have another date, %d another content", len(read), changed)
        unlisted = {file: each._replace(listed=False) for file, each in self.known.items()}
        self.known = unlisted | {
            file: Known(status, contents[file], True) for file, status in found.items()
        }
        return contents

    def save(self) -> None:
        """Keep what was seen, and drop the notes of files that are read again."""
        self._write()
        for place, files in notes(self.dataset).items():
            write_note(place, [file for file in files if file not in self.retried])

    def _same_content(
        self, root: str | Path, found: Mapping[str, Status], files: Iterable[str]
    ) -> set[str]:
        """Those of the files that have the same size, date of content, and content as before."""
        touched = [file for file in files if found[file][:2] == self.known[file].status[:2]]
        touched = [file for file in touched if found[file].bytes >= 0]
        looked = _looked_digests(self.dataset, self.known) if touched else {}

        def is_same(file: str) -> bool:
            before = self.known[file].content.partition(".")[0] or looked.get(file)
            try:
                return bool(before) and file_digest(Path(root, file)) == before
            except OSError:
                return False

        with ThreadPoolExecutor(8) as pool:
            return {
                file for file, same in zip(touched, pool.map(is_same, touched), strict=True) if same
            }

    def _write(self) -> None:
        lines = (
            "\t".join((file, *map(str, each.status), each.content, str(int(each.listed))))
            for file, each in self.known.items()
        )
        write_text(self.place, "".join(f"{line}\n" for line in lines))

    def _readable_again(self, root: str | Path) -> set[str]:
        """Files that could not be read for a reason that may pass, and that can be opened now."""
        noted = {file for files in notes(self.dataset).values() for file in files}
        return {file for file in noted if _opens(Path(root, file))}


def _content(before: Known, status: Status, now: str, looked: str | None, retried: bool) -> str:
    """What stands for the content ``now``, where ``before`` was known and ``looked`` was seen."""
    known = before.content.partition(".")[0] or looked
    if not retried:
        same = status.bytes == before.status.bytes and now == known
        return before.content if same else now
    if before.content.partition(".")[0] != now:
        return now
    tried = int(before.content.partition(".")[2] or 1)
    return f"{now}.{tried + 1}"


def _looked_digests(dataset: str, known: Mapping[str, Known]) -> dict[str, str]:
    """The digest that each file had when its image was looked at, of the shards that there are.

    Only of files whose content is the first one seen: the others' is known.
    """
    import pandas as pd  # not where a run only looks whether anything changed

    found: dict[str, str] = {}
    for shard in sorted(Path(layout.SHARDS.format(dataset=dataset)).glob("*.tsv")):
        looked = Path(layout.INSPECTED_SHARD.format(dataset=dataset, digest=shard.stem))
        try:
            seen = pd.read_parquet(looked, columns=["id", "file_digest"])
            with open(shard, newline="", encoding="utf-8") as handle:
                rows = list(csv.DictReader(handle, delimiter="\t"))
        except (OSError, ValueError):  # not looked at, or by a version that took no digest
            continue
        digests = dict(
            zip(seen["id"].to_numpy(np.int64).tolist(), seen["file_digest"], strict=True)
        )
        for row in rows:
            file = split_address(row["path"])[0]
            if file in known and not known[file].content and not row.get("content"):
                found[file] = digests.get(int(row["id"])) or found.get(file, "")
    return found


def _listed_contents(dataset: str) -> dict[str, Known]:
    """The files that had changed, from the image lists: what was saved of them is lost."""
    found = {}
    for shard in sorted(Path(layout.SHARDS.format(dataset=dataset)).glob("*.tsv")):
        with open(shard, newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                if row.get("content"):
                    status = Status(int(row["bytes"]), 0, 0)
                    found[split_address(row["path"])[0]] = Known(status, row["content"], True)
    return found


def _read(place: Path) -> dict[str, Known]:
    """What was saved; nothing where it cannot be read."""
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
        found = {}
        for line in lines:
            file, size, modified, changed, content, listed = line.split("\t")
            status = Status(int(size), int(modified), int(changed))
            found[file] = Known(status, content, listed == "1")
        return found
    except (OSError, ValueError):
        return {}


def _opens(path: Path) -> bool:
    try:
        with open(path, "rb") as handle:
            handle.read(1)
    except OSError:
        return False
    return True
