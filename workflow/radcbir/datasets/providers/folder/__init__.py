"""A folder of one's own images, with a CSV or without."""

from collections.abc import Mapping
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.core.files import is_file
from radcbir.datasets.providers import Provider, options
from radcbir.datasets.providers.folder.listing import folder_digest


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    if "csv" not in options:
        return {}
    if not is_file(options["csv"]):
        raise InputError(
            f"`prepare: csv:` names {options['csv']}, which does not exist (looked for from "
            f"{Path.cwd()}): correct it, or "
            "leave it out where the folders name label and patient"
        )
    return {"table": (options["csv"],)}


PLANES = {
    "description": "The planes in which volumes are cut.",
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"enum": ["axial", "coronal", "sagittal"]},
    "default": ["axial"],
}

PROVIDER = Provider(
    name="folder",
    title="one's own folder",
    page="",
    terms="",
    files=_files,
    listing=folder_digest,
    options=options(
        "shares",
        "step",
        "trim",
        csv={
            "description": "A CSV with column names of your own; without one the folders below `images` name label and patient.",
            "type": "string",
            "minLength": 1,
        },
        columns={
            "description": "Our names of columns -> yours; a label column with 0 and 1 as MODALITY/region/finding.",
            "type": "object",
            "additionalProperties": False,
            "default": {},
            "patternProperties": {"^[^/]+/[^/]+/.+$": {"type": "string", "minLength": 1}},
            "properties": {
                "filepath": {"type": "string", "minLength": 1},
                "label": {"type": "string", "minLength": 1},
                "labels": {"type": "string", "minLength": 1},
                "split": {"type": "string", "minLength": 1},
                "modality": {"type": "string", "minLength": 1},
                "anatomic_region": {"type": "string", "minLength": 1},
                "patient_id": {"type": "string", "minLength": 1},
                "study_id": {"type": "string", "minLength": 1},
                "view": {"type": "string", "minLength": 1},
                "sex": {"type": "string", "minLength": 1},
                "age": {"type": "string", "minLength": 1},
                "source": {"type": "string", "minLength": 1},
                "scanner": {"type": "string", "minLength": 1},
                "text": {"type": "string", "minLength": 1},
            },
        },
        label_prefix={
            "description": "Put before each label of the CSV or of the folders, such as XR/chest.",
            "type": "string",
            "minLength": 1,
        },
        patients={
            "description": "Whether the last folder of the tree is the patient.",
            "type": "boolean",
            "default": True,
        },
        split_folders={
            "description": "Whether the first folder of the tree is the split, such as train or test.",
            "type": "boolean",
            "default": False,
        },
        seed={"$ref": "#/$defs/seed", "default": 0},
        planes=PLANES,
    ),
)
