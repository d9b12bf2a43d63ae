"""PadChest: `PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv` (Bustos et al., Medical Image
Analysis 2020).
"""

import ast
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.text.csv_reader import wrong_cells
from radcbir.datasets.preparation import (
    Preparation,
    label_matrix,
    optional_column,
    read_table,
    sexes,
    views,
)

HARMONISED = {
    "normal": "No Finding",
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "consolidation": "Consolidation",
    "emphysema": "Emphysema",
    "infiltrates": "Infiltration",
    "nodule": "Nodule",
    "pleural effusion": "Pleural Effusion",
    "pleural thickening": "Pleural Thickening",
    "pneumonia": "Pneumonia",
    "pneumothorax": "Pneumothorax",
    "pulmonary edema": "Edema",
    "pulmonary fibrosis": "Fibrosis",
    "pulmonary mass": "Mass",
}
"""Names that other providers of chest radiographs write otherwise."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images of PadChest with the options `test`, `validation`, `seed`, `leave_out`,
    `harmonise` and `labels`.

    There is no official test set. `leave_out` lists labels that say something of the report or the
    image quality rather than of the patient: images that have one are left out.
    """
    path = files["labels"]
    columns = [
        "ImageID",
        "ImageDir",
        "StudyDate_DICOM",
        "StudyID",
        "PatientID",
        "PatientBirth",
        "PatientSex_DICOM",
    ]
    table = read_table(
        path, [*columns, "Projection", "Labels"], ["Manufacturer_DICOM"], ["ImageID"]
    )
    lists = {text: _label_list(text) for text in table["Labels"].dropna().unique()}
    wrong = (
        table["Labels"]
        .map(lambda text: lists[text] is None, na_action="ignore")
        .fillna(False)
        .astype(bool)
    )
    if wrong.any():
        mend = " in the column 'Labels', which is no list of labels: give the file as the provider hands it out"
        raise wrong_cells(wrong, table["Labels"], path, "", mend)
    listed = table["Labels"].map(lambda text: lists.get(text, []))
    known = sorted({name for names in lists.values() for name in names or ()})
    for name in options["leave_out"]:
        if name not in known:
            raise InputError(f"`leave_out:` names the label '{name}', which {path} does not have")
    names = {
        name: "XR/chest/" + (HARMONISED.get(name, name) if options["harmonise"] else name)
        for name in known
    }
    year = pd.to_numeric(table["StudyDate_DICOM"].str[:4], errors="coerce")
    age = year - pd.to_numeric(table["PatientBirth"], errors="coerce")
    preparation = Preparation(
        pd.DataFrame(
            {
                "filepath": _paths(table, images),
                "patient_id": table["PatientID"],
                "study_id": table["StudyID"],
                "view": views(table["Projection"]),
                "sex": sexes(table["PatientSex_DICOM"]),
                "age": age.where(age.between(0, 120)),
                "scanner": optional_column(table, "Manufacturer_DICOM"),
            }
        ),
        label_matrix(listed, names, path, "Labels"),
    )
    preparation.split_by_patient(options["test"], options["validation"], options["seed"])
    left_out = [names[name] for name in options["leave_out"]]
    if left_out:
        kept = (preparation.labels[left_out] == 0).all(axis=1)
        preparation.keep(kept, f"without images labelled {', '.join(options['leave_out'])}")
        preparation.labels = preparation.labels.drop(columns=left_out)
    preparation.select(options["labels"])
    return preparation


def _label_list(text: str) -> list[str] | None:
    """The labels that the provider writes as a Python list, each once; None where it is none; `nan`
    is an empty one.
    """
    if text == "nan":
        return []
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def _paths(table: pd.DataFrame, images: Path) -> pd.Series:
    """Where the images lie: in the provider's numbered folders, or side by side in the image
    root.
    """
    numbered = any((images / folder).is_dir() for folder in table["ImageDir"].dropna().unique())
    return table["ImageDir"] + "/" + table["ImageID"] if numbered else table["ImageID"]
