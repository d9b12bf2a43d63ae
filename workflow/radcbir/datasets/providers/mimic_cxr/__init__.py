"""MIMIC-CXR-JPG."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, options, packed


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
    options=options("labels", "uncertain", "drop"),
)
