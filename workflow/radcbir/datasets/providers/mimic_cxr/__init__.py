"""MIMIC-CXR-JPG."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, packed


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    return {
        name: packed(f"mimic-cxr-2.0.0-{name}.csv") for name in ("chexpert", "split", "metadata")
    }


PROVIDER = Provider(
    name="mimic-cxr",
    title="MIMIC-CXR-JPG",
    page="https://physionet.org/content/mimic-cxr-jpg/",
    terms="PhysioNet Credentialed Health Data Use Agreement, after training and credentialing",
    files=_files,
    options={
        "labels": {"$ref": "#/$defs/select-labels", "default": "single"},
        "drop": {
            "description": "Labels that are dropped from all images.",
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "string"},
            "default": ["Support Devices"],
        },
        "uncertain": {"$ref": "#/$defs/uncertain", "default": "negative"},
    },
)
