"""The child process: decodes what is uploaded, and embeds it with one model, apart from the server
and from faiss.

Started by :mod:`radcbir.app.workers`; answers one request at a time through a pipe: ``("ok",
value)``, ``("error", one sentence)`` for what the user can mend, or ``("defect", traceback)``. A
file that brings a decoder down takes this process with it and nothing else.
"""

import base64
import contextlib
import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from radcbir.core.errors import InputError
from radcbir.encoders import Encoder, load_encoder
from radcbir.images import raster, reader
from radcbir.images.address import PLANES, join_address
from radcbir.images.limits import Limits

SUFFIXES = (".nii.gz", ".nii", ".dcm", ".dicom", ".ima", ".tif", ".tiff")
"""Names that tell the format where the content does not."""

SMALLEST_CROP = 8

PREVIEW = 640
"""The longest side of a preview in pixels."""


class Worker:
    """What a child process can do, once it knows its model."""

    def __init__(self, settings: Mapping):
        """``settings``: ``folder`` for uploads while they are read, ``pixels`` at most, and
        ``model``, ``card``, ``weights``, ``device``, ``runtime`` where it has an encoder.
        """
        self.limits = Limits(pixels=settings["pixels"])
        self.folder = settings["folder"]
        self.encoder: Encoder | None = None
        if settings.get("model"):
            self.encoder = load_encoder(
                *(settings[name] for name in ("model", "card", "weights", "device", "runtime"))
            )

    def describe(self) -> dict:
        """The digest of the encoder's weights."""
        return {"weights_sha256": self.encoder.weights_sha256 if self.encoder else ""}

    def preview(self, source: Mapping) -> dict:
        """A source as a picture that browsers show, its size, and the parts of the file that can be
        chosen.
        """
        with self._file(source) as path:
            parts, chosen = self._part(path, source)
            image = self._read(join_address(path, chosen), source)
        size = image.size
        image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.BICUBIC)
        return {
            "picture": data_uri(image),
            "width": size[0],
            "height": size[1],
            "parts": parts,
            "part": chosen,
        }

    def embed_images(self, sources: list[Mapping]) -> list[np.ndarray]:
        """The encoder's vectors, as it gives them, by the same steps as the images of the index."""
        prepared = [self.encoder.preprocess(self._image(each)) for each in sources]
        vectors = [self.encoder.encode([each])[0] for each in prepared]
        for source, vector in zip(sources, vectors, strict=True):
            if not np.isfinite(vector).all() or not np.abs(vector).max() > 0:
                raise InputError(
                    f"the model makes nothing of {_name(source)} (a zero vector): take another "
                    "image"
                )
        return vectors

    def embed_texts(self, texts: list[str]) -> list[np.ndarray]:
        """The vectors of the text tower."""
        return list(self.encoder.encode_text(texts))

    def match(self, sources: list[Mapping]) -> list[dict] | None:
        """Where two images match: per image what the model saw of it, and per patch its similarity
        to the other's patches.

        None where the encoder gives no features of patches.
        """
        from radcbir.encoders.patches import best_matches, patch_features, seen

        prepared = [self.encoder.preprocess(self._image(each)) for each in sources]
        features = [patch_features(self.encoder, each) for each in prepared]
        if any(each is None for each in features):
            return None
        grids = best_matches(*features)
        return [
            {"picture": data_uri(seen(self.encoder, each)), "grid": np.round(grid, 4).tolist()}
            for each, grid in zip(prepared, grids, strict=True)
        ]

    def _image(self, source: Mapping) -> Image.Image:
        """The image of a source: ``path`` of a catalog's image, or ``bytes`` and ``name`` of an
        upload; cropped.
        """
        if "path" in source:
            return self._cropped(self._read(source["path"], source), source)
        with self._file(source) as path:
            _, chosen = self._part(path, source)
            return self._cropped(self._read(join_address(path, chosen), source), source)

    @contextlib.contextmanager
    def _file(self, source: Mapping) -> Iterator[str]:
        """An upload as a file, for as long as it is read: formats such as NIfTI are read from files
        alone.
        """
        suffix = next((each for each in SUFFIXES if source["name"].lower().endswith(each)), "")
        handle, path = tempfile.mkstemp(suffix, "upload-", self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(source["bytes"])
            yield path
        finally:
            Path(path).unlink()

    def _part(self, path: str, source: Mapping) -> tuple[dict, dict]:
        """What a file holds, and which part is meant: the one that is named, else the first frame
        or the middle slice.
        """
        try:
            parts = reader.parts(path, self.limits)
        except raster.UnreadableImage as error:
            raise self._unreadable(source, error) from None
        if not parts:
            return {}, {}
        given = source.get("part") or {}
        name = next(
            (each for each in ("frame", *PLANES) if each in given),
            "frame" if "frame" in parts else "axial",
        )
        if name not in parts:
            raise InputError(f"{_name(source)} has no {name}: choose {', '.join(parts)}")
        number = int(given.get(name, 0 if name == "frame" else parts[name] // 2))
        if not 0 <= number < parts[name]:
            raise InputError(
                f"{_name(source)} has no {name} {number}: the last is {parts[name] - 1}"
            )
        return parts, {name: number}

    def _read(self, path: str, source: Mapping) -> Image.Image:
        try:
            return reader.read(path, source["intensity"], self.limits)
        except raster.UnreadableImage as error:
            raise self._unreadable(source, error) from None

    def _unreadable(self, source: Mapping, error: raster.UnreadableImage) -> InputError:
        reason = str(error)
        if reason.startswith("too large: ") and reason.endswith(" pixels"):
            return InputError(
                f"{_name(source)} is {reason}, more than {self.limits.pixels:,}: make it smaller"
            )
        return InputError(
            f"{_name(source)} cannot be read ({reason}): choose a PNG, JPEG, TIFF, DICOM or NIfTI "
            "file"
        )

    @staticmethod
    def _cropped(image: Image.Image, source: Mapping) -> Image.Image:
        """The image within ``crop``: left, top, right, bottom as shares of its width and height."""
        if not source.get("crop"):
            return image
        left, top, right, bottom = source["crop"]
        box = (
            round(left * image.width),
            round(top * image.height),
            round(right * image.width),
            round(bottom * image.height),
        )
        if box[2] - box[0] < SMALLEST_CROP or box[3] - box[1] < SMALLEST_CROP:
            raise InputError(
                f"the region of {_name(source)} is {max(0, box[2] - box[0])} x "
                f"{max(0, box[3] - box[1])} pixels: draw one of "
                f"at least {SMALLEST_CROP} x {SMALLEST_CROP}"
            )
        return image.crop(box)


def data_uri(image: Image.Image) -> str:
    """An image as text that browsers show."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _name(source: Mapping) -> str:
    return f"the image '{source.get('name') or Path(source['path']).name}'"


def main(descriptor: int) -> None:
    """Answer requests that come through the pipe until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to answer
    connection = Connection(descriptor)
    worker = None
    while True:
        try:
            task, arguments = connection.recv()
        except EOFError:
            return
        try:
            if task == "start":
                worker = Worker(*arguments)
                answer = "ok", worker.describe()
            else:
                answer = "ok", getattr(worker, task)(*arguments)
        except InputError as error:
            answer = "error", str(error)
        except Exception:
            answer = "defect", traceback.format_exc()
        connection.send(answer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
