"""CheXpert: `train.csv` and `valid.csv` of the full or the small release (Irvin et al., AAAI
2019).
"""

import glob
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import (
    Preparation,
    ages,
    below_root,
    read_table,
    sexes,
    value_matrix,
    views,
)

FINDINGS = [
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
]
"""What the CheXpert labeller tells apart; MIMIC-CXR-JPG has the same columns."""

LABELS = {name: f"XR/chest/{name}" for name in FINDINGS}


LOST = 0.01
"""The share of patients that may have no folder, where CheXpert comes in batches."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images of CheXpert with the options `test`, `validation`, `seed`, `drop`, `uncertain` and
    `labels`.

    The official test images are those of valid.csv, labelled by radiologists. With `uncertain:
    paper` as the reference does it: of train.csv only images whose values add up to one, an
    uncertain one as -1, and patients are drawn among those that are left; the net effect is that
    images with an uncertain label are lost, and so are 27,113 images.
    """
    columns = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS]
    tables = {name: read_table(path, columns, keys=["Path"]) for name, path in files.items()}
    labels = [value_matrix(table, LABELS, files[name]) for name, table in tables.items()]
    rows = pd.concat(tables.values(), ignore_index=True)
    parts = rows["Path"].str.extract(r"/(patient\d+)/(study\d+)/[^/]+$")
    if parts[0].isna().any():
        row = int(np.flatnonzero(parts[0].isna())[0])
        path = rows["Path"].iloc[row]
        raise InputError(
            f"{' or '.join(map(str, files.values()))} has the path '{path}' in the column 'Path', "
            "which does not end in "
            "patient.../study.../image: give the file as the provider hands it out"
        )
    # A few frontal images carry a lateral projection in AP/PA: the other column is the one that the
    # paths agree with.
    frontal = rows["Frontal/Lateral"] == "Frontal"
    preparation = Preparation(
        pd.DataFrame(
            {
                "filepath": _paths(rows["Path"], parts[0], images),
                "patient_id": parts[0],
                "study_id": parts[0] + "_" + parts[1],
                "view": views(
                    rows["AP/PA"].where(
                        frontal & rows["AP/PA"].isin(["AP", "PA"]), rows["Frontal/Lateral"]
                    )
                ),
                "sex": sexes(rows["Sex"]),
                "age": ages(rows["Age"]),
            }
        ),
        pd.concat(labels, ignore_index=True),
    )
    test = options["test"]
    if test == "official":
        test = np.repeat([False, True], [len(tables["train"]), len(tables["valid"])])
    preparation.drop_labels(options["drop"])
    policy = options["uncertain"]
    if policy == "paper":
        if options["labels"] == "multi" or not isinstance(test, np.ndarray):
            raise InputError(
                "`uncertain: paper` goes with `labels: single` and `test: official`, as in the "
                "paper: choose ignore, "
                "negative or positive for `uncertain:`"
            )
        kept = test | (preparation.labels.to_numpy().sum(axis=1) == 1)
        preparation.keep(kept, "values add up to one, uncertain ones as -1")
        test, policy = test[kept], "negative"
    preparation.split_by_patient(test, options["validation"], options["seed"])
    preparation.settle_uncertain(policy)
    preparation.select(options["labels"])
    return preparation


def _paths(paths: pd.Series, patients: pd.Series, images: Path) -> pd.Series:
    """Where the images lie: as one release, or in the four batches in which the full release is
    handed out, and which the paths in the tables do not name.
    """
    whole, batch = images.resolve(), "CheXpert-v1.0 batch "
    if whole.name.startswith(batch):
        raise InputError(
            f"the image root {images} is one batch of CheXpert: name the folder that holds all "
            f"four of them under `images:`, here {whole.parent}"
        )
    batches = sorted(images.glob(f"{glob.escape(batch)}*/")) if images.is_dir() else []
    if not batches:
        return below_root(paths, images)
    folder_of = {
        patient.name: patient.parent.relative_to(images).as_posix()
        for folder in batches
        for below in ("", "train", "valid")
        for patient in (folder / below).glob("patient*")
    }
    lost = sorted(set(patients) - folder_of.keys())
    if len(lost) > LOST * patients.nunique():
        raise InputError(
            f"{len(lost)} of {patients.nunique()} patients, such as {lost[0]}, have no folder in "
            f"the {len(batches)} batches of CheXpert below {images}: unpack all four batches there"
        )
    below = paths.str.extract(r"/(patient\d+/.*)$")[0]
    return patients.map(lambda patient: folder_of.get(patient, batches[0].name)) + "/" + below
