"""What a process of Linux may take, leaves behind, and ends with."""

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import sys
import threading
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4  # of linux/prctl.h


RUN = "RADCBIR_RUN"
"""Environment variable that names the run that a job belongs to: machine, Slurm job, process, and
when the process began."""


def limit(kind: int, most: int, grace: int = 0) -> None:
    """Set a limit of this process (``resource.RLIMIT_...``), unless it has a lower one, or its
    system none of the kind.

    With ``grace`` the limit first sends a signal. It is enforced so much later.
    """
    _, hard = resource.getrlimit(kind)
    last = most + grace if hard == resource.RLIM_INFINITY else min(most + grace, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (min(most, last), last))


def keep_no_traces() -> None:
    """What this process has in memory is never written to a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(PR_SET_DUMPABLE, 0)


def end_with(parent: int) -> None:
    """End this process when its parent ends, however that ends. Of a parent with several threads
    it is the thread that started this process.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()


def begin_child(parent: int) -> None:
    """Make this fork a process that signals end, and that ends with its ``parent``."""
    for stopped in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopped, signal.SIG_DFL)
    end_with(parent)


def begin_run() -> None:
    """Make this process the run that the jobs it starts belong to. It ends with the run that it is
    a job of itself.
    """
    end_with_run()
    os.environ[RUN] = _name(os.getpid()) or ""


def end_with_run() -> None:
    """End this process when the run that it belongs to has ended, however that ended.

    Snakemake ends its jobs unless it is killed with SIGKILL. Without this they would go on beside
    those of the next run.
    """
    run = _run()
    if run is None or run == os.getpid():
        return
    with contextlib.suppress(OSError):  # it has ended, or cannot be seen from here
        watched = os.pidfd_open(run)
        threading.Thread(target=_end_after, args=(watched,), daemon=True).start()


def _end_after(watched: int) -> None:
    select.select([watched], [], [])
    os.kill(os.getpid(), signal.SIGTERM)


def _run() -> int | None:
    """The process of the run, where it is at work on this machine, for this job of Slurm."""
    name = os.environ.get(RUN, "")
    if not name or not hasattr(os, "pidfd_open"):
        return None
    process = int(name.split()[-2])
    return process if _name(process) == name else None


def _name(process: int) -> str | None:
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    began = status.rpartition(")")[2].split()[19]
    job = os.environ.get("SLURM_JOB_ID", "none")
    return f"{socket.gethostname()} {job} {process} {began}"


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)
