"""Model cards: an image encoder described as data, and which part of the description changes its embeddings.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import yaml

from radcbir.config import validate
from radcbir.errors import InputError

CARD_SCHEMA = Path(__file__).parents[1] / "schemas" / "model-card.schema.json"
DEFAULTS = {"precision": "float32", "batch_size": 32, "training_data": []}
PRECOMPUTED = "precomputed"
"""The loader of models whose embeddings, or whose neighbor lists, exist already: nothing is encoded for them."""
LOADER_MODULES = {"timm": "radcbir.encoders.timm_encoder", "control": "radcbir.encoders.control"}
"""Loader -> the module that holds its ``load(card, weights, device)``; imported only where the loader is used."""


def load_card(path: str | Path) -> dict:
    """Read and check a model card, defaults filled in. Raises :class:`InputError` that names the file and the key."""
    try:
        card = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"the model card {path} is not valid YAML: {' '.join(str(error).split())}") from None
    validate(card, CARD_SCHEMA, f"model card {path}")
    return {"training_data": []} | card if is_precomputed(card) else DEFAULTS | card


def card_meaning(card: Mapping) -> dict:
    """The part of a card that changes its embeddings: architecture, weights by digest, pooling, preprocessing, precision.

    Where the weights are fetched from, the batch size, and all that describes the model to readers are left out.
    """
    meaning = {name: card[name] for name in ("loader", "architecture", "dimension")}
    if card["loader"] not in ("control", PRECOMPUTED):
        meaning |= {name: card[name] for name in ("pooling", "preprocessing", "precision")}
        kept = ("sha256", "layout", "random_seed")
        meaning["weights"] = {name: value for name, value in card["weights"].items() if name in kept}
    return meaning


def loader_module(card: Mapping) -> str:
    """The library module that builds this card's encoder."""
    return LOADER_MODULES[card["loader"]]


def weights_file(card: Mapping) -> str | None:
    """The name of the card's weights file in ``resources/weights/{model}/``; None for controls and random weights."""
    weights = card.get("weights", {})
    if "url" in weights:
        return PurePosixPath(urlparse(weights["url"]).path).name
    return PurePosixPath(weights["file"]).name if "file" in weights else None


def is_precomputed(card: Mapping) -> bool:
    """A card whose embeddings or neighbor lists exist already."""
    return card["loader"] == PRECOMPUTED


def source_file(card: Mapping, dataset: str) -> str:
    """The file that holds what a precomputed card has of a dataset: ``path`` with the dataset's name there filled in."""
    return card["path"].replace("{dataset}", card.get("files", {}).get(dataset, dataset))


def has_vectors(card: Mapping) -> bool:
    """False for a precomputed card of neighbor lists (a CSV), which come without embeddings."""
    return not (is_precomputed(card) and card["path"].endswith(".csv"))


def is_control(card: Mapping) -> bool:
    """A card without learned weights: a control encoder, or a network with random weights."""
    return card["loader"] == "control" or "random_seed" in card.get("weights", {})


def names_and_controls(cards: Mapping[str, Mapping]) -> tuple[dict[str, str], list[str]]:
    """The name shown for each model, in the order given, and which of the models are controls."""
    return {model: card["name"] for model, card in cards.items()}, [each for each in cards if is_control(cards[each])]
