"""Decoding the images of a shard by processes.

Threads would wait for one another: for Python's lock with small images, for memory with large ones.
Each process decodes one part of the shard and writes it, so that no pixels pass between processes.
A library that crashes on a damaged image ends one process: the image is rejected, the rest of the
part is decoded again.
"""

import importlib
import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from radcbir.cards.loaders import loader_of
from radcbir.core.errors import InputError
from radcbir.core.logs import Progress, logger
from radcbir.core.machine.processes import begin_child
from radcbir.encoders import preprocessing
from radcbir.images import raster, reader
from radcbir.images.intensity import NO_HOUNSFIELD, is_original
from radcbir.pixels.part import Prepared, write_part
from radcbir.pixels.stored import StoredPixels

FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Preparation:
    """How an image file becomes pixels."""

    image_root: str | Path
    intensity: Mapping[str, Any]
    preprocess: Callable[[Image.Image], np.ndarray]

    def __call__(self, path: str) -> Prepared:
        """The pixels of the image at ``path`` below the image root, or the reason why not."""
        try:
            image = reader.read(reader.resolve(self.image_root, path), self.intensity)
            return self.preprocess(image)
        except raster.UnreadableImage as error:
            return error.reason


def check_units(
    rows: Sequence[tuple[int, str]],
    image_root: str | Path,
    intensity: Mapping[str, Any],
    model: str,
    dataset: str,
) -> None:
    """Raise :class:`InputError` where a network takes Hounsfield units and the first image that can
    be read has none. ``intensity`` is that of :func:`radcbir.images.intensity.policy_of`.
    """
    if not is_original(intensity):
        return
    for _, path in rows:
        try:
            reader.read(reader.resolve(image_root, path), intensity)
            return
        except raster.UnreadableImage as error:
            if error.reason.startswith(NO_HOUNSFIELD):
                raise InputError(
                    f"the model '{model}' takes Hounsfield units, and {path} of the dataset "
                    f"'{dataset}' has {error.reason}: give the dataset as DICOM or NIfTI, or leave "
                    "the model out of its experiments"
                ) from None


def preprocessor(card: Mapping[str, Any]) -> Callable[[Image.Image], np.ndarray]:
    """What makes the pixels of a card's network of an image: bytes or float32, shape (channels,
    height, width).

    It is what the encoder's own ``preprocess`` does, without the network.
    """
    given = card["preprocessing"]
    module: Any = preprocessing
    if given["resize"] == "library":
        module = importlib.import_module(loader_of(card).module)
    return partial(module.preprocessed, preprocessing=given)


def decode_missing(
    stored: StoredPixels, prepare: Preparation, processes: int, job: str = ""
) -> int:
    """Decode the parts that are not there, ``processes`` at a time, and return how many images
    those were.

    Jobs of several models may do so at the same time, each in an order of its own (by its name
    ``job``): what one has decoded the others skip. Memory is that of one part for each process.
    """
    stored.drop_doubtful()
    missing = stored.missing()
    random.Random(job).shuffle(missing)
    parts = deque(missing)
    progress = Progress(sum(len(stored.images(each)) for each in parts), "images decoded")
    decoded = 0
    working: dict[Connection, _Worker] = {}
    crashed: dict[int, dict[int, str]] = {}
    try:
        while parts or working:
            while parts and len(working) < max(1, processes):
                part = parts.popleft()
                if stored.path(part).is_file():
                    progress.advance(len(stored.images(part)))
                    continue
                worker = _Worker(stored, part, prepare, crashed.setdefault(part, {}))
                working[worker.result] = worker
            for result in multiprocessing.connection.wait(list(working), timeout=1):
                worker = working.pop(result)  # type: ignore[call-overload]
                if worker.finish():
                    decoded += len(stored.images(worker.part))
                else:
                    parts.appendleft(worker.part)
            progress.advance(sum(each.advanced() for each in working.values()))
    finally:
        for worker in working.values():
            worker.process.kill()
            worker.process.join()
    return decoded


@dataclass
class _Worker:
    """A process that decodes one part."""

    stored: StoredPixels
    part: int
    prepare: Preparation
    crashed: dict[int, str]
    """Image of the part -> why it is rejected, of those that ended a process before."""
    seen: int = 0
    result: Connection = field(init=False)
    process: BaseProcess = field(init=False)

    def __post_init__(self) -> None:
        self.result, theirs = FORK.Pipe(duplex=False)
        self.at: Any = FORK.Value("i", 0, lock=False)
        self.process = FORK.Process(target=self._run, args=(theirs, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()

    def advanced(self) -> int:
        """How many images further it is than at the last call."""
        before, self.seen = self.seen, self.at.value
        return self.seen - before

    def finish(self) -> bool:
        """Whether the part is written; if not, the image that ended the process is noted.

        What the process could not do for another reason is raised.
        """
        try:
            error = self.result.recv()
        except EOFError:
            error = None
        self.process.join()
        self.result.close()
        if isinstance(error, BaseException):
            raise error
        if error == "":
            return True
        images, place = self.stored.images(self.part), self.at.value
        if place >= len(images):
            raise InputError(
                f"a process that decodes images was ended from outside (exit code "
                f"{self.process.exitcode}): run again, with more memory if it was too little"
            )
        killed = self.process.exitcode == -signal.SIGKILL
        reason = "no memory left" + raster.AGAIN if killed else "broken: it crashes its decoder"
        self.crashed[place] = reason
        logger.warning("%s ended the process that decodes it: %s", images[place][1], reason)
        return False

    def _run(self, result: Connection, parent: int) -> None:
        begin_child(parent)
        try:
            prepared: list[Prepared] = []
            for place, (_, path) in enumerate(self.stored.images(self.part)):
                self.at.value = place
                prepared.append(self.crashed.get(place) or self.prepare(path))
            self.at.value = len(prepared)
            write_part(self.stored.path(self.part), prepared, self.stored.name_of(self.part))
        except BaseException as error:
            _send(error, result)
        else:
            result.send("")


def _send(error: BaseException, result: Connection) -> None:
    """Send an error, with its traceback as text where it is a defect: frames cannot be sent."""
    if not isinstance(error, (InputError, OSError)):
        error = RuntimeError(f"{error!r}\n{traceback.format_exc()}")
    error.__traceback__ = error.__context__ = error.__cause__ = None
    result.send(error)
