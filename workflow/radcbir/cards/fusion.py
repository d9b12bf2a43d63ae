"""Cards of several models as one (`fusion`): what follows from their members."""

from collections.abc import Mapping
from typing import Any

FUSION = "fusion"
"""Their loader. Their embeddings are made from those of their members."""

RANK_CONSTANT = 60
"""k of reciprocal-rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009)."""


def is_fusion(card: Mapping[str, Any]) -> bool:
    """A card that puts other models together."""
    return card["loader"] == FUSION


def of_members(
    card: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]], control: bool
) -> dict[str, Any]:
    """What a fusion's card has from its ``members`` (slug -> card, in order).

    ``control`` tells whether all of them are controls. There is no dimension where a member's card
    has none.
    """
    widths = [member.get("dimension") for member in members.values()]
    found: dict[str, Any] = {
        "architecture": f"{card['fusion']['by'].replace('_', ' ')} of {', '.join(members)}",
        "control": control,
    }
    for key in ("training_data", "training_texts"):
        listed = (each for member in members.values() for each in member.get(key, []))
        found[key] = list(dict.fromkeys(listed))
    return found if None in widths else found | {"dimension": sum(filter(None, widths))}
