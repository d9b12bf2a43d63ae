"""MIMIC-CXR-JPG: the tables `mimic-cxr-2.0.0-{chexpert,split,metadata}.csv.gz` (Johnson et al.,
2019).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.text.csv_reader import wrong_cells
from radcbir.datasets.preparation import Preparation, read_table, value_matrix, views
from radcbir.datasets.providers.chexpert.prepare import FINDINGS, LABELS

SPLITS = {"train": "train", "validate": "val", "test": "test"}


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images of MIMIC-CXR-JPG with the options `drop`, `uncertain` and `labels`; the split is
    the official one.

    `uncertain: paper` reads uncertain labels as negative: what the reference does here, other than
    for CheXpert.
    """
    names = ["dicom_id", "study_id", "subject_id"]
    split = read_table(files["split"], [*names, "split"], keys=names)
    studies = read_table(files["chexpert"], [*names[1:], *FINDINGS], keys=["study_id"])
    metadata = read_table(files["metadata"], ["dicom_id", "ViewPosition"], keys=["dicom_id"])
    for table, key, path in (
        (split, "dicom_id", "split"),
        (metadata, "dicom_id", "metadata"),
        (studies, "study_id", "chexpert"),
    ):
        if (twice := table[key].duplicated()).any():
            raise InputError(
                f"{files[path]} lists the {key} {table.loc[twice, key].iloc[0]} twice: fetch it "
                "again"
            )
    unknown = ~split["split"].isin(list(SPLITS))
    if unknown.any():
        mend = f" in the column 'split': only {', '.join(SPLITS)} are known there"
        raise wrong_cells(unknown, split["split"], files["split"], "", mend)
    labels = value_matrix(studies, LABELS, files["chexpert"])
    place = pd.Index(studies["study_id"]).get_indexer(split["study_id"])
    patient = "p" + split["subject_id"]
    folder = "files/" + patient.str[:3] + "/" + patient + "/s" + split["study_id"] + "/"
    preparation = Preparation(
        pd.DataFrame(
            {
                "filepath": folder + split["dicom_id"] + ".jpg",
                "split": split["split"].map(SPLITS),
                "patient_id": split["subject_id"],
                "study_id": split["study_id"],
                "view": views(
                    split["dicom_id"].map(metadata.set_index("dicom_id")["ViewPosition"])
                ),
            }
        ),
        labels.iloc[np.maximum(place, 0)],
    )
    preparation.keep(place >= 0, "labelled studies")
    preparation.drop_labels(options["drop"])
    preparation.settle_uncertain(
        "negative" if options["uncertain"] == "paper" else options["uncertain"]
    )
    preparation.select(options["labels"])
    return preparation
