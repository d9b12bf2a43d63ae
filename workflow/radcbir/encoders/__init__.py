"""Image encoders: an image in, a vector out. torch is imported by the loaders that need it, and
nowhere else.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from PIL import Image

from radcbir.cards.loaders import loader_of
from radcbir.cards.model_card import RUNTIMES, has_network
from radcbir.cards.weights import WEIGHTS
from radcbir.core.errors import InputError
from radcbir.fetch.weights import verified_files

# Encoders read the files that `fetch_weights` has fetched. This is set before a loader imports the
# hub's libraries, which then make no requests.
os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


# torch's idle OpenMP threads spin before they sleep, on cores that the decoding of the next images
# needs.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


class VectorsOf(Protocol):
    """What embedding images or volumes needs of an encoder, once these are prepared."""

    dimension: int
    """The length of a vector."""
    libraries: dict[str, str]
    """Library -> version, of those that have a part in the vectors."""
    weights_sha256: str
    """The digest of the weights file, or of the digests of several; empty where there is none."""

    def encode(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared images or volumes (n of them) -> vectors, shape (n, dimension), float32, not
        normalised.

        Raises :class:`OutOfMemory` where a smaller batch may fit.
        """


class Encoder(VectorsOf, Protocol):
    """What embedding images needs of an encoder, whichever loader built it."""

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """A gray (L) or RGB image of 8 bit -> one of the inputs of :meth:`encode`.

        It is called from several threads.
        """


class TextEncoder(Encoder, Protocol):
    """An encoder whose card says `text_tower: true`: texts have a place in the space of its
    images.
    """

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Texts (n of them) -> vectors, shape (n, dimension), float32, not normalised."""


class OutOfMemory(Exception):
    """The accelerator's memory is too small for a batch of this size."""


def load_encoder(
    slug: str, card: Mapping, weights: str | Path | None, device: str, runtime: str = "torch"
) -> Encoder:
    """Build the encoder of a model card.

    ``card`` may be the whole card or its meaning alone; ``weights`` is the weights file of a card
    that has one, the folder of a card that lists several, None where it has none; ``device`` is
    ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; ``runtime`` is of
    :func:`radcbir.cards.model_card.runtime_of`.

    Raises :class:`~radcbir.core.errors.InputError` naming the model where a library is not
    installed, a file is missing or is not the one whose digest is known, the weights do not fit the
    architecture, the vectors do not have the card's dimension, or the runtime cannot take it over.
    """
    files, digest = verified_files(slug, card, weights)
    encoder = _module(slug, card).load(slug, card, files, device)
    encoder.weights_sha256 = digest
    if runtime != "torch" and has_network(card):
        folder = Path(WEIGHTS, slug) if weights is None else Path(weights)
        folder = folder.parent if folder.is_file() else folder
        module, function = RUNTIMES[runtime]
        encoder = getattr(importlib.import_module(module), function)(
            encoder, slug, card, folder / "openvino"
        )
    return encoder


def _module(slug: str, card: Mapping) -> ModuleType:
    """The module that builds the encoder of a card."""
    loader = loader_of(card)
    try:
        return importlib.import_module(loader.module)
    except ModuleNotFoundError as error:
        if error.name not in loader.libraries:
            raise
        raise InputError(
            f"the model '{slug}' has `loader: {loader.name}`, which needs {error.name}: install "
            "what requirements.lock lists, or run with `--sdm conda`"
        ) from None
