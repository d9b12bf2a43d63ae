"""The weights files that a model card names: where each comes from and where each is kept."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlparse

from radcbir.core.text.addresses import hidden

WEIGHTS = "resources/weights"

WEIGHTS_MEANING = ("layout", "prefix", "unused", "renamed", "random_seed")
"""What of `weights:` changes the embeddings beside the files' content."""


def weights_files(card: Mapping[str, Any]) -> dict[str, dict]:
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


def weights_file(card: Mapping[str, Any]) -> str | None:
    """The name of the first of :func:`weights_files`; None for controls and random weights."""
    weights = card.get("weights", {})
    if "files" in weights:
        return next(iter(weights_files(card)))
    if "url" in weights:
        return PurePosixPath(weights.get("member", urlparse(weights["url"]).path)).name
    return PurePosixPath(weights["file"]).name if "file" in weights else None


def weights_location(model: str, card: Mapping[str, Any]) -> str | None:
    """What :func:`radcbir.encoders.load_encoder` takes as weights: the file, the folder of several,
    or None.
    """
    file = weights_file(card)
    if file is None:
        return None
    return f"{WEIGHTS}/{model}" if "files" in card["weights"] else f"{WEIGHTS}/{model}/{file}"


def content_of(source: Mapping[str, Any]) -> dict[str, str]:
    """What identifies the content of a weights file: its digest in the card, else the commit that
    holds it, else its address, without the secrets that this may hold: a meaning is printed.

    ``source`` is one of :func:`weights_files`. A digest that is recorded when a file is fetched is
    no part of it, so that recording it makes nothing stale.
    """
    for names in (("sha256",), ("hub", "revision", "file"), ("url", "member"), ("page", "file")):
        if names[0] in source:
            return {name: hidden(source[name]) for name in names if name in source}
    return {}


def weights_meaning(card: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `weights:` that changes the embeddings: which files, and how they are read."""
    weights = card["weights"]
    meaning = {name: weights[name] for name in WEIGHTS_MEANING if name in weights}
    if "files" in weights:
        files = {name: content_of(source) for name, source in weights_files(card).items()}
        return meaning | {"files": files}
    return meaning | content_of(weights)
