"""One module for each loader: what a family of encoders declares of itself, as ``LOADER``.

The schema of model cards, the versions that embeddings depend on, the module that builds an
encoder and the tables of the documentation follow from these declarations. A new module here is a
new value of ``loader:`` in model cards.

A declaration is read whenever Snakemake starts, so nothing heavy is imported here. The code that
builds the encoders is in :mod:`radcbir.encoders.loaders`.
"""

import functools
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
"""A part of a JSON schema."""

NETWORK = ("licence", "architecture", "weights", "pooling", "dimension", "preprocessing")
"""What the card of a network has to have."""

SOURCE = ("package", "url", "page", "hub", "revision", "file", "member", "sha256", "files")
"""What of `weights:` says where the files come from."""


@dataclass(frozen=True)
class Loader:
    """What the workflow has to know of a family of encoders before one of them is built."""

    name: str
    """The value of `loader:` in model cards."""
    keys: Mapping[str, Schema]
    """The keys of a card that the loader reads, and what they may be.

    Description and type of a key are in ``workflow/schemas/model-card.schema.json``, and what is
    said here is added to them (:func:`radcbir.cards.card_schema.narrowed`). A key that is not in
    that file is described here alone. All other keys are refused.
    """
    required: Sequence[str]
    """The keys that a card has to have, beside `name` and `loader`."""
    version: int = 1
    """Raise it when the vectors of the same card change. All users then embed again."""
    module: str = ""
    """The module with ``load(slug, card, files, device)``; empty where no image is encoded."""
    libraries: Sequence[str] = ()
    """What :attr:`module` imports beside torch, NumPy and Pillow. Embedding files record the versions."""
    network: bool = False
    """Images pass through a network, so that a card has a precision and a runtime."""
    volumes: bool = False
    """A series of slices is one input, and has one vector; images alone have none."""
    text: bool = False
    """Encoders of this family can have a text tower."""
    conditions: Sequence[Schema] = ()
    """What holds between several keys, as JSON schemas of the whole card."""


def network_keys(**others: Schema) -> dict[str, Schema]:
    """The keys that the card of a network has; ``others`` says more about some, or adds one.

    ``only`` names the keys below a key that the loader reads.
    """
    usual = (*NETWORK[1:], "precision", "runtime", "batch_size")
    keys: dict[str, Schema] = {key: {} for key in usual}
    ways = ["shortest", "squash", "pad", "corner", "black_square"]
    return keys | {"preprocessing": {"properties": {"resize": {"enum": ways}}}} | others


@functools.cache
def registry() -> dict[str, Loader]:
    """All loaders by name."""
    found = [
        importlib.import_module(each.name).LOADER
        for each in pkgutil.walk_packages(__path__, f"{__name__}.")
        if not each.ispkg
    ]
    return {each.name: each for each in found}


def loader_of(card: Mapping[str, Any]) -> Loader:
    """The loader of a card."""
    return registry()[card["loader"]]
