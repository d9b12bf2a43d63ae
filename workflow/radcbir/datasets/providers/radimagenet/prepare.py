"""RadImageNet: `RadiologyAI_{train,val,test}.csv`, whose paths are the labels (Mei et al.,
Radiology: AI 2022).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import Preparation, below_root, read_list, read_table

MODALITIES = ("CT", "MR", "US")

LABELS_OF_FOLDERS = {"US/thyroid_nodule": "US/thyroid/nodule"}
"""Folders of ultrasound organs hold no finding below them, and are ``US/<organ>/normal``; all but
these."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images of RadImageNet with the option `ignore_list`; the split is the official one,
    patients are not given.
    """
    tables = {
        split: read_table(files[split], ["filename"], keys=["filename"])
        for split in ("train", "val", "test")
    }
    rows = pd.concat(
        [table.assign(split=split) for split, table in tables.items()], ignore_index=True
    )
    folders = rows["filename"].str.extract(r"^[^/]+/(.+)/[^/]+$")[0]
    label = folders.map({folder: label_of_folder(folder) for folder in folders.dropna().unique()})
    if label.isna().any():
        row = int(label.isna().to_numpy().argmax())
        table = next(name for name in tables if name == rows["split"].iloc[row])
        raise InputError(
            f"{files[table]} has the path '{rows['filename'].iloc[row]}' in the column 'filename', "
            "which is not "
            f"<folder>/<{' or '.join(MODALITIES)}>/<region>/<finding>/<image>: give the file as "
            "the provider hands it out"
        )
    codes, names = pd.factorize(label, sort=True)
    matrix = np.zeros((len(rows), len(names)), dtype=np.int8)
    matrix[np.arange(len(rows)), codes] = 1
    preparation = Preparation(
        pd.DataFrame({"filepath": below_root(rows["filename"], images), "split": rows["split"]}),
        pd.DataFrame(matrix, columns=list(names)),
    )
    again = rows["filename"].duplicated().to_numpy()
    preparation.keep(~again, "each file once")
    if "ignore_list" in files:
        ignored = rows["filename"][~again].isin(read_list(files["ignore_list"])).to_numpy()
        preparation.keep(~ignored, "without the files of the ignore list")
    return preparation


def label_of_folder(folder: str) -> str | None:
    """``MODALITY/region/finding`` of the folders between the first one and the image, None where it
    is no such path.
    """
    parts = folder.split("/")
    if parts[0] not in MODALITIES or len(parts) < 2:
        return None
    if folder in LABELS_OF_FOLDERS:
        return LABELS_OF_FOLDERS[folder]
    if len(parts) == 2:
        return f"{folder}/normal" if parts[0] == "US" else None
    return folder
