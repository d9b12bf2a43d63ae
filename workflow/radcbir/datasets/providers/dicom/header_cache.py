"""Headers that were read before, in a file for the owner alone: it has names of patients.

A line per file: its path, size and date, and the values of its header. Lines are added while files
are read, so that a run that is stopped goes on where it was. Each run reads the files alone that
are new, or have another size or date.
"""

import contextlib
import functools
import json
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydicom import config

from radcbir.core import layout
from radcbir.core.files import SETTLED, atomic_write, digest
from radcbir.core.logs import Progress, logger
from radcbir.core.machine.processes import end_with
from radcbir.datasets.changes import Status, look
from radcbir.datasets.providers.dicom.headers import MADE, VERSION, read_header
from radcbir.datasets.providers.dicom.rules import UNREADABLE

THREADS = 4
"""So many files are read at a time in each process."""

PART, BLOCK = 64, 64
"""So many files are read in one go; what so many of these goes read is kept at a time."""

Values = tuple[Any, ...]


def headers_below(
    root: Path, files: Iterable[str], names: Sequence[str], processes: int = 1
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each file below ``root`` and its values (:func:`read_header`) with the attributes ``names``,
    read or known: :data:`MADE` and ``names``, in this order. Several ``processes`` read.

    All paths are below the folder of the project (:mod:`radcbir.core.layout`).
    """
    statuses = look(root, files)
    place = Path(layout.DICOM_HEADERS.format(root=digest(os.fsencode(root.resolve()))))
    kept, known, clean = _known(place, names)
    current = {
        file: entry[2]
        for file, entry in known.items()
        if file in statuses and entry[:2] == statuses[file][:2]
    }
    wanted = [file for file in statuses if file not in current]
    clean = clean and len(current) == len(known)
    if not clean:
        _write(place, kept, {file: known[file] for file in current})
    logger.info("%d headers to read, %d known", len(wanted), len(current))
    fresh = _read(root, wanted, statuses, kept, place, processes)
    columns = [*MADE, *kept]
    for file in statuses:
        values = fresh[file] if file in fresh else current[file]
        found = dict(zip(columns, values, strict=True))
        yield file, {name: found[name] for name in (*MADE, *names)}


def _read(
    root: Path,
    files: Sequence[str],
    statuses: Mapping[str, Status],
    names: Sequence[str],
    place: Path,
    processes: int,
) -> dict[str, Values]:
    """Read headers, and add them to the file ``place`` block by block."""
    progress = Progress(len(files), "headers read")
    found: dict[str, Values] = {}
    parts = [files[start : start + PART] for start in range(0, len(files), PART)]
    with quiet(), _executor(processes if len(parts) > 1 else 1) as pool:
        wanted = functools.partial(_part, root, names)
        for start in range(0, len(parts), BLOCK):
            lines = []
            settled = time.time() - SETTLED
            block = parts[start : start + BLOCK]
            for part, read in zip(block, pool.map(wanted, block), strict=True):
                progress.advance(len(part))
                for file, (values, lasting) in zip(part, read, strict=True):
                    found[file] = tuple(map(_shared, values))
                    if lasting and statuses[file].modified < settled * 1e9:
                        lines.append(_line(file, *statuses[file][:2], found[file]))
            with contextlib.suppress(OSError), _appended(place, names) as handle:
                handle.writelines(lines)
    return found


def _executor(processes: int) -> Executor:
    """Threads wait for disks, and one of them at a time reads; so there are processes as well."""
    if processes == 1:
        return ThreadPoolExecutor(THREADS)
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(processes, context, initializer=end_with, initargs=(os.getpid(),))


def _part(root: Path, names: Sequence[str], files: Sequence[str]) -> list[tuple[Values, bool]]:
    """The values of some files, and whether they stay what they are."""

    def one(file: str) -> tuple[Values, bool]:
        try:
            values, lasting = read_header(root / file, names), True
        except OSError as error:
            values = {"reason": UNREADABLE, "kind": error.strerror or "it cannot be opened"}
            lasting = False
        return tuple(values.get(name, "") for name in (*MADE, *names)), lasting

    if multiprocessing.parent_process() is None:
        return [one(file) for file in files]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, files))


def _shared(value: Any) -> Any:
    """The same text once in memory: a million headers have few distinct ones."""
    return sys.intern(value) if isinstance(value, str) else value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Values that break the standard are usual, and warnings would put them into logs."""
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.reading_validation_mode = before


def _known(
    place: Path, names: Sequence[str]
) -> tuple[list[str], dict[str, tuple[int, int, Values]], bool]:
    """The attributes that are kept, the known files (size, date, values), and whether the file can
    be added to. Where it lacks one of ``names`` nothing is known.
    """
    known: dict[str, tuple[int, int, Values]] = {}
    clean = True
    try:
        with open(place, encoding="utf-8") as handle:
            version, kept = json.loads(handle.readline())
            if version != VERSION:
                return list(names), {}, False
            if set(names) - set(kept):  # of both from now on: two datasets may have one folder
                return [*dict.fromkeys([*kept, *names])], {}, False
            for line in handle:
                try:
                    file, size, modified, values = json.loads(line)
                except ValueError:  # the end of a run that was stopped
                    clean = False
                    continue
                clean = clean and file not in known
                known[file] = size, modified, tuple(map(_shared, values))
    except (OSError, ValueError, TypeError):
        return list(names), {}, False
    return kept, known, clean


def _line(file: str, size: int, modified: int, values: Values) -> str:
    return json.dumps([file, size, modified, values], separators=(",", ":")) + "\n"


@contextlib.contextmanager
def _appended(place: Path, names: Sequence[str]) -> Iterator[Any]:
    """The file to add lines to, with its first line."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "a", encoding="utf-8") as handle:
        if not handle.tell():
            handle.write(json.dumps([VERSION, list(names)]) + "\n")
        yield handle


def _write(place: Path, names: Sequence[str], known: Mapping[str, tuple[int, int, Values]]) -> None:
    """Write what is still known alone: of files that are gone nothing is kept."""
    with (
        contextlib.suppress(OSError),
        atomic_write(place) as part,
        _appended(part, names) as handle,
    ):
        handle.writelines(_line(file, *entry) for file, entry in known.items())
