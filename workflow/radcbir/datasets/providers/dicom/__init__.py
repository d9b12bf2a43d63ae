"""A folder tree of DICOM files, whatever they are called: their headers list the images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radcbir.core.errors import InputError
from radcbir.core.files import is_file
from radcbir.datasets.providers import Provider, options
from radcbir.datasets.providers.dicom.template import DEFAULT, Template
from radcbir.datasets.providers.folder.listing import status_digest

LEAVE_OUT = ["localizers", "secondary_captures", "derived", "burned_in"]
"""What `leave_out:` may name; :mod:`radcbir.datasets.providers.dicom.rules` says which they are."""

UIDS = ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"]
"""What the rows of a CSV may be joined on, the finest first."""

COLUMNS = [*UIDS, "label", "labels", "split", "text"]
"""Our names of columns of a CSV, beside 0/1 columns of labels."""


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    if "csv" not in options:
        for key in ("columns", "label_prefix"):
            if options.get(key):
                raise InputError(
                    f"`prepare: {key}:` is about the table of `csv:`, which is not given: add "
                    f"`csv:`, or drop `{key}:`"
                )
        Template(options.get("label", DEFAULT))
        return {}
    if "label" in options:
        raise InputError(
            "`prepare:` makes labels of headers by `label:` and of a table by `csv:`: keep one"
        )
    if not is_file(options["csv"]):
        raise InputError(
            f"`prepare: csv:` names {options['csv']}, which does not exist (looked for from "
            f"{Path.cwd()}): correct it, or drop it to make labels of the headers"
        )
    return {"table": (options["csv"],)}


_NAME: dict[str, Any] = {"type": "string", "minLength": 1}

PROVIDER = Provider(
    name="dicom",
    title="one's own archive",
    page="",
    terms="",
    files=_files,
    listing=status_digest,
    options=options(
        "shares",
        "step",
        "trim",
        label={
            "description": "A template of DICOM keywords, region, modality, view, laterality and "
            "finding: '{modality}/{region}/{view}'.",
            **_NAME,
        },
        csv={
            "description": "A CSV with labels in place of `label`, joined on a UID or PatientID.",
            **_NAME,
        },
        columns={
            "description": "Our names of the CSV's columns -> yours; a label column with 0 and 1 as MODALITY/region/finding.",
            "type": "object",
            "additionalProperties": False,
            "default": {},
            "patternProperties": {"^[^/]+/[^/]+/.+$": _NAME},
            "properties": dict.fromkeys(COLUMNS, _NAME),
        },
        label_prefix={
            "description": "Put before each label of the CSV, such as XR/chest.",
            **_NAME,
        },
        regions={
            "description": "Words of headers -> region, before those that are known; '*' stands for any letters.",
            "type": "object",
            "additionalProperties": {"type": "string", "pattern": "^[^/|;]*[^/|; ][^/|;]*$"},
            "default": {},
        },
        leave_out={
            "description": "Which images are left out.",
            "type": "array",
            "uniqueItems": True,
            "items": {"enum": LEAVE_OUT},
            "default": LEAVE_OUT,
        },
        seed={"$ref": "#/$defs/seed", "default": 0},
    ),
)
