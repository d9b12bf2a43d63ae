"""The models of the configuration: their cards, what the configuration changes in them, and what
follows for those that are made from others.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from radcbir.cards import derived, model_card
from radcbir.cards.model_card import ModelCard
from radcbir.core.errors import InputError, Mistakes
from radcbir.core.files import is_file
from radcbir.project.checks import check_known, suggested

OVERRIDES = ("precision", "runtime")
"""Keys of the configuration that take the place of the same keys in model cards."""

ALL = "*"
"""Stands for all models that such a key does not name."""

AUTO = "auto"
"""The precision that follows from `device:`."""


def overrides_in_full(config: Mapping) -> Mapping:
    """The configuration with `precision:` and `runtime:` as mappings from models: a value alone is
    that of all.
    """
    if not isinstance(config, Mapping):
        return config
    return {
        **config,
        **{key: {ALL: config[key]} for key in OVERRIDES if isinstance(config.get(key), str)},
    }


def load_cards(models: Sequence[str], folders: Sequence[Path], where: str) -> dict[str, ModelCard]:
    """The cards of ``models`` by slug, each from the first of ``folders`` that has it.

    Raises :class:`InputError` with all models that have none, and all mistakes of cards.
    """
    cards, mistakes = {}, Mistakes()
    for model in models:
        with mistakes.noted():
            cards[model] = model_card.load_card(card_path(model, folders, where))
    mistakes.refuse()
    return cards


def card_path(model: str, folders: Sequence[Path], where: str) -> Path:
    """The file of a model's card. Raises :class:`InputError` where there is none."""
    for folder in folders:
        if is_file(folder / f"{model}.yaml"):
            return folder / f"{model}.yaml"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise InputError(
        f"{where}: the model '{model}' has no card {folders[0] / f'{model}.yaml'}: write one, or "
        f"name one of those there: {suggested(model, known)}"
    )


def available_cards(folders: Sequence[Path]) -> dict[str, ModelCard]:
    """Every card of ``folders`` by its slug, used by the configuration or not."""
    paths = {path.stem: path for folder in reversed(folders) for path in folder.glob("*.yaml")}
    found = {slug: model_card.load_card(path) for slug, path in sorted(paths.items())}
    for slug, card in found.items():
        if card["loader"] == "fusion" and all(member in found for member in card["fusion"]["of"]):
            found[slug] = model_card.fused_card(
                card, {member: found[member] for member in card["fusion"]["of"]}
            )
    for slug in _bases_first(found):
        base = derived.base_of(found[slug])
        if base in found:
            found[slug] = model_card.derived_card(found[slug], found[base])
    return found


def override(cards: dict[str, ModelCard], settings: Mapping, where: str) -> None:
    """Put what `precision:` and `runtime:` say into the cards: of all models with a network, or of
    those named. `precision: auto` is bfloat16 where `device:` names a GPU, else float32: what is
    stored follows from the configuration, not from the machine that a job runs on.

    Raises :class:`InputError` for models that are not listed or have no network.
    """
    mistakes = Mistakes()
    for key in OVERRIDES:
        values = dict(settings[key])
        if key == "precision":
            automatic = "bfloat16" if settings["device"].startswith("cuda") else "float32"
            values = {model: automatic if each == AUTO else each for model, each in values.items()}
        for_all = values.pop(ALL, None)
        with mistakes.noted():
            check_known(values, cards, f"{where}: `{key}`", "`models`")
        for model, card in cards.items():
            if model in values and not card.has_network:
                mistakes.add(
                    f"{where}: `{key}` names '{model}', which has no network of its own "
                    f"(`loader: {card['loader']}`): take it out"
                )
            elif model in values and key == "runtime" and card.takes_volumes:
                mistakes.add(
                    f"{where}: `runtime` names '{model}', which takes volumes: torch alone computes "
                    "these; take it out"
                )
            elif key == "runtime" and card.takes_volumes:
                continue
            elif model in values or (for_all and card.has_network):
                cards[model] = card | {key: values.get(model, for_all)}
    mistakes.refuse()


def fuse(cards: dict[str, ModelCard], where: str) -> None:
    """Complete the cards of fusions with what follows from their members.

    Raises :class:`InputError` with all members that cannot be fused.
    """
    mistakes = Mistakes()
    fusions = [model for model, card in cards.items() if card["loader"] == "fusion"]
    for model in fusions:
        members = {}
        for member in cards[model]["fusion"]["of"]:
            with mistakes.noted():
                members[member] = _member(cards, model, member, where)
        if len(members) == len(cards[model]["fusion"]["of"]):
            cards[model] = model_card.fused_card(cards[model], members)
    mistakes.refuse()


def _member(cards: Mapping[str, ModelCard], model: str, member: str, where: str) -> ModelCard:
    """The card of a fusion's member, if it can be fused."""
    fusion = f"{where}: the model '{model}' is a fusion of '{member}'"
    by = cards[model]["fusion"]["by"]
    if member not in cards:
        listed = ", ".join(name for name, card in cards.items() if card["loader"] != "fusion")
        raise InputError(
            f"{fusion}, which `models` does not list: add it there, or correct `fusion: of` "
            f"(listed: {listed})"
        )
    card = cards[member]
    if card.takes_volumes:
        raise InputError(
            f"{fusion}, which has vectors of series and none of images: take it out of `fusion: of`"
        )
    if not model_card.has_vectors(card):
        raise InputError(
            f"{fusion}, which has neighbor lists and no embeddings: take it out of `fusion: of`"
        )
    if derived.base_of(card) is not None:
        raise InputError(
            f"{fusion}, which is made for one experiment from '{derived.base_of(card)}': name that "
            "one instead"
        )
    if card["loader"] == "fusion":
        raise InputError(
            f"{fusion}, which is a fusion itself: name the members of '{member}' instead"
        )
    if card.dimension is None and by != "concatenation":
        raise InputError(
            f"{where}: the model '{model}' is a fusion by {by} of '{member}', whose card does not "
            "say how long its vectors are: add `dimension:` to it"
        )
    return card


def derive(cards: dict[str, ModelCard], where: str) -> None:
    """Complete the cards of adapted and reranked models with what follows from their base.

    Raises :class:`InputError` with all bases that cannot be used.
    """
    mistakes = Mistakes()
    for model in _bases_first(cards):
        with mistakes.noted():
            cards[model] = model_card.derived_card(cards[model], _base(cards, model, where))
    mistakes.refuse()


def _bases_first(cards: Mapping[str, ModelCard]) -> list[str]:
    """The adapted models, then the reranked ones, which may be made from adapted ones."""
    found = [model for model, card in cards.items() if derived.base_of(card) is not None]
    return sorted(found, key=lambda model: derived.is_reranked(cards[model]))


def _base(cards: Mapping[str, ModelCard], model: str, where: str) -> ModelCard:
    """The card of the model that another one is made from, if that can be done."""
    card = cards[model]
    base = derived.base_of(card) or ""
    made = f"{where}: the model '{model}' is made from '{base}'"
    if base not in cards:
        allowed = ", ".join(name for name, each in cards.items() if derived.base_of(each) is None)
        raise InputError(
            f"{made}, which `models` does not list: add it there, or correct "
            f"`{card['loader']}: of` (listed: {allowed})"
        )
    of = cards[base]
    if not model_card.has_vectors(of):
        raise InputError(f"{made}, which has neighbor lists and no embeddings: name another one")
    if of["loader"] == "fusion" and of["fusion"]["by"] != "concatenation":
        raise InputError(
            f"{made}, a fusion by {of['fusion']['by']}, which has no vectors of its own: name a "
            "fusion by concatenation, or one of its members"
        )
    if derived.is_reranked(of) or (derived.is_adapted(of) and derived.is_adapted(card)):
        raise InputError(
            f"{made}, which is made from another model itself: name '{derived.base_of(of)}' instead"
        )
    return of


def prompts_file(settings: Mapping, folders: Sequence[Path], where: str) -> Path | None:
    """The file of prompt templates: the one that `prompts:` names, else the one beside the folders
    of cards.
    """
    if "prompts" in settings:
        if not is_file(settings["prompts"]):
            raise InputError(
                f"{where}: the file {settings['prompts']} of `prompts:` does not exist (looked for "
                f"from {Path.cwd()}): correct it, or copy config/prompts.yaml there"
            )
        return Path(settings["prompts"])
    beside = [folder.parent / "prompts.yaml" for folder in folders]
    return next((Path(os.path.relpath(path)) for path in beside if path.is_file()), None)
