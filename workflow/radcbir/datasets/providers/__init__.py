"""From the files that a provider of images hands out to a dataset CSV: one package per provider.

A package declares ``PROVIDER``. Its module ``prepare`` has ``prepare(files, options, images)``,
which gives a :class:`radcbir.datasets.preparation.Preparation`. Declarations are read whenever
Snakemake reads the Snakefile, so they import nothing heavy.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radcbir.core.errors import InputError
from radcbir.core.files import is_file, is_folder

Schema = Mapping[str, Any]

SHARED: dict[str, Schema] = {
    "labels": {"$ref": "#/$defs/select-labels", "default": "single"},
    "test": {"$ref": "#/$defs/test", "default": "official"},
    "validation": {"$ref": "#/$defs/validation", "default": 0.1},
    "seed": {"$ref": "#/$defs/seed", "default": 42},
    "harmonise": {"$ref": "#/$defs/harmonise", "default": True},
    "uncertain": {"$ref": "#/$defs/uncertain", "default": "negative"},
    "drop": {
        "description": "Labels that are dropped from all images.",
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "string"},
        "default": ["Support Devices"],
    },
    "shares": {
        "description": "Split -> its share of the patients; the shares add up to 1.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"$ref": "#/$defs/split"},
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
        "default": {"train": 0.7, "val": 0.1, "test": 0.2},
    },
    "step": {
        "description": "Every how many-th slice or frame is taken.",
        "type": "integer",
        "minimum": 1,
        "default": 1,
    },
    "trim": {
        "description": "Share of the slices or frames left out at both ends.",
        "type": "number",
        "minimum": 0,
        "maximum": 0.49,
        "default": 0,
    },
}
"""Options of several providers. What ``$ref`` names is in ``$defs`` of ``config.schema.json``."""


@dataclass(frozen=True)
class Provider:
    """Who hands out a dataset, the files that its preparation reads, and its options."""

    name: str
    """As `prepare: from:` of the configuration has it."""
    title: str
    page: str
    """Where its files are to be had; empty for files of the user's own."""
    terms: str
    """Its licence or agreement, as the provider names it."""
    files: Callable[[Mapping], Mapping[str, tuple[str, ...]]]
    """The checked options of `prepare:` -> what a file is for -> the names that it may have, the
    usual one first."""
    options: Schema
    """Keys of `prepare:` -> JSON schema with the default; see :func:`options`."""
    listing: Callable[[str | Path], str] | None = None
    """The image root -> a text that changes with the files that the images are listed from; None
    where the provider's own files list them."""
    fetched: bool = False
    """Whether a rule fetches the images, so that the user names no image root."""
    required: tuple[str, ...] = ()
    """Options that have to be given."""
    package: str = ""
    """The package of a provider whose name cannot be that of one."""

    @property
    def module(self) -> str:
        """The library module that prepares the dataset."""
        package = self.package or self.name.replace("-", "_")
        return f"{__name__}.{package}.prepare"

    def schema(self) -> dict[str, Any]:
        """The JSON schema of `prepare:`. A provider with a page has its files in a folder,
        `metadata:`.
        """
        usual: dict[str, Any] = {"from": {}}
        if self.page:
            usual |= {
                "metadata": {"$ref": "#/$defs/metadata"},
                "one_hot": {"$ref": "#/$defs/one-hot", "default": False},
            }
        return {
            "type": "object",
            "required": [*(["metadata"] if self.page else []), *self.required],
            "additionalProperties": False,
            "properties": {**usual, **self.options},
        }


def options(*shared: str, **own: Schema) -> dict[str, Schema]:
    """The options of a provider: some of :data:`SHARED`, and its own."""
    return {name: SHARED[name] for name in shared} | own


@functools.cache
def registry() -> dict[str, Provider]:
    """All providers by name."""
    found = [
        importlib.import_module(f"{__name__}.{each.name}").PROVIDER
        for each in pkgutil.iter_modules(__path__)
    ]
    return {each.name: each for each in found}


def definitions() -> dict[str, Any]:
    """The part of the configuration's schema that is about `prepare:`."""
    names = list(registry())
    prepare = {
        "description": "Makes the dataset CSV from the files that a provider hands out.",
        "type": "object",
        "required": ["from"],
        "properties": {"from": {"description": "The provider, such as nih14.", "enum": names}},
        "allOf": [
            {
                "if": {"properties": {"from": {"const": name}}, "required": ["from"]},
                "then": {"$ref": f"#/$defs/prepare-{name}"},
            }
            for name in names
        ],
    }
    return {"prepare": prepare} | {
        f"prepare-{name}": each.schema() for name, each in registry().items()
    }


def provider_files(prepare: Mapping, where: str) -> dict[str, str]:
    """What each file of a provider is for -> its path, for the checked options ``prepare`` of a
    dataset.

    Raises :class:`InputError` for all missing files at once: ``where`` (the key in the
    configuration), which files, where they come from, and their terms.
    """
    provider = registry()[prepare["from"]]
    wanted = provider.files(prepare)
    if not wanted:
        return {}
    folder = Path(prepare.get("metadata", "."))
    there = {
        role: [name for name in names if is_file(folder / name)] for role, names in wanted.items()
    }
    missing = [wanted[role][0] for role in wanted if not there[role]]
    if missing:
        what = "is no folder and so lacks" if not is_folder(folder) else "lacks"
        raise InputError(
            f"{where}: the folder {folder} {what} {', '.join(missing)} of {provider.title}: get "
            f"{'it' if len(missing) == 1 else 'them'} from {provider.page} ({provider.terms}), or "
            "correct `metadata:`"
        )
    return {role: str(folder / names[0]) for role, names in there.items()}


def packed(*names: str) -> tuple[str, ...]:
    """Each name as it is and compressed."""
    return tuple(each for name in names for each in (name, f"{name}.gz"))
