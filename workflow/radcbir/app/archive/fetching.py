"""The images of one query, fetched from an archive into memory within time and bytes."""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from radcbir.app.question import MOST_ITEMS
from radcbir.app.workers import Workers
from radcbir.core.errors import InputError
from radcbir.fetch.dicomweb.lookup import Series
from radcbir.fetch.dicomweb.server import Gone, Server, Undelivered

SECONDS = 120
"""How long an archive may take for all images of a query."""

AGAIN = "try again later"


class Image(NamedTuple):
    """An instance of an archive."""

    series: Series
    sop: str


@dataclass(frozen=True)
class Found:
    """Images that came, and what is said of them."""

    files: list[tuple[str, bytes]]
    said: str


class Fetch:
    """Fetches the images of one query, within time and bytes."""

    def __init__(self, workers: Workers, server: Server, options: Mapping[str, Any], most: int):
        """``options`` are those of `prepare:`, ``most`` is how many bytes the images may have."""
        self.workers, self.server, self.options = workers, server, options
        self.end, self.most = time.monotonic() + SECONDS, most
        self.taken, self.lock, self.ended = 0, threading.Lock(), threading.Event()

    def images(self, listed: Sequence[Image]) -> Found:
        """The images of a list, of too many one in two, three and so on: as many as a query may
        have, and as its bytes allow by the size of the one in the middle.

        Raises :class:`InputError` where they cannot be had, or none is an image to ask with.
        """
        middle = len(listed) // 2
        first = self._one(listed[middle])
        size = len(first.get("content", b""))
        step = max(math.ceil(len(listed) / MOST_ITEMS), math.ceil(size * len(listed) / self.most))
        chosen = list(listed[middle % step :: step])
        with ThreadPoolExecutor(self.options["connections"]) as pool:
            try:
                found = list(
                    pool.map(lambda each: self._unless(listed[middle], first, each), chosen)
                )
            except BaseException:
                self.ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        out = Counter(each["reason"] for each in found if each["reason"])
        left_out = ", ".join(f"{reason}: {count}" for reason, count in out.most_common())
        kept = [pair for pair in zip(chosen, found, strict=True) if not pair[1]["reason"]]
        if not kept:
            raise InputError(
                f"{self.server.name} has no image with this UID to ask with (left out, {left_out}): "
                "take another study or series"
            )
        files = [
            (f"{place}.dcm", each["content"]) for place, each in enumerate(_ordered(kept), start=1)
        ]
        some = f"one in {step} of {len(listed)}" if step > 1 else f"{len(kept)}"
        words = f"{some} images" if step > 1 or len(kept) > 1 else "1 image"
        more = f"; left out, {left_out}" if left_out else ""
        return Found(files, f"From {self.server.name}: {words}{more}.")

    def _unless(self, known: Image, result: dict[str, Any], each: Image) -> dict[str, Any]:
        return result if each == known else self._one(each)

    def _one(self, image: Image) -> dict[str, Any]:
        """What :func:`radcbir.app.archive.images.image_of` says of an image."""
        self._go_on(0)
        try:
            content = self.server.instance(
                image.series.study, image.series.uid, image.sop, self._go_on
            )
        except Gone:
            return {"reason": "not there any more"}
        except Undelivered as error:
            raise InputError(
                f"{self.server.name} did not deliver an image of it ({error}): {AGAIN}"
            ) from None
        leave_out = list(self.options["leave_out"])
        found = self.workers.decode("archived", bytes(content), image.sop, leave_out)
        with self.lock:
            self.taken += len(found.get("content", b""))
        self._go_on(0)
        return found

    def _go_on(self, count: int) -> None:
        """Raise where a query has ended, or so many bytes of an image more are too many."""
        if self.ended.is_set():
            raise InputError("the query has ended")
        if time.monotonic() > self.end:
            raise InputError(
                f"{self.server.name} did not deliver everything within {SECONDS} seconds: {AGAIN}, or "
                "ask with files"
            )
        if max(count, self.taken) > self.most:
            raise InputError(
                f"the images that {self.server.name} has of it are larger than the "
                f"{self.most >> 20} MB that a query may have: raise `app: upload_megabytes:`"
            )


def _ordered(kept: Sequence[tuple[Image, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Images series by series, by position where all of a series have one, else by number."""
    placeless = {image.series.uid for image, each in kept if each["position"] is None}
    order = {uid: at for at, uid in enumerate(dict.fromkeys(image.series.uid for image, _ in kept))}

    def key(pair: tuple[Image, dict[str, Any]]) -> tuple:
        image, each = pair
        position = 0 if image.series.uid in placeless else each["position"]
        number = each["number"]
        return order[image.series.uid], position, number is None, number or 0

    return [each for _, each in sorted(kept, key=key)]
