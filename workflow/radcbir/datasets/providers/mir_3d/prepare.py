"""3D-MIR (Ben Abacha et al., Scientific Reports 16:21016, 2026): volumes of the Medical
Segmentation Decathlon, with a split and a label per organ.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.text.csv_reader import wrong_cells
from radcbir.datasets.preparation import Preparation, label_matrix, read_table
from radcbir.datasets.providers.folder.listing import files_below
from radcbir.datasets.providers.folder.slices import by_slice
from radcbir.images.address import split_address

SPLIT_COLUMNS = {"train": "training", "test": "testing"}

NONE = "-1"
"""The lesion group of a volume without a lesion."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The slices of the volumes that the organ's two splits list, with the options `label`,
    `planes`, `step` and `trim`.

    A volume is found below ``images`` by its name, in any folder but those of masks (`labelsTr`). It
    is a series and a patient of its own. Volumes of a split without a row in the table of labels
    are left out and counted.
    """
    listed = pd.concat([_split(files[name], name) for name in SPLIT_COLUMNS], ignore_index=True)
    twice = listed["name"][listed["name"].duplicated()]
    if len(twice):
        raise InputError(
            f"{files['train']} and {files['test']} list the volume {twice.iloc[0]} twice "
            f"({len(twice)} are repeated): give the files as they were published"
        )
    labels = _labels(files["labels"], options)
    labelled = listed["name"].isin(labels.index)
    table = listed[labelled].reset_index(drop=True)
    if table.empty:
        raise InputError(
            f"{files['labels']} has no row for a volume of {files['train']} or {files['test']}: "
            "give the files of one organ"
        )
    table["filepath"] = _paths(table["name"], images)
    stems = table["name"].str.removesuffix(".gz").str.removesuffix(".nii")
    table = table.assign(
        patient_id=stems, series_id=stems, labels=labels.loc[table["name"]].to_numpy()
    )
    table = by_slice(table, options, images)
    selected = table["filepath"].map(lambda path: split_address(path)[1])
    table["view"] = selected.map(lambda each: next(iter(each), None))
    table["instance"] = selected.map(lambda each: next(iter(each.values()), None))
    names = {each: each for each in sorted(set(labels))}
    matrix = label_matrix(table["labels"].map(lambda each: [each]), names, files["labels"], "name")
    preparation = Preparation(table.drop(columns=["name", "labels"]), matrix)
    if not labelled.all():
        step = "volumes of a split without a label, left out"
        preparation.note(step, int((~labelled).sum()), int((~labelled).sum()))
    preparation.count_labels()
    return preparation


def _split(path: Path, split: str) -> pd.DataFrame:
    """The volumes of a split."""
    column = SPLIT_COLUMNS[split]
    names = read_table(path, [column], keys=[column])[column]
    return pd.DataFrame({"name": names.str.strip(), "split": split})


def _labels(path: Path, options: Mapping) -> pd.Series:
    """The label of each volume, by its name."""
    wanted = ["name", "cancer_flag", "lesion_group"]
    table = read_table(path, wanted, keys=wanted)
    table["name"] = table["name"].str.strip()
    mend = ": give the file as it was published"
    wrong = table["name"].duplicated()
    if wrong.any():
        raise wrong_cells(wrong, table["name"], path, "again the volume ", mend)
    whole = table["lesion_group"].str.fullmatch(r"-?\d+(\.0*)?")
    for column, right in (("cancer_flag", table["cancer_flag"].isin(["0", "1"])), ("lesion_group", whole)):  # fmt: skip
        if not right.all():
            raise wrong_cells(~right, table[column], path, f"the {column} ", mend)
    kinds = table["cancer_flag"].map({"0": "no tumor", "1": "tumor"})
    if options["label"] == "lesion_group":
        groups = table["lesion_group"].str.split(".").str[0]
        kinds = ("lesion group " + groups).where(groups != NONE, "no tumor")
    return pd.Series((f"CT/{options['organ']}/" + kinds).to_numpy(), table["name"])


def _paths(names: pd.Series, images: Path) -> list[str]:
    """Where each volume is below the image root; its name alone where it is not, so that the ledger
    names it.
    """
    found: dict[str, str] = {}
    wanted = set(names)
    for path in files_below(images):
        place = PurePosixPath(path)
        if place.name not in wanted or any(each.startswith("labels") for each in place.parts[:-1]):
            continue
        if place.name in found:
            raise InputError(
                f"the volume {place.name} is twice below {images}: {found[place.name]} and {path}: "
                "leave one of them"
            )
        found[place.name] = path
    return [found.get(name, name) for name in names]
