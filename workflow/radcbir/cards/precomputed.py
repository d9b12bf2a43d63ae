"""Cards of models whose embeddings, or whose neighbor lists, exist already (`precomputed`)."""

from collections.abc import Mapping
from typing import Any

PRECOMPUTED = "precomputed"
"""Their loader. Nothing is encoded for them."""


def is_precomputed(card: Mapping[str, Any]) -> bool:
    """A card whose embeddings or neighbor lists exist already."""
    return card["loader"] == PRECOMPUTED


def source_file(card: Mapping[str, Any], dataset: str) -> str:
    """The file that holds what a precomputed card has of a dataset, or the folder of such files:
    ``path`` with the dataset's name there filled in.
    """
    path = card["path"].replace("{dataset}", card.get("files", {}).get(dataset, dataset))
    return path.rstrip("/")


def has_vectors(card: Mapping[str, Any]) -> bool:
    """False for a precomputed card of neighbor lists (a CSV), which come without embeddings."""
    return not (is_precomputed(card) and card["path"].endswith(".csv"))
