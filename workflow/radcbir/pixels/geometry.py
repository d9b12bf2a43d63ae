"""What of a model card and a dataset decides the preprocessed pixels of an image, and nothing else.

Two models of the same geometry read the same pixels: what they do with them on the device (mean,
standard deviation, the lowest and highest value) is left out.
"""

from collections.abc import Mapping
from typing import Any

from radcbir.cards.loaders import loader_of
from radcbir.cards.versions import PREPROCESSING, channels_of, size_of, ways_of
from radcbir.images import reader
from radcbir.images.intensity import policy_of

SHAPING = ("size", "resize", "crop_pct", "crop_start", "interpolation", "canvas", "antialias")
"""The keys of a card's ``preprocessing`` that decide size and values of the pixels."""


def geometry(card: Mapping[str, Any], intensity: Mapping[str, Any]) -> dict[str, Any]:
    """The geometry of a card's network for a dataset's ``intensity`` policy, as a JSON value.

    ``card`` is the card or its meaning. It has the versions of all code that the pixels depend on.
    """
    given = card["preprocessing"]
    found: dict[str, Any] = {key: given[key] for key in SHAPING if key in given}
    found["channels"] = channels_of(given)
    range_ = given.get("range")
    if range_ in ("stretched", "equalized") or isinstance(range_, Mapping):
        found["range"] = range_
    if given["resize"] == "pad":
        found["border"] = given["mean"]
    if given["resize"] == "library":
        loader = loader_of(card)
        found["library"] = [loader.name, loader.version]
    versions = {each: PREPROCESSING[each] for each in ways_of(given)}
    return {
        "preprocessing": found,
        "intensity": dict(policy_of(given, intensity)),
        "versions": {"preprocessing": versions, "images": reader.versions()},
    }


def bytes_per_image(geometry: Mapping[str, Any], channels: int = 3) -> int:
    """How many bytes the pixels of one image take, of this geometry and so many channels."""
    given = geometry["preprocessing"]
    rounded = given.get("antialias", True) and given["resize"] != "library"
    if isinstance(given.get("range"), Mapping):
        channels, rounded = 1, False
    height, width = size_of(given)
    return height * width * min(channels, given["channels"]) * (1 if rounded else 4)
