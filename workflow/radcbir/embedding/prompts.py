"""Prompts: how a label is worded for a text tower."""

import string
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from radcbir.core import package_data
from radcbir.core.errors import InputError
from radcbir.core.schema import validate
from radcbir.core.text.yaml_file import read_yaml

PROMPTS_SCHEMA = package_data.schema("prompts")

PARTS = ("modality", "region", "finding")


def load_prompts(path: str | Path) -> dict:
    """Read and check a file of prompt templates. Raises :class:`InputError` that names the file and
    the key.
    """
    settings = read_yaml(path, "the file of prompts")
    validate(settings, PROMPTS_SCHEMA, f"prompts {path}")
    for where, templates in {
        "templates": settings["templates"],
        **settings.get("labels", {}),
    }.items():
        for template in templates:
            _check_template(template, f"prompts {path}: `{where}`")
    return settings


def prompts_of_labels(labels: Iterable[str], settings: Mapping) -> pd.DataFrame:
    """The prompts of each label (``MODALITY/region/finding``): columns label, prompt; labels by
    name.

    A label's own templates under ``labels`` replace the common ones. ``words`` says how a part of a
    label is worded, by default as it is, with blanks for underscores.
    """
    words, own = settings.get("words", {}), settings.get("labels", {})
    rows = []
    for label in sorted(labels):
        parts = dict(zip(PARTS, label.split("/", 2), strict=True))
        worded = {name: words.get(part, part.replace("_", " ")) for name, part in parts.items()}
        rows += [
            (label, template.format(**worded)) for template in own.get(label, settings["templates"])
        ]
    return pd.DataFrame(rows, columns=["label", "prompt"])


def _check_template(template: str, where: str) -> None:
    try:
        fields = [
            field for _, field, _, _ in string.Formatter().parse(template) if field is not None
        ]
    except ValueError as error:
        raise InputError(
            f"{where} has the template {template!r} ({error}): close each brace"
        ) from None
    for field in fields:
        if field not in PARTS:
            raise InputError(
                f"{where} has {{{field}}} in the template {template!r}: use "
                f"{', '.join(f'{{{each}}}' for each in PARTS)}"
            )
