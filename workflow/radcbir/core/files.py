"""Atomic writes and digests: a reader never sees half a file."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from radcbir.core.errors import InputError


@contextlib.contextmanager
def atomic_write(
    path: str | Path, verify: Callable[[Path], object] | None = None
) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that becomes ``path`` when the block ends without an
    error.

    The temporary file is in the same folder, so that the rename is atomic. It has the suffix of
    ``path``, because libraries choose a format by it. It is checked by ``verify`` (which raises if
    the file is wrong), flushed to disk, and renamed. After an error no file is left. Files that a
    killed process left are removed by the next write.
    """
    path = Path(path)
    temporary = _temporary_beside(path, path.stem, path.suffix)
    try:
        yield temporary
        if verify is not None:
            verify(temporary)
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that replaces ``path`` when the block ends without
    an error.
    """
    path = Path(path)
    temporary = _temporary_beside(path, path.name, "")
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_beside(path: Path, stem: str, suffix: str) -> Path:
    """The temporary name that this process uses for ``path``; what processes that were killed left
    is removed.

    No two processes write the same path at a time: a run is alone in its folder, and a path is the
    output of one job.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    abandoned = re.compile(rf"\.{re.escape(stem)}\.[0-9]+\.part{re.escape(suffix)}")
    for each in path.parent.glob(".*.part*"):
        if abandoned.fullmatch(each.name):
            if each.is_dir():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)
    return path.with_name(f".{stem}.{os.getpid()}.part{suffix}")


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


@contextlib.contextmanager
def writable(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file for writing; a disk that is full, or not ours, is an :class:`InputError`."""
    try:
        with open(path, mode) as file:
            yield file
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(
            f"{path} cannot be written ({error.strerror}): make room, or mend the permissions of "
            "the folder, and run again"
        ) from None


def refuse_full_disk(path: str | Path, count: int) -> None:
    """Raise :class:`InputError` where the disk of ``path`` has no room for ``count`` more bytes."""
    free = shutil.disk_usage(Path(path).parent).free
    if count > free:
        raise InputError(
            f"the disk of {path} has {free / 1e9:.1f} GB left, and {count / 1e9:.1f} GB are to "
            "come: make room and run again"
        )


def digest(content: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of ``content``: long enough to name a file by
    its content.
    """
    return hashlib.sha256(content).hexdigest()[:16]


def digest_of(value: object) -> str:
    """The digest of a JSON value, whatever the order of its keys."""
    return digest(
        json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    )


def is_file(path: str | Path) -> bool:
    """Whether there is a file. A name that no file can have is none, not an error."""
    with contextlib.suppress(OSError, ValueError):
        return Path(path).is_file()
    return False


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder. A name that no folder can have is none, not an error."""
    with contextlib.suppress(OSError, ValueError):
        return Path(path).is_dir()
    return False


def sha256_of_file(path: str | Path) -> str:
    """The full SHA-256 of a file, in hexadecimal, read in blocks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


SETTLED = 2.0
"""Seconds after which a file that changes again gets another time stamp on every file system."""


def content_digest(path: str | Path, cache: str | Path | None = None) -> str:
    """The SHA-256 of a file's content, read again only where the file is not the same as last time.

    ``cache`` is a JSON file of what was found before, one entry per path: the digest, and size,
    times and inode that the file had then. So a file with an older date, or one that was replaced by
    another of the same size, is read anew. What changed within the last :data:`SETTLED` seconds is
    not kept: it may change once more under the same time stamp. A cache that cannot be read or
    written is as good as none. Raises :class:`OSError` where the file cannot be read.
    """
    if cache is None:
        return sha256_of_file(path)
    key, cache = str(Path(path).absolute()), Path(cache)
    known = _known_digests(cache)
    status = Path(path).stat()
    state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
    entry = known.get(key)
    if isinstance(entry, list) and len(entry) == 2 and entry[0] == state:
        return str(entry[1])
    found = sha256_of_file(path)
    if time.time() - max(status.st_mtime, status.st_ctime) > SETTLED:
        kept = {each: value for each, value in known.items() if Path(each).exists()}
        with contextlib.suppress(OSError):  # another process may write it at the same time
            write_text(cache, json.dumps(kept | {key: [state, found]}, sort_keys=True) + "\n")
    return found


def _known_digests(cache: Path) -> dict:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def hold_lock(path: str | Path, mode: int = 0o644) -> bool:
    """Lock ``path`` for the life of this process; False where another process holds it.

    ``mode`` is that of the file where it is made.

    The operating system drops the lock when the process ends, however it ends: a killed run leaves
    nothing to unlock.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, mode)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    return True
