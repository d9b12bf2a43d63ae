"""Image encoders: an image in, a vector out. torch is imported by the loaders that need it, and nowhere else."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from radcbir.cards import loader_module


class Encoder(Protocol):
    """What the embedding pipeline needs of an encoder."""

    dimension: int
    libraries: dict[str, str]
    """Library -> version, of those that have a part in the vectors."""

    def preprocess(self, image: Image.Image) -> object:
        """A gray (L) or RGB image of 8 bit -> what :meth:`encode` takes; called from several threads."""

    def encode(self, inputs: Sequence[object]) -> np.ndarray:
        """Preprocessed images (n of them) -> vectors, shape (n, dimension), float32, not normalised.

        Raises :class:`OutOfMemory` where a smaller batch may fit.
        """


class OutOfMemory(Exception):
    """The accelerator's memory does not hold a batch of this size."""


def load_encoder(slug: str, card: Mapping, weights: str | Path | None, device: str) -> Encoder:
    """Build the encoder of a model card.

    ``card`` may be the whole card or its meaning alone; ``weights`` is the verified weights file, None where the card
    has none; ``device`` is ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises :class:`~radcbir.errors.InputError` naming the model where the weights do not fit the architecture or the
    vectors do not have the card's dimension.
    """
    return importlib.import_module(loader_module(card)).load(slug, card, weights, device)
