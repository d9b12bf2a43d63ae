"""Decoding in a process of its own, for decoders that cannot be bounded from outside.

Some decoders end the whole process on damaged pixels, or take memory that no header announces. They
run in a child with limits. Children are kept and used again, one per thread that decodes, because
it takes long to start one. Other formats are decoded without a child.
"""

import multiprocessing
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from radcbir.core.machine.processes import keep_no_traces, limit
from radcbir.images.limits import Limits
from radcbir.images.raster import PassingError, UnreadableImage

BASE = 2 * 2**30
"""Address space of a child before it decodes anything."""

_idle: dict[int, list["_Child"]] = {}
"""Children that wait, of each process: a fork must not use those of its parent."""

_lock = threading.Lock()


def apart(function: Callable[..., Any], *arguments: object, limits: Limits) -> Any:
    """``function(*arguments)`` in a child process; what is sent has to be picklable.

    Raises :class:`UnreadableImage` where it raises anything, ends the process, or takes more memory
    or time than ``limits`` allow.
    """
    with _lock:
        waiting = _idle.setdefault(os.getpid(), [])
        child = waiting.pop() if waiting else None
    child = child or _Child()
    try:
        value = child.call(function, arguments, limits)
    except BaseException:
        if not child.usable:
            child.end()
        raise
    finally:
        if child.usable:
            with _lock:
                _idle[os.getpid()].append(child)
    return value


class _Child:
    """A child process that answers one call at a time."""

    def __init__(self) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        library = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (library, os.environ.get("PYTHONPATH"))))
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "radcbir.images.apart", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | threads | {"PYTHONPATH": path},
        )
        theirs.close()
        self.usable = True

    def call(self, function: Callable[..., Any], arguments: tuple, limits: Limits) -> Any:
        self.usable = False  # until it has answered
        try:
            self.connection.send((function, arguments, limits.memory))
            if not self.connection.poll(limits.seconds):
                raise UnreadableImage(f"too large: not decoded in {limits.seconds:g} s")
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            raise UnreadableImage("broken: its decoder crashed") from None
        self.usable = True
        if kind == "unreadable":
            raise UnreadableImage(value)
        if kind == "passing":
            raise PassingError(value)
        return value

    def end(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


def main(descriptor: int) -> None:
    """Answer calls that come through the pipe until its other end is closed."""
    connection = Connection(descriptor)
    keep_no_traces()
    while True:
        try:
            function, arguments, memory = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        limit(resource.RLIMIT_AS, memory + BASE)
        connection.send(_answer(function, arguments))


def _answer(function: Callable[..., Any], arguments: tuple) -> tuple[str, Any]:
    try:
        return "ok", function(*arguments)
    except PassingError as error:
        return "passing", str(error)
    except UnreadableImage as error:
        return "unreadable", str(error)
    except MemoryError:
        return "unreadable", "too large for the memory of one image"
    except Exception as error:  # decoders raise whatever they do
        return "unreadable", f"broken: {' '.join(str(error).split())}"[:120]


if __name__ == "__main__":
    main(int(sys.argv[1]))
