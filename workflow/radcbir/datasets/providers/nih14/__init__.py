"""NIH ChestX-ray14."""

from collections.abc import Mapping

from radcbir.datasets.providers import Provider, options, packed


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    files = {"entries": packed("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")}
    if options["test"] == "official":
        files |= {"train_val_list": ("train_val_list.txt", "train_val_list_NIH.txt")}
        files |= {"test_list": ("test_list.txt", "test_list_NIH.txt")}
    return files


PROVIDER = Provider(
    name="nih14",
    title="NIH ChestX-ray14",
    page="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    terms="free to use, with a link to that page and the citation that it names",
    files=_files,
    options=options("labels", "test", "validation", "seed", "harmonise"),
)
