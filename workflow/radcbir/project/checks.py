"""Checks and defaults that several parts of the configuration use."""

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from radcbir.core.errors import InputError


def with_defaults(value: object, schema: Mapping) -> Any:
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


def check_known(names: Iterable[str], known: Iterable[str], where: str, listed: str) -> None:
    """Raise :class:`InputError` with all names that are not known, and those that are meant."""
    known = list(known)
    unknown = [
        f"{where} names '{name}', which {listed} does not list: {suggested(name, known)}"
        for name in names
        if name not in known
    ]
    if unknown:
        raise InputError(*unknown)


def suggested(name: str, known: Sequence[str]) -> str:
    """The known name that is nearest to a wrong one, or all of them, as text."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean '{near[0]}'?" if near else (", ".join(known) or "none so far")


def mistakes_of_page(
    settings: Mapping, experiments: Mapping[str, Mapping], datasets: Mapping, where: str
) -> list[str]:
    """What `app:` asks for that the rest of the configuration does not allow, as sentences."""
    found = []
    if "pseudonymise" in settings and "viewer" in settings["app"]:
        found.append(
            f"{where}: `app: viewer:` needs the UIDs of studies, which `pseudonymise:` takes "
            "away: drop one of them"
        )
    used = [datasets[each] for one in experiments.values() for each in one["datasets"]]
    fetched = any(each.get("prepare", {}).get("from") == "dicomweb" for each in used)
    if settings["app"]["archive"] and not fetched:
        found.append(
            f"{where}: `app: archive:` lets the page ask the archive that a dataset comes from, and "
            "no dataset of an experiment comes from one (`prepare: {from: dicomweb}`): take it out"
        )
    return found
