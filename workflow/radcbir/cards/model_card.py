"""Model cards: an image encoder described as data, and which part of the description changes its
embeddings.

The functions take any mapping with a card's keys, such as the plain one that a rule hands to its
script. :class:`ModelCard` is the same as an object. What belongs to a card's weights, to embeddings
that exist already and to the versions of the code is defined in modules of its own and can be
imported from here as well.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radcbir.cards import derived, fusion
from radcbir.cards.card_schema import check_card
from radcbir.cards.derived import base_of, settings_of
from radcbir.cards.derived import is_adapted as is_adapted
from radcbir.cards.derived import is_reranked as is_reranked
from radcbir.cards.fusion import is_fusion as is_fusion
from radcbir.cards.loaders import Loader, loader_of
from radcbir.cards.precomputed import PRECOMPUTED as PRECOMPUTED
from radcbir.cards.precomputed import has_vectors, is_precomputed, source_file
from radcbir.cards.versions import versions
from radcbir.cards.weights import WEIGHTS as WEIGHTS
from radcbir.cards.weights import content_of as content_of
from radcbir.cards.weights import weights_file, weights_files, weights_location, weights_meaning
from radcbir.core.text.yaml_file import read_yaml

DEFAULTS = {"precision": "float32", "runtime": "auto", "batch_size": 32, "training_data": []}
"""What a card has where it does not say otherwise."""

NOT_STATED = "not stated"
"""Shown in place of what a card does not say."""

RUNTIMES = {
    "auto": ("radcbir.encoders.runtimes.openvino_runtime", "automatic"),
    "openvino": ("radcbir.encoders.runtimes.openvino_runtime", "accelerated"),
    "torch-compile": ("radcbir.encoders.runtimes.compiled_runtime", "accelerated"),
}
"""Runtime -> the module and function that have it take over an encoder of torch. Encoders have
torch by themselves."""

BENCHMARKS = ("NIH14", "CheXpert", "MIMIC-CXR", "RadImageNet")
"""The datasets of the paper, by the names that `training_data:` uses."""

UNPUBLISHED = "not fully published"
"""Among `training_data:`, the mark of a list that may lack datasets."""


@dataclass(frozen=True, eq=False, repr=False)
class ModelCard(Mapping[str, Any]):
    """A model card with defaults filled in. It is read-only: ``card | {key: value}`` is a new one.

    It is a mapping as well (``card["name"]``). Its pickle is that of the plain mapping, so that
    Snakemake can hand it to scripts that have not imported the library yet.
    """

    data: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __or__(self, changes: Mapping[str, Any]) -> "ModelCard":
        return ModelCard({**self.data, **changes})

    def __repr__(self) -> str:
        return repr(self.as_dict())

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (self.as_dict(),)

    def as_dict(self) -> dict[str, Any]:
        """The card as a plain mapping, for parameters of rules and for JSON."""
        return dict(self.data)

    # --- what it says ---

    @property
    def name(self) -> str:
        """The name shown in tables and figures."""
        return self.data["name"]

    @property
    def loader(self) -> Loader:
        """The family of encoders that it belongs to."""
        return loader_of(self.data)

    @property
    def architecture(self) -> str:
        """The loader's name of the architecture."""
        return self.data.get("architecture", NOT_STATED)

    @property
    def weights(self) -> Mapping[str, Any]:
        """Where the weights come from and how they are read; empty for controls."""
        return self.data.get("weights", {})

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """How an image becomes the network's input; empty where there is no network."""
        return self.data.get("preprocessing", {})

    @property
    def pooling(self) -> str:
        """What becomes the embedding; empty where the card does not say."""
        return self.data.get("pooling", "")

    @property
    def dimension(self) -> int | None:
        """The length of an embedding; None where only the file of embeddings knows it."""
        return self.data.get("dimension")

    @property
    def precision(self) -> str:
        """The arithmetic of the forward pass; empty where there is no network."""
        return self.data.get("precision", "")

    @property
    def runtime(self) -> str:
        """What computes the forward pass (:func:`runtime_of`)."""
        return runtime_of(self.data)

    @property
    def batch_size(self) -> int:
        """The suggested number of images per forward pass."""
        return self.data["batch_size"]

    @property
    def licence(self) -> str:
        """The licence of the weights."""
        return self.data.get("licence", NOT_STATED)

    @property
    def sources(self) -> list[Mapping[str, Any]]:
        """Where licence, training data and preprocessing are documented."""
        return self.data.get("sources", [])

    @property
    def training_data(self) -> list[str]:
        """The collections of images that the weights have seen."""
        return self.data.get("training_data", [])

    # --- what follows from it ---

    @property
    def meaning(self) -> dict[str, Any]:
        """The part that changes the embeddings (:func:`card_meaning`)."""
        return card_meaning(self.data)

    @property
    def versions(self) -> dict[str, Any]:
        """The versions of the code that its embeddings depend on."""
        return versions(self.data)

    @property
    def is_control(self) -> bool:
        """Without learned weights."""
        return is_control(self.data)

    @property
    def is_fusion(self) -> bool:
        """Several models as one."""
        return is_fusion(self.data)

    @property
    def is_precomputed(self) -> bool:
        """Its embeddings or neighbor lists exist already."""
        return is_precomputed(self.data)

    @property
    def takes_volumes(self) -> bool:
        """A series of slices is one input and has one vector."""
        return takes_volumes(self.data)

    @property
    def has_network(self) -> bool:
        """Images go through a network here."""
        return has_network(self.data)

    @property
    def has_text(self) -> bool:
        """Texts have a place in the space of its images."""
        return has_text(self.data)

    @property
    def has_vectors(self) -> bool:
        """False for neighbor lists without embeddings."""
        return has_vectors(self.data)

    @property
    def seen_benchmarks(self) -> list[str]:
        """The paper's datasets that the weights have seen."""
        return seen_benchmarks(self.data)

    @property
    def weights_files(self) -> dict[str, dict]:
        """Its files by name, with where each comes from."""
        return weights_files(self.data)

    @property
    def weights_file(self) -> str | None:
        """The name of the first of its files."""
        return weights_file(self.data)

    def weights_location(self, slug: str) -> str | None:
        """The file, or the folder of several, of the model of that slug."""
        return weights_location(slug, self.data)

    def source_file(self, dataset: str) -> str:
        """The file that holds what a precomputed card has of a dataset."""
        return source_file(self.data, dataset)


def load_card(path: str | Path) -> ModelCard:
    """Read and check a model card, defaults filled in.

    Raises :class:`InputError` that names the file and every wrong key.
    """
    card = read_yaml(path, "the model card")
    check_card(card, f"model card {path}")
    return ModelCard(({"training_data": []} if is_precomputed(card) else DEFAULTS) | card)


def card_meaning(card: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a card that changes its embeddings: architecture, weights by digest, pooling,
    preprocessing, precision.

    Where the weights are fetched from, the batch size, and all that describes the model to readers
    are left out. So is the runtime in float32, where all runtimes give the same vectors within a
    tolerance; in half precision they round differently, so there it counts. A fusion means its
    members: how their scores are put together changes what is found, not the embeddings. A card
    that is made from another one means that one, and how it is made.
    """
    if is_fusion(card):
        return {"loader": fusion.FUSION, "of": card["fusion"]["of"]}
    if (base := base_of(card)) is not None:
        return {"loader": card["loader"], "of": [base], "how": settings_of(card)}
    meaning = {key: card[key] for key in ("loader", "architecture", "dimension") if key in card}
    if has_network(card):
        meaning |= {key: card[key] for key in ("pooling", "preprocessing", "precision")}
        if card["precision"] != "float32" and runtime_of(card) != "torch":
            meaning["runtime"] = runtime_of(card)
        meaning |= {"options": card["options"]} if "options" in card else {}
        meaning["weights"] = weights_meaning(card)
    return meaning


def fused_card(card: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]]) -> ModelCard:
    """The card of a fusion with what follows from its ``members`` (slug -> card, in order)."""
    control = all(is_control(member) for member in members.values())
    return ModelCard({**card, **fusion.of_members(card, members, control)})


def derived_card(card: Mapping[str, Any], base: Mapping[str, Any]) -> ModelCard:
    """The card of an adapted or reranked model with what follows from its ``base``."""
    return ModelCard({**card, **derived.of_base(card, base, is_control(base))})


def loader_module(card: Mapping[str, Any]) -> str:
    """The library module that builds this card's encoder."""
    return loader_of(card).module


def has_network(card: Mapping[str, Any]) -> bool:
    """A card whose images go through a network here: `precision:` and `runtime:` are about it."""
    return loader_of(card).network


def takes_volumes(card: Mapping[str, Any]) -> bool:
    """A card whose encoder takes a series of slices as one volume; single images have no vector."""
    return loader_of(card).volumes


def takes_original(card: Mapping[str, Any]) -> bool:
    """A card whose network takes the values of the file (`range:` of units or percentiles), not
    8 bit.
    """
    return isinstance(card.get("preprocessing", {}).get("range"), Mapping)


def runtime_of(card: Mapping[str, Any]) -> str:
    """What computes a card's forward pass: `torch`, or one of :data:`RUNTIMES`.

    In half precision `auto` is `torch`: the vectors depend on the runtime there, and must not on
    what is installed.
    """
    runtime = card.get("runtime", DEFAULTS["runtime"])
    return "torch" if runtime == "auto" and card.get("precision") != "float32" else runtime


def seen_benchmarks(card: Mapping[str, Any]) -> list[str]:
    """Those of the paper's datasets that the weights have seen; "perhaps others" where the list may
    lack some.
    """
    listed = card.get("training_data", [])
    return [name for name in BENCHMARKS if name in listed] + ["perhaps others"] * (
        UNPUBLISHED in listed
    )


def has_text(card: Mapping[str, Any]) -> bool:
    """A card whose encoder has a text tower in the space of its images."""
    return card.get("text_tower", False)


def is_control(card: Mapping[str, Any]) -> bool:
    """A card without learned weights: a control encoder, a network with random weights, or what is
    made from such.
    """
    return (
        card.get("control", False)
        or card["loader"] == "control"
        or "random_seed" in card.get("weights", {})
    )


class ModelNames(dict[str, str]):
    """Slug -> name of the models, in the order in which they are shown."""

    configured: Sequence[str]
    """The models in the order of the configuration, which their colors follow."""


def names_and_controls(
    cards: Mapping[str, Mapping[str, Any]], order: Sequence[str] = ()
) -> tuple[ModelNames, list[str]]:
    """The name shown for each model, and which of the models are controls.

    ``cards`` stand in the order of the configuration. ``order`` is that in which they are shown, the
    same by default.
    """
    names = ModelNames((model, cards[model]["name"]) for model in order or cards)
    names.configured = list(cards)
    return names, [each for each in cards if is_control(cards[each])]
