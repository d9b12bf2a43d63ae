"""VinDr-CXR."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, options, packed


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    if options.get("release") == "kaggle":
        return {"train": packed("train.csv")}
    wanted = ["train", "test"] if options["test"] == "official" else ["train"]
    return {
        name: packed(f"annotations/image_labels_{name}.csv", f"image_labels_{name}.csv")
        for name in wanted
    }


PROVIDER = Provider(
    name="vindr-cxr",
    title="VinDr-CXR",
    page="https://physionet.org/content/vindr-cxr/ or https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection",
    terms="PhysioNet Credentialed Health Data Use Agreement, or the rules of the Kaggle competition",
    files=_files,
    options=options(
        "labels",
        "test",
        "validation",
        "seed",
        "harmonise",
        release={
            "description": "Whose files: PhysioNet's, or those of the Kaggle competition.",
            "enum": ["physionet", "kaggle"],
            "default": "physionet",
        },
        agreement={
            "description": "How many of the three radiologists have to give a label.",
            "type": "integer",
            "minimum": 1,
            "maximum": 3,
            "default": 2,
        },
        suffix={
            "description": "How image files end; .png where they were converted.",
            "enum": [".dicom", ".dcm", ".png", ".jpg"],
            "default": ".dicom",
        },
    ),
)
