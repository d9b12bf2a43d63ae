"""One GPU for each job of a machine that has several. Does not use torch: the callers say how many
GPUs there are.
"""

import os
import time
from pathlib import Path

from radcbir.core.files import hold_lock
from radcbir.core.logs import logger
from radcbir.core.machine.privacy import own_folder, runtime_folder

LOCKS = runtime_folder()
"""The folder of the locks: the same for every job of this user on this machine, and closed to other
users."""


_held: dict[Path, int] = {}


def choose(device: str, count: int) -> str:
    """The device that a job is to use: `cuda` becomes `cuda:N`, a GPU of its own, where ``count`` >
    1 are visible.

    Any other device is the user's choice. A single GPU was given to the job by a scheduler, or is
    the only one.
    """
    return f"cuda:{own_gpu(count)}" if device == "cuda" and count > 1 else device


def own_gpu(count: int, pause: float = 1.0) -> int:
    """The number, below ``count``, of a visible GPU that this process locks until it ends.

    Waits, ``pause`` seconds at a time, while other processes of this user lock them all. A second
    call of a process returns the same GPU. GPUs are identified by their names in
    CUDA_VISIBLE_DEVICES, where that is set, so that runs that see different parts of the machine do
    not use the same GPU. The system drops a lock however its process ends.
    """
    folder = LOCKS / "radcbir-gpus"
    if folder not in _held:
        own_folder(folder)
        _held[folder] = _first_free([folder / f"{name}.lock" for name in _names(count)], pause)
        logger.info("GPU %d of %d", _held[folder] + 1, count)
    return _held[folder]


def _names(count: int) -> list[str]:
    """The machine's names of the visible GPUs."""
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return named if len(named) == count else [str(number) for number in range(count)]


def _first_free(locks: list[Path], pause: float) -> int:
    waiting = False
    while True:
        for number, lock in enumerate(locks):
            if hold_lock(lock, 0o600):
                return number
        if not waiting:
            logger.info("all %d GPUs are at work for other jobs: waiting for one", len(locks))
            waiting = True
        time.sleep(pause)
