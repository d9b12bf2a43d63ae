"""Downloads that go on where they broke off, and start anew where the file is another by now."""

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

from radcbir.core.files import digest, refuse_full_disk, writable, write_text
from radcbir.core.logs import Progress, logger
from radcbir.core.text.addresses import shown, without_secrets
from radcbir.fetch.addresses import request

BLOCK = 1 << 20

TIMEOUT = 60.0

LIMIT = 64 << 30
"""Bytes of the largest file that is taken where nobody says how large it is."""


class Unreachable(Exception):
    """The source did not give the file; the message says why in a few words."""


class TooLarge(Exception):
    """The file is larger than it may be; the message says how large."""


def download(
    url: str,
    part: Path,
    tries: int = 1,
    pause: float = 2.0,
    limit: int = LIMIT,
    checked: bool = True,
) -> Path:
    """Download to ``part``, going on where an earlier attempt broke off.

    What tells one version of the file from another (ETag or Last-Modified) is kept beside ``part``
    and sent along (If-Range, RFC 9110): a file that was replaced meanwhile is fetched from its
    start. Where the source tells no versions apart, an attempt goes on only if the result is
    ``checked`` against a known digest.

    A connection that breaks is taken up again, ``pause`` seconds later, until ``tries`` attempts in
    a row brought nothing. Raises :class:`Unreachable` then; what has come so far stays in ``part``
    for the next run. Raises :class:`TooLarge` beyond ``limit`` bytes, and :class:`InputError` where
    the disk is full.
    """
    failures = replaced = 0
    while True:
        before = _size(part)
        try:
            return _attempt(url, part, limit, checked)
        except _BrokenOff as error:
            failures = failures + 1 if _size(part) <= before else 1
            if failures >= tries:
                raise Unreachable(str(error)) from None
            logger.warning("%s; going on", error)
            time.sleep(pause)
        except _Replaced:
            replaced += 1
            if replaced > tries + 2:
                raise Unreachable(f"{shown(url)} changes while it is fetched") from None
            logger.warning("%s is another file by now: it is fetched from its start", shown(url))


def read(url: str, limit: int = 16 << 20) -> bytes:
    """The content of a small file at an address. Raises :class:`Unreachable`."""
    try:
        with urllib.request.urlopen(request(url, {}), timeout=TIMEOUT) as response:
            content = response.read(limit + 1)
            length = _length(response, url) or 0
    except urllib.error.HTTPError as error:
        raise Unreachable(_answered(url, error)) from None
    except (ValueError, http.client.InvalidURL):
        raise Unreachable(f"{shown(url)} is, or leads to, an address that is none") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(_failed(url, error)) from None
    if len(content) > limit:
        raise Unreachable(f"{shown(url)} is larger than {limit:,} bytes")
    if len(content) < length:
        raise Unreachable(f"{shown(url)} broke off after {len(content)} of {length} bytes")
    return content


class _BrokenOff(Exception):
    """The connection ended too early, or there was none."""


class _Replaced(Exception):
    """The source has another file than the one that was begun, of which nothing is left."""


def _attempt(url: str, part: Path, limit: int, checked: bool) -> Path:
    part.parent.mkdir(parents=True, exist_ok=True)
    note = part.with_name(f"{part.name}.json")
    begun = _begun(note, url)
    if not (begun or checked):
        part.unlink(missing_ok=True)
    done = _size(part)
    headers = {"Range": f"bytes={done}-"} if done else {}
    if done and begun:
        headers["If-Range"] = begun["etag"] or begun["modified"]
    try:
        with urllib.request.urlopen(request(url, headers), timeout=TIMEOUT) as response:
            resumed = response.status == 206
            length = _length(response, url)
            total = None if length is None else length + (done if resumed else 0)
            if resumed and not _goes_on(response, done, begun):
                _forget(part, note)
                raise _Replaced
            if not resumed:
                _forget(part, note)
                _note(note, url, response)
            _receive(response, part, "ab" if resumed else "wb", total, limit)
    except TooLarge:
        _forget(part, note)
        raise
    except urllib.error.HTTPError as error:
        return _without_the_rest(url, part, note, error, checked)
    except (ValueError, http.client.InvalidURL):
        raise Unreachable(f"{shown(url)} is, or leads to, an address that is none") from None
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOff(_failed(url, error)) from None
    if total is not None and _size(part) < total:
        raise _BrokenOff(
            f"{shown(url)} broke off after {_size(part)} of {total} bytes; the next try goes on "
            "there"
        )
    note.unlink(missing_ok=True)
    return part


def _receive(
    response: http.client.HTTPResponse, part: Path, mode: str, total: int | None, limit: int
) -> None:
    """Append the body to the file. Raises :class:`TooLarge`, and :class:`InputError` for a full
    disk.
    """
    if total is not None and total > limit:
        raise TooLarge(f"{total} bytes")
    size = _size(part) if mode == "ab" else 0
    refuse_full_disk(part, (total or 0) - size)
    progress = Progress((total or 0) // BLOCK, "MiB")
    with writable(part, mode) as file:
        while block := response.read(BLOCK):
            size += len(block)
            if size > limit:
                raise TooLarge(f"more than {limit} bytes")
            file.write(block)
            progress.advance()


def _without_the_rest(
    url: str, part: Path, note: Path, error: urllib.error.HTTPError, checked: bool
) -> Path:
    """What an answer that is an error means for what has come so far."""
    if error.code >= 500:
        raise _BrokenOff(_answered(url, error)) from None
    if error.code != 416:
        raise Unreachable(_answered(url, error)) from None
    # There is nothing beyond what has come: it is whole, or longer than the file.
    total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
    if (total and int(total[1]) == _size(part)) or (total is None and checked):
        note.unlink(missing_ok=True)
        return part
    _forget(part, note)
    raise _Replaced from None


def _goes_on(response: http.client.HTTPResponse, done: int, begun: dict | None) -> bool:
    """Whether a partial answer is the rest of what has come; not every server heeds If-Range."""
    given = response.headers.get("Content-Range")
    ranges = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", given or f"bytes {done}-{done}/*")
    if ranges is None or int(ranges[1]) != done:
        return False
    if not begun:
        return True
    same = [(begun["etag"], "ETag"), (begun["modified"], "Last-Modified")]
    if any(kept and response.headers.get(name, kept) != kept for kept, name in same):
        return False
    return begun["total"] is None or ranges[2] in ("*", str(begun["total"]))


def _note(note: Path, url: str, response: http.client.HTTPResponse) -> None:
    """Keep what tells this version of the file from another, where the source says so."""
    etag = response.headers.get("ETag") or ""
    etag = "" if etag.startswith("W/") else etag  # a weak one may be alike for two versions
    modified = response.headers.get("Last-Modified") or ""
    if etag or modified:
        kept = {"url": digest(url.encode()), "etag": etag, "modified": modified}
        write_text(note, json.dumps(kept | {"total": _length(response, url)}) + "\n")


def _begun(note: Path, url: str) -> dict | None:
    """What was noted of the file that was begun; None where nothing was, or of another address."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        known = kept["url"] == digest(url.encode()) and (kept["etag"] or kept["modified"])
        return kept if known and "total" in kept else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget(part: Path, note: Path) -> None:
    part.unlink(missing_ok=True)
    note.unlink(missing_ok=True)


def _length(response: http.client.HTTPResponse, url: str) -> int | None:
    given = response.headers.get("Content-Length")
    if given is None:
        return None
    if not re.fullmatch(r"\d{1,18}", given.strip()):
        raise Unreachable(f"{shown(url)} says that it has {given[:40]!r} bytes")
    return int(given)


def _answered(url: str, error: urllib.error.HTTPError) -> str:
    return f"{shown(url)} answered {error.code} {without_secrets(str(error.reason))[:120]}"


def _failed(url: str, error: Exception) -> str:
    return f"{shown(url)}: {without_secrets(str(getattr(error, 'reason', error)))[:200]}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
