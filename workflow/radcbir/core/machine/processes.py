"""What a process of Linux may take, leaves behind, and ends with."""

import contextlib
import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4  # of linux/prctl.h


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
    """End this process when its parent ends, however that ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)
