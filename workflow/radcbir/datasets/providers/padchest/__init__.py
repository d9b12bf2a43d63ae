"""PadChest."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, options, packed


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    return {"labels": packed("PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv")}


PROVIDER = Provider(
    name="padchest",
    title="PadChest",
    page="https://bimcv.cipf.es/bimcv-projects/padchest/",
    terms="PadChest Dataset Research Use Agreement, free after registration",
    files=_files,
    options=options(
        "labels",
        "validation",
        "seed",
        "harmonise",
        test={
            "description": "Share of the patients that is drawn as test; there is no official test set.",
            "$ref": "#/$defs/share",
            "default": 0.2,
        },
        leave_out={
            "description": "Images with one of these labels are left out.",
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "string"},
            "default": ["exclude", "suboptimal study", "unchanged"],
        },
    ),
)
