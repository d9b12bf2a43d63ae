"""3D-MIR: splits and labels for volumes of the Medical Segmentation Decathlon."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, options
from radcbir.datasets.providers.folder import PLANES
from radcbir.datasets.providers.folder.listing import folder_digest


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    organ = options["organ"]
    wanted = {
        "labels": ("3DMIR_labels", f"{organ}_labels_and_captions.csv"),
        "train": ("Data_Splits", f"{organ}_full_train_split.csv"),
        "test": ("Data_Splits", f"{organ}_full_test_split.csv"),
    }
    return {role: (f"{folder}/{name}", name) for role, (folder, name) in wanted.items()}


PROVIDER = Provider(
    name="3d-mir",
    package="mir_3d",
    title="3D-MIR",
    page="https://github.com/abachaa/3D-MIR, folder Data; the volumes from http://medicaldecathlon.com",
    terms="CC BY 4.0 for splits and labels, CC BY-SA 4.0 for the volumes",
    files=_files,
    listing=folder_digest,
    required=("organ",),
    options=options(
        "step",
        "trim",
        organ={
            "description": "The organ whose lesions are looked for.",
            "enum": ["colon", "liver", "lung", "pancreas"],
        },
        label={
            "description": "tumor: whether the organ has one. lesion_group: the benchmark's groups by size and number.",
            "enum": ["tumor", "lesion_group"],
            "default": "tumor",
        },
        planes=PLANES,
    ),
)
