"""Checks of single settings of the configuration."""

import copy
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from radcbir.core.errors import InputError


def slug_of(name: str) -> str:
    """A file name without its suffix, as a name in paths of results."""
    stem = name[: name.find(".", 1)] if "." in name[1:] else name
    return re.sub("[^a-z0-9]+", "-", stem.lower()).strip("-") or "query"


def with_defaults(value: object, schema: Mapping) -> object:
    """A copy of ``value`` with the defaults of its schema filled in at every level."""
    if not isinstance(value, Mapping):
        return copy.deepcopy(value)
    properties = schema.get("properties", {})
    filled = {
        name: copy.deepcopy(each["default"])
        for name, each in properties.items()
        if "default" in each
    }
    filled |= dict(value)
    rest = schema.get("additionalProperties") or {}
    return {name: with_defaults(each, properties.get(name, rest)) for name, each in filled.items()}


def validation_split(experiment: Mapping, key: str) -> str | None:
    """The query split that chooses: the one that is named, else ``val`` where another one is left
    to test.
    """
    splits = experiment["query_splits"]
    named = experiment.get("val_split")
    if named is None:
        return "val" if "val" in splits and len(splits) > 1 else None
    if named not in splits:
        raise InputError(
            f"{key} is '{named}', which `query_splits:` does not list: {suggested(named, splits)}"
        )
    if len(splits) == 1:
        raise InputError(
            f"{key} is the only query split, so that nothing is left to test: add one to "
            "`query_splits:`"
        )
    return named


def paper_test_split(experiment: Mapping, key: str) -> str:
    """The query split that paper mode tests: the one that is named, else ``test``, else the last
    that chooses nothing.
    """
    splits = [each for each in experiment["query_splits"] if each != experiment["val_split"]]
    named = experiment["paper_mode"].get("test_split", "test" if "test" in splits else splits[-1])
    if named == experiment["val_split"]:
        raise InputError(
            f"{key} is '{named}', which chooses k (`val_split:`): name another of the "
            "`query_splits:`"
        )
    check_known([named], splits, key, "`query_splits`")
    return named


def check_intensity(intensity: Mapping, key: str) -> None:
    """Raise :class:`InputError` where an intensity policy contradicts itself."""
    if "window" in intensity and intensity["policy"] != "window":
        raise InputError(
            f"{key} window` stands beside `policy: {intensity['policy']}`, which has no use for "
            "it: drop one"
        )
    if intensity["low"] >= intensity["high"]:
        raise InputError(
            f"{key} low` is {intensity['low']}, not below `high: {intensity['high']}`: correct them"
        )


def check_shares(shares: Mapping[str, float], key: str) -> None:
    """Raise :class:`InputError` where shares of splits do not add up to one."""
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"{key} has `shares:` that add up to {sum(shares.values()):g}: make it 1")


def check_known(names: Iterable[str], known: Iterable[str], where: str, listed: str) -> None:
    """Raise :class:`InputError` for the first name that is not known, with those that are meant."""
    known = list(known)
    for name in names:
        if name not in known:
            raise InputError(
                f"{where} names '{name}', which {listed} does not list: {suggested(name, known)}"
            )


def suggested(name: str, known: Sequence[str]) -> str:
    """The known name that is nearest to a wrong one, or all of them, as text."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean '{near[0]}'?" if near else (", ".join(known) or "none so far")
