"""Published archives: fetched once, checked, and only the files that are wanted unpacked."""

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_write
from radcbir.core.logs import logger
from radcbir.core.text.addresses import shown
from radcbir.fetch.download import LIMIT, TooLarge, Unreachable, download, read
from radcbir.fetch.zips import copy_member, opened, parts_of

TRIES = 5
"""A download is given up after so many attempts in a row that brought nothing."""


def fetch_archive(
    name: str,
    archive: Mapping,
    record: str | None,
    target: str | Path,
    tries: int = TRIES,
    pause: float = 2.0,
    offline: bool = False,
) -> None:
    """Fetch an archive to ``target``, which appears once size and checksum are right.

    ``archive`` may say ``url``, ``checksum`` (``md5:...`` or ``sha256:...``) and ``size``; what it
    does not say comes from the ``record``: the address of a JSON with ``files: [{key, size,
    checksum, links: {self}}]``, as Zenodo's API gives it.

    Raises :class:`InputError` where the archive cannot be fetched, or must not, being ``offline``
    (what has come so far is kept, and the message says where to put the file by hand), is not in
    the record, has no checksum, or has another one (then nothing is kept).
    """
    target = Path(target)
    part = target.with_name(f".{target.name}.part")
    try:
        if offline:
            raise Unreachable("`offline: true` is set")
        known = {key: archive[key] for key in ("url", "checksum", "size") if key in archive}
        if record and not {"url", "checksum"} <= set(known):
            known = _from_record(name, record) | known
        for key in ("url", "checksum"):
            if key not in known:
                raise InputError(
                    f"nothing says the {key} of the archive '{name}': add `{key}:` to it under "
                    "`resources:`, or the `record:` "
                    "that lists it"
                )
        download(known["url"], part, tries, pause, known.get("size", LIMIT))
    except TooLarge as error:
        expected = f" instead of {known['size']}" if "size" in known else ""
        more = "" if expected else f", more than the {LIMIT:,} that are taken without a `size:`"
        raise InputError(
            f"the archive '{name}' from {shown(known['url'])} has {error}{expected}{more}: correct "
            "`size:` of it under `resources:` if it is the one you want"
        ) from None
    except Unreachable as error:
        raise InputError(
            f"the archive '{name}' cannot be fetched ({error}): run again with network, or put the "
            f"file at {target} by hand"
        ) from None
    wrong = _mistake(part, known)
    if wrong:
        part.unlink()
        raise InputError(
            f"the archive '{name}' from {shown(known['url'])} {wrong}: run again to fetch it anew, or "
            "correct the entry under "
            "`resources:` if it is the one you want"
        )
    with atomic_write(target) as whole:
        shutil.move(part, whole)
    logger.info("%s: %.1f MB, %s", target, target.stat().st_size / 1e6, known["checksum"])


CHECKSUM = re.compile(
    r"md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
)


def _from_record(name: str, record: str) -> dict:
    """Address, size and checksum of an archive, as the record says."""
    where = f"the record {shown(record)}"
    try:
        files = {file["key"]: file for file in json.loads(read(record))["files"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{where} is not a JSON with `files:` ({type(error).__name__}: {str(error)[:120]}): "
            f"correct `record:`, or give `url:` and `checksum:` of '{name}' under `resources:`"
        ) from None
    if name not in files:
        listed = ", ".join(sorted(map(str, files))[:20])
        raise InputError(
            f"{where} lists no file '{name}', but {listed or 'none at all'}: correct the name of "
            "the archive under `resources:`"
        )
    file = files[name]
    links = file.get("links")
    links = links if isinstance(links, Mapping) else {}
    url = links.get("self") or links.get("content") or f"{record.rstrip('/')}/files/{name}/content"
    found = {"url": url} | {key: file[key] for key in ("size", "checksum") if key in file}
    is_size = isinstance(found.get("size", 0), int) and not isinstance(found.get("size"), bool)
    local = record.startswith("file:")
    is_url = isinstance(url, str) and url.startswith(("http://", "https://", *["file:"] * local))
    checksum = found.get("checksum", "")
    is_sum = isinstance(checksum, str) and (not checksum or CHECKSUM.fullmatch(checksum.lower()))
    odd = [
        key for key, fine in (("size", is_size), ("url", is_url), ("checksum", is_sum)) if not fine
    ]
    if odd:
        raise InputError(
            f"{where} gives the {odd[0]} of '{name}' as {str(found[odd[0]])[:80]!r}, which is "
            f"none: give `{odd[0]}:` of it under `resources:`"
        )
    return {key: value for key, value in found.items() if value != ""}


def _mistake(path: Path, known: Mapping) -> str:
    """What is wrong with a download; "" where nothing is."""
    size = path.stat().st_size
    if size != known.get("size", size):
        return f"has {size} bytes instead of {known['size']}"
    algorithm, _, expected = known["checksum"].partition(":")
    with open(path, "rb") as file:
        found = hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()
    return (
        ""
        if found == expected.lower()
        else f"has the checksum {algorithm}:{found} instead of {known['checksum']}"
    )


def unpack(
    archive: str | Path, wanted: str, target: str | Path, largest: int | None = None
) -> None:
    """Unpack one file of a ZIP archive to ``target``, atomically; nothing else is written anywhere.

    ``wanted`` is the file's path; where the archive has it below another folder, or without the
    leading ones, the one file whose path ends alike is taken. ``largest`` is how many bytes it may
    have, by default what :func:`radcbir.fetch.zips.copy_member` allows.

    Raises :class:`InputError` where there is no such file or more than one, its path would leave
    the folder, it is no regular file or too large, or the archive is damaged or encrypted.
    """
    where = f"the archive {archive}"
    with opened(archive, where, "delete it and run again to fetch it anew") as content:
        members = [each for each in content.infolist() if not each.is_dir()]
        member = find_member(members, wanted, archive)
        with atomic_write(target) as part:
            copy_member(content, member, part, where, largest)
    logger.info("%s: %s, %.1f MB", archive, member.filename, member.file_size / 1e6)


def find_member(
    members: list[zipfile.ZipInfo], wanted: str, archive: str | Path
) -> zipfile.ZipInfo:
    """The member that is meant by ``wanted``: of those that share its last parts, the one that
    shares most of them.
    """
    parts = PurePosixPath(wanted).parts
    shared = [_shared(parts, parts_of(member)) for member in members]
    most = max(shared, default=0)
    found = (
        [member for member, count in zip(members, shared, strict=True) if count == most]
        if most
        else []
    )
    if not found:
        near = sorted(
            member.filename
            for member in members
            if PurePosixPath(member.filename).suffix == PurePosixPath(wanted).suffix
        )
        listed = ", ".join(near[:8]) + (" ..." if len(near) > 8 else "")
        raise InputError(
            f"the archive {archive} has no file '{wanted}', but "
            f"{listed or f'{len(members)} others'}: correct `files:` under "
            "`resources:`"
        )
    if len(found) > 1:
        raise InputError(
            f"the archive {archive} has several files that '{wanted}' may mean "
            f"({', '.join(each.filename for each in found[:4])}): give more of the path under "
            "`files:`"
        )
    member = found[0]
    if (
        member.filename.startswith(("/", "\\"))
        or ".." in parts_of(member)
        or ":" in parts_of(member)[0]
    ):
        raise InputError(
            f"the archive {archive} has '{wanted}' as '{member.filename}', a path that leaves its "
            "folder: this is not what the "
            "publisher meant, so nothing was unpacked; fetch the archive from another place"
        )
    return member


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts two paths share at their ends."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count
