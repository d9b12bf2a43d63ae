"""Prepared images through an encoder, batch by batch: of a size that is found, and on a GPU with
the next batch on its way while one is computed.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.encoders import OutOfMemory, VectorsOf

IN_FLIGHT = 2
"""How many batches an encoder works on at a time: one is computed, one is copied to the device."""

GAIN = 1.03
"""How many times as many images per second a batch of twice the size has to bring."""

MEASURED = 4
"""How many batches of a size are timed."""

LARGEST = 1024
"""Beyond this many images a batch brings nothing on the GPUs of today and takes memory."""

Named = TypeVar("Named")
Pending = Callable[[], np.ndarray]
"""Waits for the vectors of a batch."""


class BatchSize:
    """How many images go through the network at a time.

    Where it ``grows`` (on a GPU), it is doubled as long as that brings :data:`GAIN`. It is halved
    whenever the accelerator's memory does not do, and does not grow again then.
    """

    def __init__(
        self, first: int, grows: bool = False, clock: Callable[[], float] = time.perf_counter
    ):
        """``clock`` gives seconds."""
        self.now, self.grows, self.clock = first, grows, clock
        self.rate, self.began, self.timed = 0.0, 0.0, -1

    def done(self, images: int) -> None:
        """The vectors of a batch are back."""
        if not self.grows:
            return
        if images != self.now:  # of the size before, or the last of all
            self.timed = -1
            return
        self.timed += 1
        if self.timed == 0:  # the first of a size may choose algorithms or compile
            self.began = self.clock()
        elif self.timed == MEASURED:
            self._compare(MEASURED * images / max(self.clock() - self.began, 1e-9))

    def halve(self, error: OutOfMemory) -> None:
        """Take half as many from now on. Raises :class:`InputError` where that is none."""
        if self.now == 1:
            raise InputError(
                f"{error}, not even one: run this model on a larger GPU or with `device: cpu`"
            ) from None
        self._settle(self.now // 2)
        logger.warning("%s: going on with %d", error, self.now)

    def _compare(self, rate: float) -> None:
        if rate < GAIN * self.rate:
            self._settle(self.now // 2)
        elif 2 * self.now > LARGEST:
            self._settle(self.now)
        else:
            self.rate, self.now, self.timed = rate, 2 * self.now, -1
            return
        logger.info("%d images at a time: more of them are not faster", self.now)

    def _settle(self, size: int) -> None:
        self.now, self.grows = size, False


def encoded(
    images: Iterable[tuple[Named, np.ndarray]], encoder: VectorsOf, size: BatchSize
) -> Iterator[tuple[list[Named], np.ndarray]]:
    """Vectors of prepared images, batch by batch in order: what the images are named, and vectors
    ``(n, dimension)`` float32.

    Raises :class:`InputError` where not even one image fits into the accelerator's memory.
    """
    waiting: deque[tuple[list[Named], Pending]] = deque()

    def finish() -> tuple[list[Named], np.ndarray]:
        names, pending = waiting.popleft()
        vectors = pending()
        size.done(len(names))
        return names, vectors

    for batch in _batches(images, size):
        todo = batch
        while todo:
            part = todo[: size.now]
            try:
                pending = _begin(encoder, [pixels for _, pixels in part])
            except OutOfMemory as error:
                if not waiting or size.now > 1:
                    size.halve(error)
                while waiting:  # what is on its way takes memory, too
                    yield finish()
                continue
            waiting.append(([name for name, _ in part], pending))
            todo = todo[len(part) :]
            while len(waiting) > IN_FLIGHT - 1:
                yield finish()
    while waiting:
        yield finish()


def _batches(
    images: Iterable[tuple[Named, np.ndarray]], size: BatchSize
) -> Iterator[list[tuple[Named, np.ndarray]]]:
    batch: list[tuple[Named, np.ndarray]] = []
    for image in images:
        batch.append(image)
        if len(batch) >= size.now:
            yield batch
            batch = []
    if batch:
        yield batch


def _begin(encoder: VectorsOf, inputs: Sequence[np.ndarray]) -> Pending:
    """Start a batch. An encoder that computes at once has no ``begin``."""
    begin = getattr(encoder, "begin", None)
    if begin is not None:
        return begin(inputs)
    vectors = encoder.encode(inputs)
    return lambda: vectors
