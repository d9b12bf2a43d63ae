"""The program of a child process: decodes pictures, or embeds with one model, apart from the
server and from faiss.

Started by :mod:`radcbir.app.workers` as ``python -m radcbir.app.worker PIPE PARENT``. It answers
one request at a time: ``("ok", value)``, ``("error", one sentence)`` for what the user can mend, or
``("defect", traceback)``. It ends with its parent, writes no file, and has limits, so that a file
that brings a decoder down takes this process with it and nothing else.
"""

import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from radcbir.cards.model_card import takes_original
from radcbir.core.errors import InputError
from radcbir.core.machine.processes import end_with, keep_no_traces, limit

DECODER_BYTES = 4 << 30
"""Memory of a process that decodes (its address space)."""

EMBEDDER_BYTES = 8 << 30
"""Memory that a process with a model may take beside what it has once the model is loaded."""


class Embedder:
    """What a child process with a model can do."""

    def __init__(self, settings: Mapping):
        """``settings``: ``model``, ``card``, ``weights``, ``device``, ``runtime``."""
        from radcbir.encoders import load_encoder

        self.is_warm = False
        self.takes_original = takes_original(settings["card"])
        self.encoder: Any = load_encoder(
            *(settings[name] for name in ("model", "card", "weights", "device", "runtime"))
        )
        if settings["device"] == "cpu":  # a GPU's driver takes addresses as it likes
            limit(resource.RLIMIT_DATA, _data_bytes() + EMBEDDER_BYTES)

    def describe(self) -> dict:
        """The digest of the encoder's weights."""
        return {"weights_sha256": self.encoder.weights_sha256}

    def warm(self) -> None:
        """Run the encoder once: its first image takes longer than the others. Later calls do
        nothing.
        """
        if not self.is_warm:
            from PIL import Image

            image = Image.linear_gradient("L")
            if self.takes_original:
                image = image.convert("F")
            self.encoder.encode([self.encoder.preprocess(image)])
        self.is_warm = True

    def embed_image(self, name: str, pixels: tuple):
        """The encoder's vector of an image of :meth:`radcbir.app.decoder.Decoder.image`, by the
        same steps as the images of the index.
        """
        import numpy as np

        self._check_pixels()
        vector = self.encoder.encode([self.encoder.preprocess(_image(pixels))])[0]
        if not np.isfinite(vector).all() or not np.abs(vector).max() > 0:
            raise InputError(
                f"the model makes nothing of the image '{name}' (a zero vector): take another image"
            )
        return vector

    def _check_pixels(self) -> None:
        """Raise :class:`InputError` for a model that does not take what the page reads."""
        if self.takes_original:
            raise InputError(
                "this model takes the original values of an image, and the page reads 8 bit: take "
                "another model here, or ask this one with `snakemake query`"
            )

    def embed_text(self, text: str):
        """The vector of the text tower."""
        return self.encoder.encode_text([text])[0]

    def match(self, images: list[tuple]) -> list[dict] | None:
        """Where two images match: per image what the model saw of it, and per patch its similarity
        to the other's patches.

        None where the encoder gives no features of patches.
        """
        import numpy as np

        from radcbir.app.decoder import data_uri
        from radcbir.encoders.patches import best_matches, patch_features, seen

        self._check_pixels()
        prepared = [self.encoder.preprocess(_image(each)) for each in images]
        found = [patch_features(self.encoder, each) for each in prepared]
        features = [each for each in found if each is not None]
        if len(features) < len(found):
            return None
        grids = best_matches(*features)
        return [
            {"picture": data_uri(seen(self.encoder, each)), "grid": np.round(grid, 4).tolist()}
            for each, grid in zip(prepared, grids, strict=True)
        ]


def _image(pixels: tuple):
    from PIL import Image

    return Image.frombytes(*pixels)


def _data_bytes() -> int:
    """What counts for RLIMIT_DATA now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmData:")[1].split()[0]) * 1024


def _made(settings: Mapping):
    """What this child is, by what is in the settings."""
    if settings.get("model"):
        return Embedder(settings)
    limit(resource.RLIMIT_AS, DECODER_BYTES)
    from radcbir.app.decoder import Decoder

    return Decoder(settings["pixels"])


def _answer(task: Callable, arguments: tuple) -> tuple[str, object]:
    try:
        return "ok", task(*arguments)
    except InputError as error:
        return "error", str(error)
    except MemoryError:
        return "error", "this needs more memory than it may have: take a smaller image"
    except Exception:
        return "defect", traceback.format_exc()


def main(descriptor: int, parent: int) -> None:
    """Answer requests that come through the pipe until its other end is closed."""
    end_with(parent)
    keep_no_traces()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to answer
    connection, worker = Connection(descriptor), None

    def start(settings: Mapping) -> dict:
        nonlocal worker
        worker = _made(settings)
        return worker.describe()

    while True:
        try:
            task, arguments = connection.recv()
        except EOFError:
            return
        connection.send(_answer(start if task == "start" else getattr(worker, task), arguments))
        del arguments  # an upload is not kept until the next one comes


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
