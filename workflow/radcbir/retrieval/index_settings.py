"""What `index:` of an experiment may say: the kind of index, and which of its parameters build it
and which search it.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

from collections.abc import Mapping

from radcbir.core.errors import InputError

BUILDING: dict[str, tuple[str, ...]] = {
    "flat": (),
    "ivf": ("nlist",),
    "hnsw": ("links", "ef_construction"),
    "sq8": (),
    "pq": ("bytes",),
    "ivf_pq": ("nlist", "bytes"),
}
"""Type of index -> the keys that change the index file."""

SEARCHING: dict[str, tuple[str, ...]] = {
    "flat": (),
    "ivf": ("nprobe",),
    "hnsw": ("ef_search",),
    "sq8": ("refine",),
    "pq": ("refine",),
    "ivf_pq": ("nprobe", "refine"),
}
"""Type of index -> the keys that change what a search finds in the same index file."""


def check_index_settings(settings: Mapping, where: str) -> None:
    """Raise :class:`InputError` where ``settings`` (of the schema's form) have a key that their
    type does not use.
    """
    kind = settings["type"]
    used = BUILDING[kind] + SEARCHING[kind]
    for name in settings:
        if name != "type" and name not in used:
            others = [each for each in BUILDING if name in BUILDING[each] + SEARCHING[each]]
            raise InputError(
                f"{where} gives `{name}`, which belongs to {' and '.join(others)}, to an index of "
                f"type {kind}: take it "
                f"out{', or use one of ' + ', '.join(used) if used else ''}"
            )


def building(settings: Mapping) -> dict:
    """The part of the settings that the index file depends on."""
    return {
        name: settings[name] for name in ("type", *BUILDING[settings["type"]]) if name in settings
    }


def searching(settings: Mapping) -> dict:
    """The part of the settings that a search of a finished index depends on."""
    return {
        name: settings[name] for name in ("type", *SEARCHING[settings["type"]]) if name in settings
    }


def approximate_note(settings: Mapping) -> str:
    """A sentence for readers of the results; empty where the search is exact."""
    if settings["type"] == "flat":
        return ""
    given = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "type")
    return (
        f"Neighbors come from an approximate index ({settings['type'].upper().replace('_', '-')}"
        f"{': ' + given if given else ''}): scores are exact, but a neighbor may have been missed. "
        "The analysis "
        "`index_fidelity` says how many such indexes miss."
    )
