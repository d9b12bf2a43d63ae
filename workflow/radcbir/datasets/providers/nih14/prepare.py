"""NIH ChestX-ray14: `Data_Entry_2017*.csv` and the official lists (Wang et al., CVPR 2017)."""

from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import (
    Preparation,
    ages,
    label_matrix,
    optional_column,
    read_list,
    read_table,
    sexes,
    views,
)

FINDINGS = [
    "No Finding",
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
]

HARMONISED = {"Effusion": "Pleural Effusion", "Pleural_Thickening": "Pleural Thickening"}
"""Names that other providers of chest radiographs write otherwise."""

FIRST_IN_FOLDER = [
    "00000001_000.png",
    "00001336_000.png",
    "00003923_014.png",
    "00006585_007.png",
    "00009232_004.png",
    "00011558_008.png",
    "00013774_026.png",
    "00016051_010.png",
    "00018387_035.png",
    "00020945_050.png",
    "00024718_000.png",
    "00028173_003.png",
]
"""The first image of images_001/images, images_002/images, and so on: 4,999 images, then 10,000
each."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images of NIH ChestX-ray14 with the options `test`, `validation`, `seed`, `harmonise` and
    `labels`.
    """
    entries = read_table(
        files["entries"],
        ["Image Index", "Finding Labels", "Patient ID"],
        ["Follow-up #", "Patient Age", "Patient Gender", "View Position"],
        keys=["Image Index", "Patient ID"],
    )
    listed = entries["Finding Labels"].fillna("").str.split("|")
    names = {
        name: "XR/chest/" + (HARMONISED.get(name, name) if options["harmonise"] else name)
        for name in FINDINGS
    }
    preparation = Preparation(
        pd.DataFrame(
            {
                "filepath": _paths(entries["Image Index"], images),
                "patient_id": entries["Patient ID"],
                "study_id": entries["Patient ID"] + "_" + optional_column(entries, "Follow-up #"),
                "view": views(optional_column(entries, "View Position")),
                "sex": sexes(optional_column(entries, "Patient Gender")),
                "age": ages(optional_column(entries, "Patient Age")),
            }
        ),
        label_matrix(listed, names, files["entries"], "Finding Labels"),
    )
    test = options["test"]
    if test == "official":
        train_val, testing = read_list(files["train_val_list"]), read_list(files["test_list"])
        if train_val & testing:
            raise InputError(
                f"{files['train_val_list']} and {files['test_list']} share the image "
                f"{min(train_val & testing)}: "
                "fetch both again"
            )
        index = entries["Image Index"]
        known = index.isin(train_val | testing).to_numpy()
        preparation.keep(known, "in an official list")
        test = index[known].isin(testing).to_numpy()
    preparation.split_by_patient(test, options["validation"], options["seed"])
    preparation.select(options["labels"])
    return preparation


def _paths(index: pd.Series, images: Path) -> pd.Series:
    """Where the images lie: as unpacked one archive per folder, all in `images/`, or side by side
    in the image root.
    """
    if (images / "images_001").is_dir():
        numbers = index.map(lambda name: bisect_right(FIRST_IN_FOLDER, name))
        return "images_" + numbers.astype(str).str.zfill(3) + "/images/" + index
    return ("images/" if (images / "images").is_dir() else "") + index
