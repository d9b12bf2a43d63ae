"""ZIP archives from outside: one member at a time, no larger than it may be."""

import contextlib
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from radcbir.core.errors import InputError
from radcbir.core.files import refuse_full_disk, writable

MOST_UNPACKED = 64 << 30
"""Bytes of the largest file that is unpacked, where nobody says how large it is."""

LEAST_BOUND, MOST_FOLD = 1 << 30, 200
"""A file with more bytes than the first number may be at most so many times its packed size."""

BLOCK, STEP = 1 << 20, 4096
"""Bytes that are unpacked at a time, and packed bytes where the unpacked ones are kept in memory."""

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)
"""What reading a damaged, encrypted or odd archive raises."""


@contextlib.contextmanager
def opened(archive: str | Path, where: str, remedy: str) -> Iterator[zipfile.ZipFile]:
    """The archive, open for reading. Raises :class:`InputError` where it is damaged, encrypted or
    of a kind that cannot be read: ``where`` names it, ``remedy`` says what to do.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            yield content
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{where} is damaged or of a kind that cannot be read ({reason}): {remedy}"
        ) from None


def copy_member(
    content: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    target: str | Path,
    where: str,
    largest: int | None = None,
) -> None:
    """Unpack one member of an archive that is open to a file, and check its sum.

    Raises :class:`InputError` where it is no regular file, encrypted, or would be larger than ``largest``
    bytes; where that is None, larger than :data:`MOST_UNPACKED`, or than :data:`LEAST_BOUND` and
    more than :data:`MOST_FOLD` times its packed size.
    """
    mode = member.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise InputError(
            f"{where} has a link or device as '{member.filename}': nothing was unpacked"
        )
    if member.flag_bits & 1:
        raise InputError(
            f"{where} has '{member.filename}' encrypted: unpack it by hand with its password"
        )
    bound = largest
    if bound is None:
        bound = min(MOST_UNPACKED, max(LEAST_BOUND, MOST_FOLD * member.compress_size))
    if member.file_size > bound:
        raise InputError(
            f"{where} has '{member.filename}', which unpacks from {member.compress_size:,} to "
            f"{member.file_size:,} bytes, more than the {bound:,} that are allowed: if this is what "
            "you want, unpack it by hand, or say `unpacked:` for an archive under `resources:`"
        )
    refuse_full_disk(target, member.file_size)
    bounded = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    with content.open(member) as source, writable(target) as copy:
        # No more than the member's size: zipfile stops there.
        while block := source.read(BLOCK if bounded else STEP):
            copy.write(block)


def parts_of(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """The folders and the name of a member."""
    return PurePosixPath(member.filename.replace("\\", "/")).parts
