"""Versions of the code that makes embeddings, in place of digests of that code.

Images are embedded again when the meaning of their model's card changes, or one of these numbers.
A change of code that gives other vectors has to raise the number that belongs to it; any other
change leaves them alone, and a new release of the workflow embeds nothing again. The tests hold
fixed images against vectors and pixels that are recorded together with these numbers
(``tests/unit/encoders/test_golden.py``): they fail when either changes without the other.

The version of a loader is in its declaration (:mod:`radcbir.cards.loaders`).
"""

from collections.abc import Mapping
from typing import Any

from radcbir.cards.loaders import loader_of

NETWORK = 1
"""What all networks share: batches, normalisation, precision (:mod:`radcbir.encoders.network`)."""

VOLUMES = 1
"""What encoders of volumes share: how a volume is prepared (:mod:`radcbir.encoders.volumes`)."""

PREPROCESSING = {
    "shortest": 1,
    "squash": 1,
    "pad": 1,
    "corner": 1,
    "black_square": 1,
    "library": 1,
    "not smoothed": 1,
    "stretched": 1,
    "equalized": 1,
    "original values": 1,
    "image's own mean": 1,
}
"""Each way to resize and crop an image (:mod:`radcbir.encoders.preprocessing`): the values of
`resize:`, `antialias: false`, `range: stretched`, `range: equalized` or of original values,
`mean: image`. A card depends on those that it uses."""

RUNTIMES = {"openvino": 1, "torch-compile": 1}
"""Runtimes of their own rounding, which count in half precision (:mod:`radcbir.encoders.runtimes`)."""


def ways_of(preprocessing: Mapping[str, Any]) -> list[str]:
    """The keys of :data:`PREPROCESSING` that a card's ``preprocessing`` uses."""
    ways = [preprocessing["resize"]]
    ways += ["not smoothed"] if not preprocessing.get("antialias", True) else []
    given = preprocessing.get("range")
    ways += [given] if given in ("stretched", "equalized") else []
    ways += ["original values"] if isinstance(given, Mapping) else []
    ways += ["image's own mean"] if preprocessing["mean"] == "image" else []
    return ways


def size_of(preprocessing: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the network's input in pixels; a card with one number means a square."""
    size = preprocessing["size"]
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def channels_of(preprocessing: Mapping[str, Any]) -> int:
    """How many channels the network takes."""
    mean = preprocessing["mean"]
    return preprocessing["channels"] if mean == "image" else len(mean)


def versions(meaning: Mapping[str, Any]) -> dict[str, Any]:
    """What an embedding depends on besides the meaning of its model's card and the image's pixels.

    ``meaning`` is the card or its meaning. A fusion, and what is made from another
    model, has its loader's version alone: the files of its members depend on theirs.
    """
    loader = loader_of(meaning)
    found: dict[str, Any] = {"loader": loader.version}
    if loader.volumes:
        found |= {"network": NETWORK, "volumes": VOLUMES}
    elif loader.network:
        ways = ways_of(meaning["preprocessing"])
        found |= {"network": NETWORK, "preprocessing": {each: PREPROCESSING[each] for each in ways}}
        if meaning["precision"] != "float32" and meaning.get("runtime") in RUNTIMES:
            found["runtime"] = RUNTIMES[meaning["runtime"]]
    return found
