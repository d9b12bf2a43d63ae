"""Work on a file that may end, or never leave, the library that reads it: in a child process."""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

from radcbir.core.errors import InputError
from radcbir.core.machine.processes import begin_child, keep_no_traces, limit


def in_child(work: Callable[[], None], where: str, memory: int, seconds: int) -> None:
    """Do ``work`` in a fork of this process that may take ``memory`` bytes more than it has, and
    ``seconds`` of processor time.

    ``where`` names the file that is read. What ``work`` raises is raised here. Raises
    :class:`InputError` where the child ends in another way, or needs more than it may take: a
    damaged file is then the likeliest reason.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    sys.stdout.flush()
    child = context.Process(target=_run, args=(work, theirs, memory, seconds, os.getpid()))
    child.start()
    theirs.close()
    try:
        error = ours.recv()
    except EOFError:
        child.join()
        code = child.exitcode or 0
        reason = {
            -signal.SIGXCPU: f"takes more than {seconds} s of processor time",
            -signal.SIGKILL: "takes more time or memory than there is",
        }.get(code, f"ends the program that reads it (exit code {code})")
        raise InputError(f"{where} {reason}: it is damaged; fetch it again") from None
    finally:
        child.kill()
        child.join()
        ours.close()
    if isinstance(error, MemoryError):
        raise InputError(
            f"{where} needs more than {memory / 1e9:.0f} GB of memory, which its size does not "
            "explain: it is damaged; fetch it again"
        )
    if error is not None:
        raise error


def _run(
    work: Callable[[], None], result: Connection, memory: int, seconds: int, parent: int
) -> None:
    begin_child(parent)
    keep_no_traces()
    limit(resource.RLIMIT_CPU, seconds, grace=5)
    with contextlib.suppress(OSError):  # not on every system
        with open("/proc/self/statm", encoding="ascii") as handle:
            taken = int(handle.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit(resource.RLIMIT_AS, taken + memory)
    try:
        work()
    except BaseException as error:
        _send(error, result)
    else:
        result.send(None)


def _send(error: BaseException, result: Connection) -> None:
    """Send an error, with its traceback as text where it is a defect: frames cannot be sent."""
    if not isinstance(error, (InputError, MemoryError)):
        error.add_note(traceback.format_exc())
    error.__traceback__ = error.__context__ = error.__cause__ = None
    try:
        result.send(error)
    except Exception:
        result.send(RuntimeError("\n".join([repr(error), *error.__notes__])))
