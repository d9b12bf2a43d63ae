"""The instances of a query, listed and fetched: what is here already is not fetched again."""

import contextlib
import csv
import functools
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from radcbir.core import layout
from radcbir.core.errors import InputError
from radcbir.core.files import SETTLED, atomic_write, refuse_full_disk, writable
from radcbir.core.logs import Progress, logger
from radcbir.datasets.providers.dicomweb.query import at_level, single
from radcbir.fetch.dicomweb.server import Gone, Server, Undelivered

COLUMNS = ["study", "series", "instance", "file", "reason"]

BLOCK = 10_000
"""So many instances wait at a time to be fetched."""

BAD_NAME = "an identifier that is none"

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class Instance(NamedTuple):
    """The UIDs of an instance and of what it belongs to."""

    study: str
    series: str
    sop: str

    @property
    def file(self) -> str:
        """Its file, below the folder of the dataset's images."""
        return f"{self.study}/{self.series}/{self.sop}.dcm"

    @property
    def is_named(self) -> bool:
        """Whether its identifiers are UIDs (PS3.5, 9.1), and so no paths to elsewhere."""
        return all(map(is_uid, self))


def is_uid(text: str) -> bool:
    """Whether a text is a UID as it is written: 64 digits and dots at most (PS3.5, 9.1)."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def fetch(
    dataset: str,
    options: Mapping[str, Any],
    max_rejected: float,
    tries: int = 4,
    pause: float = 1.0,
) -> None:
    """Fetch what the query of a dataset matches: afterwards the folder of its images has these and
    no others, and ``instances.csv`` lists them (:data:`COLUMNS`).

    ``options`` are the checked ones of `prepare:`. Files that are there are not fetched again;
    those that the server no longer lists are deleted. An instance that cannot be had stays in the
    list with a reason. Raises :class:`InputError` where the server cannot be asked, nothing
    matches, or more than the share ``max_rejected`` cannot be had; files that came are kept.
    """
    Path(layout.DICOMWEB).mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):  # another user's, who lets this one write there
        Path(layout.DICOMWEB).chmod(0o700)
    images = Path(layout.DICOMWEB_IMAGES.format(dataset=dataset))
    images.mkdir(parents=True, exist_ok=True)
    server = Server(options, tries, pause)
    wanted = listed(server, options)
    reasons = {each: BAD_NAME for each in wanted if not each.is_named}
    named = [each for each in wanted if each.is_named]
    deleted = _delete_others(images, {each.file for each in named})
    missing = [each for each in named if not (images / each.file).is_file()]
    logger.info(
        "%d instances listed: %d are here, %d to fetch; %d that are no longer listed were deleted",
        len(wanted), len(named) - len(missing), len(missing), deleted,
    )  # fmt: skip
    allowed, gone, progress = max_rejected * len(wanted), set(), Progress(len(missing), "images")
    _refuse_many(server, reasons, allowed, len(wanted), max_rejected)
    with ThreadPoolExecutor(options["connections"]) as pool:
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            for each, error in pool.map(functools.partial(_fetched, server, images), block):
                progress.advance()
                if isinstance(error, Gone):
                    gone.add(each)
                elif error is not None:
                    reasons[each] = str(error)
                    _refuse_many(server, reasons, allowed, len(wanted), max_rejected)
    if gone:
        logger.warning(
            "%d instances went away from %s while they were fetched, and are left out",
            len(gone), server.name,
        )  # fmt: skip
    if len(gone) + len(reasons) == len(wanted):
        raise InputError(
            f"{server.name} lists {len(wanted)} instances and delivers none of them: correct "
            "`url:`, or ask its administrator whether it serves WADO-RS there"
        )
    _write([each for each in wanted if each not in gone], reasons, dataset)


def listed(server: Server, options: Mapping[str, Any]) -> list[Instance]:
    """All instances that the query matches, in the order of their UIDs.

    Raises :class:`InputError` where there is none, or more studies than `most_studies`.
    """
    of_study, of_series, of_instance = (
        list(single(at_level(options["query"], level))) for level in ("study", "series", "instance")
    )
    studies: dict[str, None] = {}
    try:
        for keys in of_study:
            for study, *_ in server.search({}, keys, ["StudyInstanceUID"]):
                studies[study] = None
                if len(studies) > options["most_studies"]:
                    raise InputError(
                        f"the query matches more than {options['most_studies']:,} studies of "
                        f"{server.name}: narrow `query:`, or raise `most_studies:`"
                    )
    except Gone:
        raise InputError(
            f"{server.name} has no list of studies (404): correct `url:`, which has to be the "
            "DICOMweb root of the server, such as https://pacs.example.org/dicom-web"
        ) from None
    found: set[Instance] = set()
    vanished, progress = 0, Progress(len(studies), "studies listed")
    everything = of_series == of_instance == [{}]

    def one(study: str) -> list[Instance]:
        try:
            return list(_of_study(server, study, of_series, of_instance))
        except Gone:
            return []

    with ThreadPoolExecutor(options["connections"]) as pool:
        for instances in pool.map(one, studies):
            vanished += everything and not instances
            found.update(instances)
            progress.advance()
    if vanished:
        logger.warning(
            "%d of %d studies went away from %s while they were listed, and are left out",
            vanished, len(studies), server.name,
        )  # fmt: skip
    if not found:
        raise InputError(
            f"`query:` matches nothing of {server.name} ({len(studies)} studies, no image): correct "
            "it; what was fetched before is kept"
        )
    logger.info("%d studies of %s match", len({each.study for each in found}), server.name)
    return sorted(found)


def _of_study(
    server: Server,
    study: str,
    of_series: Sequence[Mapping[str, str]],
    of_instance: Sequence[Mapping[str, str]],
) -> Iterator[Instance]:
    """The instances of a study. Series are listed only where the query is about them."""
    within = {"study_instance_uid": study}
    wanted = ["SOPInstanceUID", "SeriesInstanceUID"]
    places = [within]
    if list(of_series) != [{}]:
        series = {
            uid
            for keys in of_series
            for uid, *_ in server.search(within, keys, ["SeriesInstanceUID"])
        }
        places = [within | {"series_instance_uid": uid} for uid in sorted(series)]
    for place in places:
        for keys in of_instance:
            for sop, series_uid in server.search(place, keys, wanted):
                yield Instance(study, place.get("series_instance_uid") or series_uid, sop)


def _fetched(server: Server, images: Path, each: Instance) -> tuple[Instance, Undelivered | None]:
    """Fetch an instance into its file; the reason where it cannot be had."""
    try:
        content = server.instance(*each)
        path = images / each.file
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_full_disk(path, len(content))
        with atomic_write(path, verify=lambda part: _verify(part, each.sop)) as part:
            with writable(part) as file:
                file.write(content)
            # A file that appears as a whole does not change again: its date must not leave that
            # open, or its header would be read once more by the next run.
            settled = time.time() - SETTLED - 1
            os.utime(part, (settled, settled))
    except Undelivered as error:
        return each, error
    return each, None


def _verify(path: Path, sop: str) -> None:
    """Raise :class:`Undelivered` where a file is not the instance that was asked for."""
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
        found = str(header.get("SOPInstanceUID", ""))
    except Exception:  # pydicom raises whatever it does on damaged files
        raise Undelivered("no DICOM file") from None
    if found != sop:
        raise Undelivered("another instance than the one that was asked for")


def _refuse_many(
    server: Server,
    reasons: Mapping[Instance, str],
    allowed: float,
    count: int,
    max_rejected: float,
) -> None:
    if len(reasons) > allowed:
        counts = Counter(reasons.values()).most_common(3)
        words = ", ".join(f"{reason}: {number}" for reason, number in counts)
        raise InputError(
            f"{server.name} did not deliver {len(reasons)} of {count} instances ({words}), more than "
            f"`max_rejected: {max_rejected:g}` allows: run again, or raise it; what was fetched is "
            "kept"
        )


def _delete_others(images: Path, files: Collection[str]) -> int:
    """Delete the instances below a folder that are none of ``files``, and folders that are empty
    then.
    """
    deleted = 0
    for path in sorted(images.rglob("*.dcm"), reverse=True):
        if path.relative_to(images).as_posix() not in files:
            path.unlink()
            deleted += not path.name.startswith(".")
    for folder in sorted(images.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return deleted


def _write(wanted: Sequence[Instance], reasons: Mapping[Instance, str], dataset: str) -> None:
    with (
        atomic_write(layout.DICOMWEB_INSTANCES.format(dataset=dataset)) as part,
        open(part, "w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        for each in wanted:
            reason = reasons.get(each, "")
            writer.writerow([*each, "" if reason else each.file, reason])
