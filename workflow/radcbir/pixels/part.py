"""The file of some images of a shard: their pixels, or why there are none.

It is an uncompressed archive of NumPy arrays (``.npz``), which has a checksum of each array. The
same images give the same bytes.
"""

import contextlib
import json
import os
import socket
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

FORMAT = 1

Prepared = np.ndarray | str
"""The pixels of an image, shape (channels, height, width), bytes or float32; or the reason why it is
rejected."""


class NotThisPart(Exception):
    """A file that is damaged, or of other images. The message says what is wrong in a few words."""


def write_part(path: Path, prepared: Sequence[Prepared], belongs: str) -> None:
    """Write images in order; ``belongs`` says of which geometry and shard they are.

    Several jobs may write the same file: each writes a file of its own, which then takes the name.
    """
    pixels = [each for each in prepared if not isinstance(each, str)]
    reasons = [[n, each] for n, each in enumerate(prepared) if isinstance(each, str)]
    header = {"format": FORMAT, "belongs": belongs, "images": len(prepared), "reasons": reasons}
    kind = np.result_type(*pixels) if pixels else np.uint8
    flat = np.concatenate([each.ravel() for each in pixels]) if pixels else np.empty(0, np.uint8)
    shapes = np.array([each.shape for each in pixels], dtype=np.int32).reshape(-1, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.stem}.{socket.gethostname()}.{os.getpid()}.npz")
    try:
        np.savez(own, header=_bytes(header), shapes=shapes, pixels=flat.astype(kind, copy=False))
        os.replace(own, path)
    finally:
        own.unlink(missing_ok=True)


def read_part(path: Path, count: int, belongs: str) -> list[Prepared]:
    """The ``count`` images that were written with ``belongs``.

    Raises :class:`NotThisPart`.
    """
    with _opened(path) as file:
        header = _header(file)
        if header.get("belongs") != belongs or header.get("images") != count:
            raise NotThisPart("is of other images or of another geometry")
        shapes, pixels = file["shapes"], file["pixels"]
    sizes = shapes.astype(np.int64).prod(axis=1)
    reasons = dict(header["reasons"])
    if len(sizes) + len(reasons) != count or sizes.sum() != len(pixels):
        raise NotThisPart("is damaged")
    ends = np.cumsum(sizes)
    images = (
        pixels[end - size : end].reshape(shape)
        for end, size, shape in zip(ends, sizes, shapes, strict=True)
    )
    return [reasons[n] if n in reasons else next(images) for n in range(count)]


def reasons_in(path: Path) -> list[str]:
    """Why images of a part were rejected. Raises :class:`NotThisPart`."""
    with _opened(path) as file:
        return [reason for _, reason in _header(file)["reasons"]]


@contextlib.contextmanager
def _opened(path: Path):
    try:
        with np.load(path) as file:
            yield file
    except FileNotFoundError:
        raise NotThisPart("is not there") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise NotThisPart(f"is damaged ({' '.join(str(error).split())[:80]})") from None


def _header(file) -> dict:
    header = json.loads(file["header"].tobytes())
    if header.get("format") != FORMAT:
        raise NotThisPart("is of another version of the workflow")
    return header


def _bytes(header: dict) -> np.ndarray:
    return np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), dtype=np.uint8)
