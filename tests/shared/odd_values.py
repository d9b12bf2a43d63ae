"""Settings with something odd in one place or two, alike in every run."""

import copy
import random
from collections.abc import Iterator
from typing import Any

from mutants import FUZZ

ODD: tuple[Any, ...] = (
    None, "", " ", "x", "*", "../x", "/", "\ud800", "a" * 5000, "1e9", "{model}", 0, -1, 1, 2**70, 0.5, -0.5, 1e308,
    float("nan"), float("inf"), True, [], {}, [[]], [{}], {"": ""}, {1: 2}, {None: None}, [None], [1, "a"], {"a": {"b": []}},
    b"x",
)  # fmt: skip
"""Values of each kind that YAML or JSON can have, and keys that are no text."""


def odd_copies(whole: Any, count: int, seed: int = 0) -> Iterator[Any]:
    """``count`` copies in which one or two places have an odd value, lack a key, have an odd one
    more, or have the value of another place.
    """
    draw = random.Random(seed)
    for _ in range(count * FUZZ):
        given = copy.deepcopy(whole)
        for _ in range(draw.choice((1, 1, 1, 2))):
            places = list(_places(given))
            if not places:
                break
            holder, key = draw.choice(places)
            kind = draw.randrange(8)
            if kind == 0:
                del holder[key]
            elif kind == 1 and isinstance(holder, dict):
                holder[draw.choice(("x", "", 1, None, "__class__"))] = draw.choice(ODD)
            elif kind == 2:
                other, place = draw.choice(places)
                holder[key] = copy.deepcopy(other[place])
            else:
                holder[key] = copy.deepcopy(draw.choice(ODD))
        yield given


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or index of it."""
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in list(keys):
        yield tree, key
        yield from _places(tree[key])
