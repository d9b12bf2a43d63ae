"""A file as readers are given it, and what a reader is."""

import io
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from radcbir.images.limits import LIMITS, Limits
from radcbir.images.raster import Raster, UnreadableImage

HEAD = 64 * 1024
"""So many bytes of a file decide what kind of file it is."""


class Source:
    """An open file: its first bytes, its size, and its content as a stream. A context manager."""

    def __init__(self, path: str, limits: Limits = LIMITS, name: str | None = None):
        """``name`` is that of the file, where the path has another.

        Raises :class:`OSError`, and :class:`UnreadableImage` where the file is empty or none.
        """
        self.path, self.name = path, name or path
        # A named pipe would wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImage("not a file")
            if not status.st_size:
                raise UnreadableImage("zero bytes")
            self.size, self.modified = status.st_size, status.st_mtime_ns
            self.head = os.pread(descriptor, HEAD, 0)
            self._file = os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
        self._at_once = limits.at_once

    def stream(self) -> BinaryIO:
        """The content from its start, read already where the file is not large."""
        if self.size <= len(self.head):
            return io.BytesIO(self.head)
        self._file.seek(0)
        if self.size > self._at_once:
            return self._file
        return io.BytesIO(self._file.read())

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


@dataclass(frozen=True)
class Reader:
    """A family of image formats. Each module of :mod:`radcbir.images.formats` has one, ``READER``.

    Its functions raise :class:`UnreadableImage`, or whatever a library raises on damaged files.
    """

    name: str
    version: int
    """Raise it when pixels change: whatever was made from them is then made again."""
    suffixes: tuple[str, ...]
    """Names of files end so, in lower case."""
    sniff: Callable[[bytes], bool]
    """The first bytes of a file (:data:`HEAD`) -> whether it is of this family."""
    read: Callable[[Source, Mapping[str, int], Limits], Raster]
    """One image of a file; the mapping is what its address selects (``{"frame": 3}``)."""
    parts: Callable[[Source, Limits], dict[str, int]]
    """How many images a file holds, from its header: see :func:`radcbir.images.reader.parts`."""
