"""VinDr-CXR: the labels of PhysioNet's release or of the Kaggle competition (Nguyen et al.,
Scientific Data 2022).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.text.csv_reader import CsvFile
from radcbir.datasets.preparation import Preparation, read_table, value_matrix

HARMONISED = {
    "No finding": "No Finding",
    "Pleural effusion": "Pleural Effusion",
    "Pleural thickening": "Pleural Thickening",
    "Pulmonary fibrosis": "Fibrosis",
}
"""Names that other providers of chest radiographs write otherwise."""

SAME = {"Other disease": "Other diseases"}
"""Names that differ between the provider's own files."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images of VinDr-CXR with the options `release`, `test`, `agreement`, `suffix` and the
    usual ones.

    Three radiologists read each training image: a label counts where `agreement` of them give it.
    The test images of PhysioNet's release carry a consensus of five; Kaggle's carry none. Patients
    are not given, so that images are split.
    """
    if options["release"] == "kaggle":
        if options["test"] == "official":
            raise InputError(
                "the Kaggle release of VinDr-CXR hands out no labels of its test images: draw a "
                "share of the others with "
                "`test: 0.2`, say, or take PhysioNet's release"
            )
        labels = {"train": _agreed(_findings(files["train"]), options["agreement"])}
    else:
        labels = {
            "train": _agreed(_columns(files["train"], ["image_id", "rad_id"]), options["agreement"])
        }
        if "test" in files:
            labels["test"] = _agreed(_columns(files["test"], ["image_id"]), 1)
    folder = np.repeat(list(labels), [len(each) for each in labels.values()])
    together = pd.concat(labels.values()).fillna(0).astype(np.int8)
    together = together.rename(columns=HARMONISED) if options["harmonise"] else together
    preparation = Preparation(
        pd.DataFrame(
            {"filepath": folder + np.array("/") + together.index.to_numpy(str) + options["suffix"]}
        ),
        together.add_prefix("XR/chest/"),
    )
    test = folder == "test" if options["test"] == "official" else options["test"]
    preparation.split_by_patient(test, options["validation"], options["seed"])
    preparation.select(options["labels"])
    return preparation


def _findings(path: Path) -> pd.DataFrame:
    """Kaggle's rows, one per box of a reader, as one row per image and reader and a column per
    class.
    """
    columns = ["image_id", "class_name", "rad_id"]
    table = read_table(path, columns, keys=columns)
    found = pd.crosstab([table["image_id"], table["rad_id"]], table["class_name"]).clip(upper=1)
    return found.reset_index("rad_id", drop=True)


def _columns(path: Path, given: list[str]) -> pd.DataFrame:
    """PhysioNet's rows, one per image and reader, with a column per label, by image."""
    header = CsvFile(path, "", given).header
    names = [name for name in header if name and name not in ("image_id", "rad_id")]
    table = read_table(path, [*given, *names], keys=given)
    return value_matrix(table, {name: SAME.get(name, name) for name in names}, path).set_index(
        table["image_id"]
    )


def _agreed(readings: pd.DataFrame, agreement: int) -> pd.DataFrame:
    """Per image, in the order of its id: 1 where at least ``agreement`` readers give a label."""
    return (readings.groupby(level=0).sum() >= agreement).astype(np.int8)
