"""Model cards: an image encoder described as data, and which part of the description changes its
embeddings.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import yaml

from radcbir.core import package_data
from radcbir.core.errors import InputError
from radcbir.core.schema import validate

CARD_SCHEMA = package_data.schema("model-card")

WEIGHTS = "resources/weights"

WEIGHTS_MEANING = ("layout", "prefix", "unused", "renamed", "random_seed")
"""What of `weights:` changes the embeddings beside the files' content."""

DEFAULTS = {"precision": "float32", "runtime": "auto", "batch_size": 32, "training_data": []}

PRECOMPUTED = "precomputed"
"""The loader of models whose embeddings, or whose neighbor lists, exist already: nothing is encoded
for them."""

UNUSED_BY_FUSIONS = (
    "architecture",
    "dimension",
    "weights",
    "pooling",
    "preprocessing",
    "precision",
    "runtime",
    "text_tower",
)
"""What a fusion takes from its members."""

LOADER_MODULES = {
    "timm": "radcbir.encoders.loaders.timm_encoder",
    "open_clip": "radcbir.encoders.loaders.open_clip_encoder",
    "transformers": "radcbir.encoders.loaders.transformers_encoder",
    "medclip": "radcbir.encoders.loaders.transformers_encoder",
    "torchxrayvision": "radcbir.encoders.loaders.torchxrayvision_encoder",
    "two_towers": "radcbir.encoders.loaders.two_towers",
    "control": "radcbir.encoders.loaders.control",
}
"""Loader -> the module that holds its ``load(slug, card, files, device)``; imported only where the
loader is used."""

RUNTIMES = {
    "auto": ("radcbir.encoders.runtimes.openvino_runtime", "automatic"),
    "openvino": ("radcbir.encoders.runtimes.openvino_runtime", "accelerated"),
    "torch-compile": ("radcbir.encoders.runtimes.compiled_runtime", "accelerated"),
}
"""Runtime -> the module and function that have it take over an encoder of torch; torch is what
encoders have."""


def load_card(path: str | Path) -> dict:
    """Read and check a model card, defaults filled in. Raises :class:`InputError` that names the
    file and the key.
    """
    try:
        card = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(
            f"the model card {path} is not valid YAML: {' '.join(str(error).split())}"
        ) from None
    validate(card, CARD_SCHEMA, f"model card {path}")
    for name in UNUSED_BY_FUSIONS if card["loader"] == "fusion" else ("fusion",):
        if name in card:
            raise InputError(
                f"model card {path}: `{name}` has no use with `loader: {card['loader']}`: take it "
                "out"
            )
    return {"training_data": []} | card if is_precomputed(card) else DEFAULTS | card


def card_meaning(card: Mapping) -> dict:
    """The part of a card that changes its embeddings: architecture, weights by digest, pooling,
    preprocessing, precision.

    Where the weights are fetched from, the batch size, and all that describes the model to readers
    are left out. So is the runtime in float32, where it is held to torch's vectors as one device is
    to another's; in half precision runtimes round at other places, so there it counts. Of a fusion,
    it is its members: how their scores are put together changes what is found, not the embeddings.
    """
    if card["loader"] == "fusion":
        return {"loader": "fusion", "of": card["fusion"]["of"]}
    meaning = {name: card[name] for name in ("loader", "architecture", "dimension")}
    if card["loader"] not in ("control", PRECOMPUTED):
        meaning |= {name: card[name] for name in ("pooling", "preprocessing", "precision")}
        if card["precision"] != "float32" and runtime_of(card) != "torch":
            meaning["runtime"] = runtime_of(card)
        meaning |= {"options": card["options"]} if "options" in card else {}
        weights = card["weights"]
        meaning["weights"] = {name: weights[name] for name in WEIGHTS_MEANING if name in weights}
        if "files" in weights:
            meaning["weights"]["files"] = {
                name: content_of(source) for name, source in weights_files(card).items()
            }
        else:
            meaning["weights"] |= content_of(weights)
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


def content_of(source: Mapping) -> dict:
    """What tells a weights file's content: its digest in the card, else the commit that holds it,
    else its address.

    ``source`` is one of :func:`weights_files`. A digest that is recorded when a file is fetched
    plays no part: recording it makes nothing stale.
    """
    for names in (("sha256",), ("hub", "revision", "file"), ("url", "member"), ("page", "file")):
        if names[0] in source:
            return {name: source[name] for name in names if name in source}
    return {}


def loader_module(card: Mapping) -> str:
    """The library module that builds this card's encoder."""
    return LOADER_MODULES[card["loader"]]


def has_network(card: Mapping) -> bool:
    """A card whose images go through a network here: what `precision:` and `runtime:` are about."""
    return card["loader"] not in ("control", "fusion", PRECOMPUTED)


def runtime_of(card: Mapping) -> str:
    """What computes a card's forward pass: `torch`, or one of :data:`RUNTIMES`.

    In half precision `auto` is `torch`: the vectors depend on the runtime there, and must not on
    what is installed.
    """
    runtime = card.get("runtime", DEFAULTS["runtime"])
    return "torch" if runtime == "auto" and card.get("precision") != "float32" else runtime


def encoder_modules(card: Mapping) -> list[str]:
    """The library modules that are loaded by name for this card: by whichever runtime, since that
    changes no embeddings.
    """
    runtimes = dict.fromkeys(module for module, _ in RUNTIMES.values()) if has_network(card) else ()
    return [loader_module(card), *runtimes]


def weights_files(card: Mapping) -> dict[str, dict]:
    """The card's files by their names below ``resources/weights/{model}/``, with where each comes
    from.

    A single file lies there under its own name; several keep the folders of their repository, or
    the name after ``to:``. Nothing for controls and random weights.
    """
    weights = card.get("weights", {})
    if "files" not in weights:
        name = weights_file(card)
        return {name: dict(weights)} if name else {}
    shared = {name: weights[name] for name in ("hub", "revision") if name in weights}
    sources = [{"file": each} if isinstance(each, str) else dict(each) for each in weights["files"]]
    found = {}
    for source in sources:
        name = (
            source.pop("to", source.get("file")) or PurePosixPath(urlparse(source["url"]).path).name
        )
        found[name] = source if "url" in source else shared | source
    return found


def weights_file(card: Mapping) -> str | None:
    """The name of the first of :func:`weights_files`; None for controls and random weights."""
    weights = card.get("weights", {})
    if "files" in weights:
        return next(iter(weights_files(card)))
    if "url" in weights:
        return PurePosixPath(weights.get("member", urlparse(weights["url"]).path)).name
    return PurePosixPath(weights["file"]).name if "file" in weights else None


def is_precomputed(card: Mapping) -> bool:
    """A card whose embeddings or neighbor lists exist already."""
    return card["loader"] == PRECOMPUTED


def source_file(card: Mapping, dataset: str) -> str:
    """The file that holds what a precomputed card has of a dataset: ``path`` with the dataset's
    name there filled in.
    """
    return card["path"].replace("{dataset}", card.get("files", {}).get(dataset, dataset))


def has_vectors(card: Mapping) -> bool:
    """False for a precomputed card of neighbor lists (a CSV), which come without embeddings."""
    return not (is_precomputed(card) and card["path"].endswith(".csv"))


def weights_location(model: str, card: Mapping) -> str | None:
    """What :func:`radcbir.encoders.load_encoder` takes as weights: the file, the folder of several,
    or None.
    """
    file = weights_file(card)
    return file and (
        f"{WEIGHTS}/{model}" if "files" in card["weights"] else f"{WEIGHTS}/{model}/{file}"
    )


BENCHMARKS = ("NIH14", "CheXpert", "MIMIC-CXR", "RadImageNet")
"""The datasets of the paper, by the names that `training_data:` uses."""

UNPUBLISHED = "not fully published"
"""Among `training_data:`, what tells that the list may lack datasets."""


def seen_benchmarks(card: Mapping) -> list[str]:
    """Those of the paper's datasets that the weights have seen; "perhaps others" where the list may
    lack some.
    """
    listed = card.get("training_data", [])
    return [name for name in BENCHMARKS if name in listed] + ["perhaps others"] * (
        UNPUBLISHED in listed
    )


def has_text(card: Mapping) -> bool:
    """A card whose encoder has a text tower in the space of its images."""
    return card.get("text_tower", False)


def is_control(card: Mapping) -> bool:
    """A card without learned weights: a control encoder, a network with random weights, or a fusion
    of such.
    """
    return (
        card.get("control", False)
        or card["loader"] == "control"
        or "random_seed" in card.get("weights", {})
    )


def names_and_controls(cards: Mapping[str, Mapping]) -> tuple[dict[str, str], list[str]]:
    """The name shown for each model, in the order given, and which of the models are controls."""
    return {model: card["name"] for model, card in cards.items()}, [
        each for each in cards if is_control(cards[each])
    ]
