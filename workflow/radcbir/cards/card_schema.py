"""The JSON schema of model cards: what all cards share, and what the loader of a card reads.

The keys that several loaders share are described in ``workflow/schemas/model-card.schema.json``;
each loader adds its own part (:mod:`radcbir.cards.loaders`).
"""

import functools
import json
from collections.abc import Mapping
from typing import Any

from radcbir.cards.loaders import registry
from radcbir.core import package_data
from radcbir.core.errors import InputError
from radcbir.core.schema import mistakes, no_use

CARD_SCHEMA = package_data.schema("model-card")

DESCRIPTIVE = (
    "name",
    "loader",
    "licence",
    "citation",
    "homepage",
    "training_data",
    "training_texts",
    "sources",
    "text_tower",
    "gated",
    "note",
)
"""The keys that every card may have, whatever its loader."""


def check_card(card: object, where: str) -> None:
    """Raise :class:`InputError` that names ``where`` and all mistakes of a card.

    ``card`` is parsed YAML. Keys that are missing are named together, and so are keys that the
    card's loader does not read.
    """
    name = card.get("loader") if isinstance(card, Mapping) else None
    found = mistakes(card, card_schema(name if isinstance(name, str) else ""))
    if found:
        raise InputError(f"{where}: {'; '.join(found)}")


@functools.cache
def card_schema(name: str = "") -> dict[str, Any]:
    """The schema of the cards of a loader; of an unknown one, that of all keys of all loaders."""
    schema = json.loads(CARD_SCHEMA.read_text(encoding="utf-8"))
    known = schema["properties"]
    known["loader"]["enum"] = sorted(registry())
    every = dict(known)
    for each in registry().values():
        every = {**each.keys, **every}
    if name not in registry():
        return schema | {"properties": every}
    loader = registry()[name]
    keys = {key: known[key] for key in DESCRIPTIVE}
    useless = no_use(f"with `loader: {name}`")
    for key, part in loader.keys.items():
        keys[key] = narrowed(known.get(key, {}), part, useless)
    if not loader.text:
        keys["text_tower"] = {**known["text_tower"], "enum": [False]}
    return schema | {
        "properties": dict.fromkeys(every, useless) | keys,
        "required": [*schema["required"], *loader.required],
        "allOf": list(loader.conditions),
    }


def narrowed(
    schema: Mapping[str, Any], part: Mapping[str, Any], useless: Mapping[str, Any]
) -> dict[str, Any]:
    """A schema with what a loader adds to it.

    ``only`` in ``part`` names the properties that remain; the others get the schema ``useless``.
    ``properties`` are narrowed one by one. Whatever else is in ``part`` replaces the same in
    ``schema``.
    """
    found = {**schema, **{key: each for key, each in part.items() if key != "only"}}
    properties = dict(schema.get("properties", {}))
    for key, each in part.get("properties", {}).items():
        properties[key] = narrowed(properties.get(key, {}), each, useless)
    for key in properties.keys() - part.get("only", properties):
        properties[key] = useless
    return found | {"properties": properties} if properties else found
