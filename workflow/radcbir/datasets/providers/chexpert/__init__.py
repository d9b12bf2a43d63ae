"""CheXpert."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, options, packed

TABLES = "CheXpert-v1.0 batch 1 (validate & csv)"
"""The folder with the tables, where CheXpert comes in four batches."""


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    wanted = ["train", "valid"] if options["test"] == "official" else ["train"]
    folders = ("", "CheXpert-v1.0/", "CheXpert-v1.0-small/", f"{TABLES}/")
    return {name: packed(*(f"{folder}{name}.csv" for folder in folders)) for name in wanted}


PROVIDER = Provider(
    name="chexpert",
    title="CheXpert",
    page="https://stanfordaimi.azurewebsites.net/datasets/8cbd9ed4-2eb9-4565-affc-111cf4f7ebe2",
    terms="Stanford University Dataset Research Use Agreement, free after registration",
    files=_files,
    options=options("labels", "test", "validation", "seed", "uncertain", "drop"),
)
