"""Child processes of the server, one per model, started on demand and kept."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.core.logs import logger

KEPT = 4
"""How many encoders stay loaded; the one that was not asked for longest ends first."""


class WorkerProcess:
    """One child; asked by one thread at a time."""

    def __init__(self, settings: Mapping):
        """``settings`` are those of :class:`radcbir.app.worker.Worker`, but for the folder, which
        is the child's own.
        """
        self.settings, self.lock = dict(settings), threading.Lock()
        self.process: subprocess.Popen | None = None
        self.folder = self.connection = self.described = None

    def ask(self, task: str, *arguments):
        """What the child answers. Raises :class:`InputError` for what the user can mend, or where
        it ended.
        """
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self._start()
            return self._exchange(task, *arguments)

    def describe(self) -> dict:
        """What the child said of itself when it started."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self._start()
            return self.described

    def close(self) -> None:
        """End the child and remove what it may have left."""
        if self.connection is not None:
            self.connection.close()
        if self.process is not None:
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.process = self.connection = self.folder = None

    def _start(self) -> None:
        self.close()
        self.folder = tempfile.mkdtemp(prefix="radcbir-app-")
        self.connection, theirs = multiprocessing.Pipe()
        library = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (library, os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "radcbir.app.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": path},
        )
        theirs.close()
        try:
            self.described = self._exchange("start", {**self.settings, "folder": self.folder})
        except InputError:
            self.close()
            raise

    def _exchange(self, task: str, *arguments):
        try:
            self.connection.send((task, arguments))
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            self.close()
            raise InputError(
                "the process that reads and embeds images ended in the middle (a damaged file, or "
                "too little memory): try "
                "again, or take another image"
            ) from None
        if kind == "error":
            raise InputError(value)
        if kind == "defect":
            logger.error("a worker failed:\n%s", value)
            raise RuntimeError("a worker failed; see the log")
        return value


class Workers:
    """The children by name, at most :data:`KEPT` of them."""

    def __init__(self) -> None:
        self.children: OrderedDict[str, WorkerProcess] = OrderedDict()
        self.lock = threading.Lock()

    def of(self, name: str, settings: Mapping) -> WorkerProcess:
        """The child of that name, made where there is none yet."""
        with self.lock:
            child = self.children.pop(name, None) or WorkerProcess(settings)
            self.children[name] = child
            for other in list(self.children)[:-1]:
                if len(self.children) > KEPT and self.children[other].lock.acquire(blocking=False):
                    idle = self.children.pop(other)
                    idle.close()
                    idle.lock.release()
            return child

    def close(self) -> None:
        """End all children."""
        with self.lock:
            for child in self.children.values():
                child.close()
            self.children.clear()
