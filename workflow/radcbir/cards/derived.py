"""Cards of models that are made from another one: `adapted` vectors, or `reranked` neighbors."""

from collections.abc import Mapping
from typing import Any

ADAPTED = "adapted"
"""Their loader. A linear map, fitted on the index split, changes the vectors of their base."""

RERANKED = "reranked"
"""Their loader. The neighbors of their base come in another order."""

ADAPTED_BY: dict[str, dict[str, Any]] = {
    "pca_whitening": {"components": 128},
    "lda": {},
    "wccn": {},
    "projection": {"components": 128, "loss": "contrastive", "steps": 500, "seed": 0},
}
"""The ways to adapt -> their settings with defaults."""

RERANKED_BY: dict[str, dict[str, Any]] = {
    "query_expansion": {"neighbors": 10, "alpha": 3},
    "database_augmentation": {"neighbors": 10, "alpha": 3},
    "k_reciprocal": {"neighbors": 20, "expansion": 6, "weight": 0.3},
    "diffusion": {"neighbors": 20, "alpha": 3, "reach": 0.99},
}
"""The ways to order neighbors anew -> their settings with defaults."""

NEEDS_GRAPH = ("database_augmentation", "k_reciprocal", "diffusion")
"""Of these, what needs to know the neighbors of index images within the index."""

WAYS = {ADAPTED: ADAPTED_BY, RERANKED: RERANKED_BY}

IN_WORDS = {
    "pca_whitening": "PCA whitening",
    "lda": "LDA",
    "wccn": "WCCN",
    "projection": "projection",
    "query_expansion": "query expansion",
    "database_augmentation": "database augmentation",
    "k_reciprocal": "k-reciprocal",
    "diffusion": "diffusion",
}


def is_adapted(card: Mapping[str, Any]) -> bool:
    """A card whose vectors are those of another model after a linear map."""
    return card["loader"] == ADAPTED


def is_reranked(card: Mapping[str, Any]) -> bool:
    """A card whose neighbors are those of another model in another order; it has no vectors."""
    return card["loader"] == RERANKED


def base_of(card: Mapping[str, Any]) -> str | None:
    """The slug of the model that a card is made from; None for all other cards."""
    return card[card["loader"]]["of"] if card["loader"] in WAYS else None


def settings_of(card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says of how it is made, defaults filled in: ``by`` and the settings of it."""
    given = {key: value for key, value in card[card["loader"]].items() if key != "of"}
    return {**WAYS[card["loader"]][given["by"]], **given}


def of_base(card: Mapping[str, Any], base: Mapping[str, Any], control: bool) -> dict[str, Any]:
    """What a derived card has from the card of its ``base``; ``control`` tells whether that is one.

    How long adapted vectors are is known only after the fit.
    """
    return {
        "architecture": f"{IN_WORDS[card[card['loader']]['by']]} of {base['name']}",
        "control": control,
        **{key: base.get(key, []) for key in ("training_data", "training_texts")},
    }


def key(name: str, description: str, settings: Mapping[str, Mapping]) -> dict[str, Any]:
    """The schema of the key of a card that says how it is made, for its loader ``name``.

    ``settings`` are the schemas of the settings. Those that a way does not have are refused.
    """
    ways = WAYS[name]
    conditions = [
        {
            "if": {"properties": {"by": {"const": way}}, "required": ["by"]},
            "then": {
                "properties": {
                    each: {"not": {}, "description": f"with `by: {way}`"}
                    for each in settings
                    if each not in known
                }
            },
        }
        for way, known in ways.items()
    ]
    of = {"description": "The slug of the model that this one is made from.", "type": "string"}
    return {
        "description": description,
        "type": "object",
        "required": ["of", "by"],
        "additionalProperties": False,
        "properties": {
            "of": of,
            "by": {"description": "How.", "enum": list(ways)},
            **settings,
        },
        "allOf": conditions,
    }
