"""Child processes of the server: a table of those that decode images, a table of those that embed.

A table never has more processes than it has places, however many requests come: a request without
a place waits for one. A child that is not used is ended when its place is needed for another.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.core.logs import logger

EMBEDDERS, DECODERS = 4, 2
"""Processes at most: each embedder has one model loaded, decoders are all alike."""

START_SECONDS, DECODE_SECONDS, EMBED_SECONDS = 300, 30, 120
"""How long a child may take to load, for a picture, and for a vector; then it is ended."""

WAIT_SECONDS = 120
"""How long a request waits for a place."""

ENDING = "the page is being ended in its terminal: start it again"


class Child:
    """One process and the pipe to it; used by one thread at a time."""

    def __init__(self, process: subprocess.Popen, connection):
        self.process, self.connection = process, connection
        self.described: dict = {}
        """What the child said of itself when it had started."""
        self.why_ended = (
            "the process that reads and embeds images ended in the middle (a damaged file, or too "
            "little memory): try again, or take another image"
        )

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def ask(self, seconds: float, task: str, *arguments):
        """What the child answers to a task.

        Raises :class:`InputError` for what the user can mend, and where the child ended or needed
        more than ``seconds``.
        """
        try:
            self.connection.send((task, arguments))
            if not self.connection.poll(seconds):
                self.end()
                raise InputError(
                    f"this took longer than {seconds:g} seconds and was given up: take another "
                    "image, or a smaller one"
                )
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            self.end()
            raise InputError(self.why_ended) from None
        if kind == "error":
            raise InputError(value)
        if kind == "defect":
            logger.error("a child process failed:\n%s", value)
            raise RuntimeError("a child process failed; see the log")
        return value

    def end(self) -> None:
        """End the process and wait until it has ended. Nothing is left of it: it writes no file."""
        self.process.kill()
        self.process.wait()


class Place:
    """A place of a table: the child that has it, or none while one is started."""

    def __init__(self, key: str):
        self.key, self.busy = key, True
        self.child: Child | None = None


class Table:
    """Children by key, with so many places."""

    def __init__(self, places: int, of_one: int = 1):
        """``of_one`` is how many children of the same key there may be."""
        self.most, self.of_one = places, of_one
        self.places: list[Place] = []
        """The one that was used last comes last."""
        self.waiting: list[tuple[str, object]] = []
        self.changed, self.closed = threading.Condition(), False
        # A child ends with the thread that started it (PR_SET_PDEATHSIG), so one thread starts all.
        self.starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    @contextlib.contextmanager
    def lease(self, key: str, settings: Mapping) -> Iterator[Child]:
        """The child of that key, for this thread alone; started where there is none.

        ``settings`` are those of :mod:`radcbir.app.worker`. Raises :class:`InputError` where no
        place gets free in time, the child cannot start, or the table is closed.
        """
        place = self._place(key)
        try:
            if place.child is None or not place.child.alive():
                self._start(place, settings)
            assert place.child is not None
            yield place.child
        finally:
            with self.changed:
                place.busy = False
                self.places.remove(place)
                if place.child is not None and place.child.alive():
                    self.places.append(place)
                self.changed.notify_all()

    def close(self) -> None:
        """End all children; no other one is started from now on."""
        with self.changed:
            self.closed = True
            children = [each.child for each in self.places if each.child is not None]
            self.changed.notify_all()
        for child in children:
            child.why_ended = ENDING
            child.end()
        self.starter.shutdown()

    def _place(self, key: str) -> Place:
        """A place for this thread; the one that has waited longest of those that can be served
        comes first.
        """
        mine = (key, object())
        with self.changed:
            self.waiting.append(mine)
            try:
                ready = self.changed.wait_for(lambda: self.closed or self._turn(mine), WAIT_SECONDS)
            finally:
                self.waiting.remove(mine)
                self.changed.notify_all()
            if self.closed:
                raise InputError(ENDING)
            if not ready:
                raise InputError("too many questions are waiting for an answer: try again later")
            place = self._idle(lambda each: each.key == key)
            if place is not None:
                place.busy = True
                return place
            place = Place(key)
            if len(self.places) < self.most:
                self.places.append(place)
                return place
            other = self._idle(lambda each: True)
            # It is this thread's turn, so an idle place is there, and an idle one has a child.
            assert other is not None
            assert other.child is not None
            other.busy = True
        other.child.end()  # its place is taken over once it has ended
        with self.changed:
            self.places[self.places.index(other)] = place
        return place

    def _turn(self, mine: tuple[str, object]) -> bool:
        return mine is next((each for each in self.waiting if self._can_have(each[0])), None)

    def _can_have(self, key: str) -> bool:
        """Whether there is a place for a child of that key: an idle one of its own, a free one, or
        that of an idle child of another key.
        """
        if self._idle(lambda each: each.key == key):
            return True
        if sum(each.key == key for each in self.places) >= self.of_one:
            return False
        return len(self.places) < self.most or self._idle(lambda each: True) is not None

    def _idle(self, fits: Callable[[Place], bool]) -> Place | None:
        """The idle place that was used longest ago, of those that fit."""
        return next((each for each in self.places if not each.busy and fits(each)), None)

    def _start(self, place: Place, settings: Mapping) -> None:
        with self.changed:
            if self.closed:
                raise InputError(ENDING)
            place.child = self.starter.submit(_spawn).result()
        started = time.monotonic()
        try:
            place.child.described = place.child.ask(START_SECONDS, "start", dict(settings))
        except Exception:
            place.child.end()
            raise
        logger.info(
            "started a process for %s (%.1f s)",
            place.key or "pictures",
            time.monotonic() - started,
        )


def _spawn() -> Child:
    """A new process of :mod:`radcbir.app.worker`."""
    ours, theirs = multiprocessing.Pipe()
    library = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (library, os.environ.get("PYTHONPATH"))))
    command = [
        sys.executable,
        "-P",
        "-m",
        "radcbir.app.worker",
        str(theirs.fileno()),
        str(os.getpid()),
    ]
    process = subprocess.Popen(
        command,
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
    )
    theirs.close()
    return Child(process, ours)


class Workers:
    """The children of one server."""

    def __init__(self, pixels: int):
        """``pixels`` is how many an uploaded image may have."""
        self.pixels = pixels
        self.embedders = Table(EMBEDDERS)
        self.decoders = Table(DECODERS, of_one=DECODERS)

    def decode(self, task: str, *arguments):
        """What a decoder answers (:class:`radcbir.app.decoder.Decoder`). Raises
        :class:`InputError`.
        """
        with self.decoders.lease("", {"pixels": self.pixels}) as child:
            return child.ask(DECODE_SECONDS, task, *arguments)

    @contextlib.contextmanager
    def embedder(self, model: str, settings: Mapping) -> Iterator[Child]:
        """The child that has a model (:class:`radcbir.app.worker.Embedder`)."""
        with self.embedders.lease(model, {"model": model, **settings}) as child:
            yield child

    def close(self) -> None:
        """End all children; a request that waits for one gets a sentence instead."""
        self.embedders.close()
        self.decoders.close()
