"""Volumes with masks of the structures that they show, as segmentation programs write them."""

from radcbir.datasets.providers import Provider, options
from radcbir.datasets.providers.folder import PLANES
from radcbir.datasets.providers.folder.listing import status_digest

PROVIDER = Provider(
    name="organ-masks",
    title="volumes with organ masks",
    page="",
    terms="",
    files=lambda options: {},
    listing=status_digest,
    required=("masks", "structures"),
    options=options(
        "shares",
        "step",
        "trim",
        masks={
            "description": "Where below `images` the masks of a volume are: one file, or a folder with a file per "
            "structure, with {folder} or {name} for those of the volume.",
            "type": "string",
            "pattern": r"^(?!/)(?!.*(^|/)\.\.(/|$)).*\{(folder|name)\}.*$",
        },
        structures={
            "description": "Number of a structure, or name of its file without suffix -> label "
            "MODALITY/region/finding. Others are left out.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "description": "A label MODALITY/region/finding.",
                "type": "string",
                "pattern": r"^[^/|;]+/[^/|;]+/[^|;]+$",
            },
        },
        pixels={
            "description": "A slice shows a structure from so many of its pixels on.",
            "type": "integer",
            "minimum": 1,
            "default": 1,
        },
        patients={
            "description": "Whether the first folder of a volume is the patient. Else each volume is one.",
            "type": "boolean",
            "default": False,
        },
        seed={"$ref": "#/$defs/seed", "default": 0},
        planes=PLANES,
    ),
)
