"""Files that their owner alone may read: keys, names of patients, locks.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from radcbir.core import layout
from radcbir.core.errors import InputError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Rights of the group and of all other users."""


def check_own_secret(path: str | Path, key: str) -> None:
    """Raise :class:`InputError` where other users may read or change the file that ``key`` of the
    configuration names.
    """
    mode = Path(path).stat().st_mode
    if mode & OTHERS:
        raise InputError(
            f"{key} names {path}, which other users may read or change (its mode is "
            f"{stat.S_IMODE(mode):04o}): take their rights away with `chmod 600 {path}`"
        )


@contextlib.contextmanager
def private_output(path: str | Path) -> Iterator[None]:
    """What the block writes is for its owner alone (files 0600, folders 0700), if ``path`` is below
    ``private/``; else nothing changes.

    The folders from ``private/`` down to that of ``path``, and files that an earlier run left in
    it, lose the rights of others too.
    """
    folder = Path(path).parent
    if not folder.is_relative_to(layout.PRIVATE):
        yield
        return
    before = os.umask(OTHERS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folders = [each for each in folder.parents if each.is_relative_to(layout.PRIVATE)]
        for each in [*folders, folder, *folder.iterdir()]:
            if not each.is_symlink():
                each.chmod(stat.S_IMODE(each.stat().st_mode) & ~OTHERS)
        yield
    finally:
        os.umask(before)


def own_folder(path: str | Path) -> Path:
    """A folder that this user alone may enter, made where it is missing.

    Raises :class:`InputError` where it cannot be made, or belongs to another user.
    """
    path = Path(path)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid == os.getuid():
            path.chmod(0o700)
            return path
        reason = "it belongs to another user"
    except OSError as error:
        reason = error.strerror or str(error)
    raise InputError(
        f"the folder {path} cannot be used for locks ({reason}): set XDG_RUNTIME_DIR to a folder "
        "that you alone can enter"
    )


def runtime_folder() -> Path:
    """Where this user's processes of this machine keep what they share while they run.

    XDG_RUNTIME_DIR, or where that is not set what systemd makes for each user; where neither is
    there, or others may enter it, a folder of this machine in the user's cache.
    """
    for each in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"):
        if each and _is_own(Path(each)):
            return Path(each)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "radcbir", socket.gethostname())


def _is_own(folder: Path) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    own = status.st_uid == os.getuid() and not status.st_mode & OTHERS
    return stat.S_ISDIR(status.st_mode) and own
