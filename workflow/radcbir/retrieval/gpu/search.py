"""The exact search's way to a GPU: a child process that proposes candidates.

The child holds torch, this process holds FAISS. Their OpenMP runtimes clash in one process. Arrays
pass through memory that both processes map; it has no name and goes with them.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from radcbir.core.errors import InputError
from radcbir.core.logs import logger

HALF_BYTES = 64 << 20
"""The shared memory has two halves of this size. Vectors of the index pass through both in turn;
queries are in the first and what is found is in the second."""

AUTO_PRODUCTS = 5e11
"""With ``auto``, so many multiplications are left to FAISS before a GPU is looked for. FAISS does
them in 2 to 4 seconds on two cores. Starting torch takes longer."""

ANSWER_SECONDS = 600
"""How long the child may take for one answer. Then it is ended, and FAISS goes on."""

DEVICES = Path("/dev")

START_SECONDS = 120
"""How long ``auto`` waits for a GPU that other jobs use, or for torch. ``cuda`` waits on, and says
so."""

_current: GpuSearch | None = None


@contextlib.contextmanager
def search_device(name: str) -> Iterator[None]:
    """All exact searches of the block take their candidates from this device.

    ``cpu`` is FAISS. ``cuda`` is a GPU; :class:`InputError` is raised at the first search where
    there is none. ``auto`` is a GPU if there is one and the searches are large, otherwise FAISS.
    Neighbors and scores are the same on all of them.
    """
    global _current
    before, _current = _current, None if name == "cpu" else GpuSearch(name)
    try:
        yield
    finally:
        if _current is not None:
            _current.close()
        _current = before


def current() -> GpuSearch | None:
    """The search by a GPU, where one is asked for."""
    return _current


class GpuSearch:
    """A child process (:mod:`radcbir.retrieval.gpu.worker`) and what it has loaded.

    The child is started by the first search. If it fails later, a warning says so, and FAISS does
    the rest.
    """

    def __init__(self, device: str, block: int = 0, rows: int = 0):
        """``device`` is ``cuda`` or ``auto``; tests give ``torch-cpu``.

        ``block`` and ``rows`` are the most index vectors in a product and on the device; 0 leaves
        it to the child.
        """
        self.device, self.block, self.rows = device, block, rows
        self.process: subprocess.Popen | None = None
        self.ended = False
        """Whether the child has failed, or cannot start."""
        self.products = 0.0
        """How many multiplications were asked for."""
        self.name = ""
        """What the child computes on, once it has started."""
        self.loaded: tuple[int, int, int] | None = None
        """Which vectors the child has: their search, the position of the first, and how many."""

    def takes(self, products: float) -> bool:
        """Whether the child is to do a search of so many multiplications; it is started if so."""
        self.products += products
        if self.device == "auto" and self.products < AUTO_PRODUCTS:
            return False
        if self.process is None and not self.ended:
            self._start()
        return not self.ended

    def load(self, search: int, first: int, vectors: np.ndarray) -> int:
        """Load the first of some vectors ``(n, d)``, as many as the device has memory for, and
        return how many those are; 0 where the child failed.

        ``search`` and ``first`` identify the vectors: what is loaded already is not loaded again.
        """
        if self.loaded is not None and self.loaded[:2] == (search, first):
            return self.loaded[2]
        self.loaded = None
        rows = self._ask("begin", *vectors.shape)
        at_once = HALF_BYTES // vectors[0].nbytes if rows else 0
        if not rows or not at_once:
            return 0
        for number, start in enumerate(range(0, rows, at_once)):
            part = vectors[start : min(start + at_once, rows)]
            self._half(number % 2, part.shape, np.float32)[:] = part
            # The child copies this half while the next part is written to the other one.
            if number and not self._answer():
                return 0
            if not self._send("take", number % 2, start, len(part)):
                return 0
        if not self._answer():
            return 0
        self.loaded = (search, first, rows)
        return rows

    def nearest(self, queries: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The ``depth`` vectors nearest to each query ``(q, d)`` among those loaded, in no order:
        places ``(q, depth)`` int64, and ``(q,)`` float32, a score that none of the others exceeds
        but by rounding.

        None where the child failed, or the lists are too long for the shared memory.
        """
        most = min(HALF_BYTES // max(1, queries[0].nbytes), HALF_BYTES // (4 * depth + 4))
        if not most:
            return None
        places = np.empty((len(queries), depth), dtype=np.int64)
        missed = np.empty(len(queries), dtype=np.float32)
        for start in range(0, len(queries), most):
            part = queries[start : start + most]
            self._half(0, part.shape, np.float32)[:] = part
            if not self._ask("nearest", len(part), depth):
                return None
            places[start : start + most] = self._half(1, (len(part), depth), np.int32)
            missed[start : start + most] = self._half(
                1, (len(part),), np.float32, 4 * len(part) * depth
            )
        return places, missed

    def close(self) -> None:
        """End the child."""
        self.ended, self.loaded = True, None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.connection.close()
            self.process = None

    def _start(self) -> None:
        reason = self._reason_against()
        if not reason:
            logger.info("candidates are found on %s", self.name)
            return
        self.close()
        if self.device == "cuda":
            raise InputError(
                f"`search: {{device: cuda}}` is configured, but no GPU can be used ({reason}): use "
                "`search: {device: cpu}` or mend the driver"
            )
        logger.info("candidates are found without a GPU: %s", reason)

    def _reason_against(self) -> str:
        """Start the child: why it cannot work, or an empty text."""
        if self.device == "auto" and not has_gpu():
            return "this machine has none"
        if not hasattr(os, "memfd_create"):
            return "it needs Linux"
        self._spawn()
        while self.device == "cuda" and not self._heard(START_SECONDS):
            logger.info("waiting for a GPU: torch is loading, or other jobs use all that there are")
        kind, value = self._received(START_SECONDS)
        if kind != "ok":
            return str(value)
        self.name = value
        return ""

    def _spawn(self) -> None:
        memory = os.memfd_create("radcbir-search")
        os.ftruncate(memory, 2 * HALF_BYTES)
        self.memory = mmap.mmap(memory, 2 * HALF_BYTES)
        self.connection, theirs = multiprocessing.Pipe()
        library = str(Path(__file__).parents[3])
        path = os.pathsep.join(filter(None, (library, os.environ.get("PYTHONPATH"))))
        numbers = [theirs.fileno(), memory, os.getpid()]
        command = [sys.executable, "-P", "-m", "radcbir.retrieval.gpu.worker", *map(str, numbers)]
        self.process = subprocess.Popen(
            command,
            pass_fds=numbers[:2],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path, "NVIDIA_TF32_OVERRIDE": "0"},
        )
        theirs.close()
        os.close(memory)
        self.connection.send(("start", self.device, self.block, self.rows))

    def _half(self, number: int, shape: tuple[int, ...], kind: type, skip: int = 0) -> np.ndarray:
        """An array at the beginning of a half of the shared memory, ``skip`` bytes further on."""
        count = int(np.prod(shape))
        return np.frombuffer(self.memory, kind, count, number * HALF_BYTES + skip).reshape(shape)

    def _ask(self, task: str, *numbers: int) -> int:
        return self._answer() if self._send(task, *numbers) else 0

    def _send(self, task: str, *numbers: int) -> bool:
        if self.process is None:
            return False
        try:
            self.connection.send((task, *numbers))
        except OSError:
            return self._fail("it has ended")
        return True

    def _answer(self) -> int:
        """The number that the child answers, above 0; 0 where it failed, which is logged."""
        kind, value = self._received(ANSWER_SECONDS)
        return value if kind == "ok" else self._fail(value)

    def _heard(self, seconds: float) -> bool:
        """Whether the child answers, or ends, in time."""
        try:
            return self.connection.poll(seconds)
        except OSError:
            return True

    def _received(self, seconds: float) -> tuple:
        try:
            if not self._heard(seconds):
                return "failed", f"it has not answered for {seconds} s"
            return self.connection.recv()
        except (EOFError, OSError):
            return "failed", "its process has ended"

    def _fail(self, reason: str) -> bool:
        self.close()
        logger.warning(
            "the search on the GPU failed (%s): it goes on with FAISS on the CPU, with the same "
            "result",
            reason,
        )
        return False


def has_gpu() -> bool:
    """Whether a GPU of this machine is visible, without torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return False
    names = ("nvidia[0-9]*", "kfd", "dxg")
    return any(path for name in names for path in DEVICES.glob(name))
