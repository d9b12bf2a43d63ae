"""Log and progress of a script: the same lines in the rule's log file and on the terminal."""

import contextlib
import errno
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.core.machine.processes import end_with_run

logger = logging.getLogger("radcbir")


@contextlib.contextmanager
def script_log(path: str | Path, label: str = "") -> Iterator[None]:
    """Send what the block logs to ``path`` and to the terminal, where ``label`` tells parallel jobs
    apart. Where :data:`QUIET` is set, the terminal is left to the display of the run.

    An :class:`~radcbir.core.errors.InputError` ends the script with its one sentence; any other
    exception leaves its traceback in the log file too. The script ends with the run that started it.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(path, mode="w", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter(f"[{label}] %(message)s" if label else "%(message)s"))
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers = [file] if os.environ.get(QUIET) else [file, terminal]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").handlers = [file]
    try:
        _check_library()
        end_with_run()
        yield
    except InputError as error:
        logger.error("Error: %s", error)
        sys.exit(1)
    except Exception as error:
        if is_full(error):
            logger.error(
                "Error: no space is left on the disk%s: make room and run again; what was finished "
                "is kept",
                f" of {name}" if (name := getattr(error, "filename", None)) else "",
            )
            sys.exit(1)
        logger.exception("the script failed; this is a defect of the workflow, not of the input")
        sys.exit(1)
    finally:
        logging.getLogger("py.warnings").handlers = []
        logging.captureWarnings(False)
        logger.handlers, logger.propagate, level = before
        logger.setLevel(level)
        file.close()


def is_full(error: BaseException) -> bool:
    """Whether a disk or a quota is full: HDF5 says so in words, without the system's number."""
    if not isinstance(error, OSError):
        return False
    said = str(error)
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or any(
        os.strerror(each) in said for each in (errno.ENOSPC, errno.EDQUOT)
    )


QUIET = "RADCBIR_QUIET_SCRIPTS"
"""Environment variable that the logger plugin sets: scripts write to their log files only."""

LIBRARY = "RADCBIR_LIBRARY"
"""Environment variable with the folder of the library that scripts have to use."""


def expect_this_library() -> None:
    """Let scripts that this process starts refuse any other radcbir than this one."""
    os.environ[LIBRARY] = str(Path(__file__).resolve().parents[1])


def _check_library() -> None:
    """Raise :class:`InputError` where this library is another than the one of the workflow."""
    found = str(Path(__file__).resolve().parents[1])
    if os.environ.get(LIBRARY, found) != found:
        raise InputError(
            f"the environment of this rule has another radcbir, {found}, than the workflow, "
            f"{os.environ[LIBRARY]}: uninstall it there (`pip uninstall radcbir`)"
        )


class Progress:
    """Log how far a long loop has come, at most every ``every`` seconds: count, rate, and time
    left.
    """

    def __init__(self, total: int, unit: str, every: float = 5.0):
        """``total`` things called ``unit`` (a plural) are to be done."""
        self.total, self.unit, self.every = total, unit, every
        self.done, self.start = 0, time.monotonic()
        self.last = self.start

    def advance(self, count: int = 1) -> None:
        """``count`` more are done."""
        self.done += count
        now = time.monotonic()
        if now - self.last >= self.every or (self.done >= self.total and self.last > self.start):
            self.last = now
            rate = self.done / max(now - self.start, 1e-9)
            left = (self.total - self.done) / max(rate, 1e-9)
            logger.info(
                "%d of %d %s, %.1f/s, %.0f s left", self.done, self.total, self.unit, rate, left
            )
