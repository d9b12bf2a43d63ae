"""RadImageNet."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, packed


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    files = {split: packed(f"RadiologyAI_{split}.csv") for split in ("train", "val", "test")}
    if options.get("ignore_list"):
        files["ignore_list"] = (options["ignore_list"],)
    return files


PROVIDER = Provider(
    name="radimagenet",
    title="RadImageNet",
    page="https://www.radimagenet.com",
    terms="RadImageNet research agreement, on request",
    files=_files,
    options={
        "ignore_list": {
            "description": "A list of file names that are left out, in the folder `metadata` or by its full path.",
            "type": "string",
            "minLength": 1,
        }
    },
)
