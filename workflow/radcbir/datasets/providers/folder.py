"""One's own images: a folder tree ``label/patient/image``, or a folder and a CSV with column names
of one's own.
"""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import Progress, logger
from radcbir.datasets.preparation import SEPARATOR, Preparation, label_matrix, read_table
from radcbir.datasets.providers import files_below
from radcbir.images import raster, reader
from radcbir.images.address import PLANES, join_address, split_address

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".webp",
    ".bmp",
    ".gif",
    ".dcm",
    ".dicom",
    ".ima",
    ".nii",
    ".nii.gz",
)
"""A file of another name is taken if it has no suffix and is DICOM."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images below ``images``, or those that the CSV ``files["table"]`` lists, with the options
    of `prepare:`.

    Volumes and files of several frames are listed slice by slice (`planes`, `step`, `trim`). Splits
    that the CSV does not give are drawn by patient from a seeded digest of the patient's name: a
    patient keeps the split when others come.
    """
    if not images.is_dir():
        raise InputError(
            f"the image root {images} is not a folder: correct `images:` in the configuration"
        )
    listed = _of_csv(files["table"], options) if "table" in files else _of_tree(images, options)
    listed = _slices(listed, options, images)
    column = options.get("columns", {}).get("label", "label")
    where = files.get("table", images)
    labels = listed.pop("labels").tolist()
    names = {name: name for name in sorted({name for each in labels for name in each})}
    if not names:
        raise InputError(
            f"{where} gives no image a label: docs/data.md, 'A folder in place of a CSV', says how "
            "to write them"
        )
    preparation = Preparation(listed, label_matrix(labels, names, where, column))
    table = preparation.images
    parts = table["filepath"].map(split_address)
    files = parts.str[0].where(parts.str[1].astype(bool))
    table["patient_id"] = table["patient_id"].fillna(
        files
    )  # slices of one volume are of one patient
    if table["split"].isna().any():
        patients = table["patient_id"].fillna(table["filepath"])
        table["split"] = table["split"].fillna(
            drawn_splits(patients, options["shares"], options["seed"])
        )
        preparation.count("split by patient")
    return preparation


def drawn_splits(patients: pd.Series, shares: Mapping[str, float], seed: int) -> pd.Series:
    """The split of each patient: where a digest of seed and name, as a number from 0 to 1, falls
    among the shares.
    """
    names, bounds = list(shares), np.cumsum(list(shares.values()))
    bounds[-1] = 1

    def split(patient: str) -> str:
        drawn = hashlib.sha256(f"{seed}\0{patient}".encode()).digest()[:7]
        return names[int(np.searchsorted(bounds, int.from_bytes(drawn) / 2**56, side="right"))]

    return patients.map({patient: split(patient) for patient in patients.unique()})


def _of_tree(root: Path, options: Mapping) -> pd.DataFrame:
    """A row per file of a tree: the folders are the label, and the last one the patient (with
    `patients`).
    """
    rows, left_out = [], 0
    for relative in files_below(root):
        if not _is_image(root / relative):
            left_out += 1
            continue
        parts = relative.split("/")[:-1]
        label, patient = (parts[:-1], parts[-1]) if options["patients"] and parts else (parts, None)
        if len(label) < 3:
            form = f"MODALITY/region/finding/{'patient/' if options['patients'] else ''}image"
            raise InputError(
                f"the image {relative} below {root} does not lie as {form}: move it"
                f"{', or say `patients: false` where no folder names the patient' if options['patients'] else ''}"
            )
        rows.append({"filepath": relative, "patient_id": patient, "labels": ["/".join(label)]})
    if left_out:
        logger.info("%d files of other kinds are left out", left_out)
    if not rows:
        raise InputError(f"there is no image below {root}: correct `images:`, or put images there")
    return pd.DataFrame(rows)


def _is_image(path: Path) -> bool:
    if path.name.lower().endswith(SUFFIXES):
        return True
    if path.suffix:
        return False
    try:
        with open(path, "rb") as handle:
            return handle.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _of_csv(path: Path, options: Mapping) -> pd.DataFrame:
    """A row per row of the user's CSV, its columns under our names."""
    columns = {"filepath": "filepath", "label": "label"} | dict(options["columns"])
    table = read_table(path, list(columns.values())).rename(
        columns={theirs: ours for ours, theirs in columns.items()}
    )
    blank = table["filepath"].isna()
    if blank.any():
        raise InputError(
            f"row {int(np.flatnonzero(blank)[0]) + 2} of {path} has no '{columns['filepath']}': "
            "fill it in"
        )
    prefix = options.get("label_prefix", "").strip("/")
    labels = []
    for row, given in enumerate(table.pop("label").fillna(""), start=2):
        names = [each.strip() for each in given.split(SEPARATOR) if each.strip()]
        full = [f"{prefix}/{name}" if prefix else name for name in names]
        for name in full:
            if name.count("/") < 2:
                raise InputError(
                    f"row {row} of {path} has the label '{name}' in the column "
                    f"'{columns['label']}': write it as "
                    "MODALITY/region/finding, or give the first two parts as `label_prefix: "
                    "MODALITY/region`"
                )
        labels.append(full)
    return table.assign(labels=labels)


def _slices(listed: pd.DataFrame, options: Mapping, root: Path) -> pd.DataFrame:
    """A row per image where a file holds several; a file that cannot be read stays, for the ledger
    to name.
    """
    progress = Progress(len(listed), "files opened")

    def addresses(path: str) -> list[str]:
        file, selectors = split_address(path)
        try:
            parts = {} if selectors else reader.parts(reader.resolve(root, file))
        except (raster.UnreadableImage, InputError):
            parts = {}
        finally:
            progress.advance()
        if "frame" in parts:
            return [
                join_address(file, {"frame": number}) for number in _taken(parts["frame"], options)
            ]
        if not parts:
            return [path]
        series = (
            [{"volume": number} for number in range(parts["volume"])]
            if parts["volume"] > 1
            else [{}]
        )
        return [
            join_address(file, {plane: number, **volume})
            for volume in series
            for plane in PLANES
            if plane in options["planes"]
            for number in _taken(parts[plane], options)
        ]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(addresses, listed["filepath"]))
    return listed.assign(filepath=found).explode("filepath", ignore_index=True)


def _taken(count: int, options: Mapping) -> range:
    """Every `step`-th of so many slices, from the middle of the first step on, without the share
    `trim` at both ends.
    """
    start = int(count * options["trim"])
    stop = count - start
    return range(min(start + (options["step"] - 1) // 2, stop - 1), stop, options["step"])
