"""Downloads that go on where they broke off."""

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from radcbir.core.logs import Progress, logger

BLOCK = 1 << 20

TIMEOUT = 60.0


class Unreachable(Exception):
    """The source did not give the file; the message says why in a few words."""


def download(url: str, part: Path, tries: int = 1, pause: float = 2.0) -> Path:
    """Download to ``part``, going on where an earlier attempt broke off.

    A connection that breaks is taken up again, ``pause`` seconds later, until ``tries`` attempts in
    a row brought nothing. Raises :class:`Unreachable` then; what has come so far stays in ``part``
    for the next run.
    """
    failures = 0
    while True:
        before = _size(part)
        try:
            return _attempt(url, part)
        except _BrokenOff as error:
            failures = failures + 1 if _size(part) <= before else 1
            if failures >= tries:
                raise Unreachable(str(error)) from None
            logger.warning("%s; going on", error)
            time.sleep(pause)


def read(url: str, limit: int = 16 << 20) -> bytes:
    """The content of a small file at an address. Raises :class:`Unreachable`."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            return response.read(limit)
    except urllib.error.HTTPError as error:
        raise Unreachable(f"{url} answered {error.code} {error.reason}") from None
    except OSError as error:
        raise Unreachable(f"{url}: {getattr(error, 'reason', error)}") from None


class _BrokenOff(Exception):
    """The connection ended too early, or there was none."""


def _attempt(url: str, part: Path) -> Path:
    part.parent.mkdir(parents=True, exist_ok=True)
    done = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            resumed = response.status == 206
            length = int(response.headers.get("Content-Length", 0)) + (done if resumed else 0)
            progress = Progress(length // BLOCK, "MiB")
            with open(part, "ab" if resumed else "wb") as file:
                while block := response.read(BLOCK):
                    file.write(block)
                    progress.advance()
        if _size(part) < length:
            raise _BrokenOff(
                f"{url} broke off after {_size(part)} of {length} bytes; the next try goes on there"
            )
    except urllib.error.HTTPError as error:
        if (
            error.code == 416
        ):  # the part is already whole, or longer than the file: let the digest decide
            return part
        if error.code >= 500:
            raise _BrokenOff(f"{url} answered {error.code} {error.reason}") from None
        raise Unreachable(f"{url} answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOff(f"{url}: {getattr(error, 'reason', error)}") from None
    return part


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
