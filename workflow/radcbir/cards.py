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
LOADER_MODULES = {"timm": "radcbir.encoders.timm_encoder", "control": "radcbir.encoders.control"}
"""Loader -> the module that holds its ``load(card, weights, device)``; imported only where the loader is used."""


def load_card(path: str | Path) -> dict:
    """Read and check a model card, defaults filled in. Raises :class:`InputError` that names the file and the key."""
    try:
        card = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"the model card {path} is not valid YAML: {' '.join(str(error).split())}") from None
    validate(card, CARD_SCHEMA, f"model card {path}")
    return DEFAULTS | card


def card_meaning(card: Mapping) -> dict:
    """The part of a card that changes its embeddings: architecture, weights by digest, pooling, preprocessing, precision.

    Where the weights are fetched from, the batch size, and all that describes the model to readers are left out. Of a
    fusion, it is its members: how their scores are put together changes what is found, not the embeddings.
    """
    if card["loader"] == "fusion":
        return {"loader": "fusion", "of": card["fusion"]["of"]}
    meaning = {name: card[name] for name in ("loader", "architecture", "dimension")}
    if card["loader"] != "control":
        meaning |= {name: card[name] for name in ("pooling", "preprocessing", "precision")}
        kept = ("sha256", "layout", "random_seed")
        meaning["weights"] = {name: value for name, value in card["weights"].items() if name in kept}
    return meaning


def fused_card(card: Mapping, members: Mapping[str, Mapping]) -> dict:
    """The card of a fusion with what follows from its ``members`` (slug -> card, in order)."""
    seen = dict.fromkeys(each for member in members.values() for each in member["training_data"])
    return card | {
        "architecture": f"{card['fusion']['by'].replace('_', ' ')} of {', '.join(members)}",
        "dimension": sum(member["dimension"] for member in members.values()),
        "training_data": list(seen),
        "control": all(is_control(member) for member in members.values()),
    }


def loader_module(card: Mapping) -> str:
    """The library module that builds this card's encoder."""
    return LOADER_MODULES[card["loader"]]


def weights_file(card: Mapping) -> str | None:
    """The name of the card's weights file in ``resources/weights/{model}/``; None for controls and random weights."""
    weights = card.get("weights", {})
    if "url" in weights:
        return PurePosixPath(urlparse(weights["url"]).path).name
    return PurePosixPath(weights["file"]).name if "file" in weights else None


def is_control(card: Mapping) -> bool:
    """A card without learned weights: a control encoder, a network with random weights, or a fusion of such."""
    return card.get("control", False) or card["loader"] == "control" or "random_seed" in card.get("weights", {})
