"""One's own images: a folder tree ``label/patient/image``, or a folder and a CSV with column names
of one's own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.core.text.csv_reader import CsvFile, wrong_cells
from radcbir.datasets.catalog import LABEL, checked_paths, split_labels
from radcbir.datasets.preparation import (
    IMAGE_COLUMNS,
    Preparation,
    ages,
    label_matrix,
    read_table,
)
from radcbir.datasets.providers.folder.labels import label_columns, labels_of_csv, prefix_of
from radcbir.datasets.providers.folder.listing import files_below
from radcbir.datasets.providers.folder.slices import by_slice
from radcbir.datasets.splits import fill_splits
from radcbir.images import raster, reader
from radcbir.images.address import split_address

MOST_KINDS = 5
"""Kinds of files that a count names."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The images below ``images``, or those that the CSV ``files["table"]`` lists, with the options
    of `prepare:`.

    Volumes and files of several frames are listed slice by slice (`planes`, `step`, `trim`). Splits
    that are not given are drawn by patient (:func:`radcbir.datasets.splits.drawn_splits`).
    """
    if not images.is_dir():
        raise InputError(
            f"the image root {images} is not a folder: correct `images:` in the configuration"
        )
    left_out: dict[str, str] = {}
    if "table" in files:
        listed = _of_csv(files["table"], options)
    else:
        found, left_out = _images_below(images)
        listed = _of_tree(images, found, options)
    listed = by_slice(listed, options, images)
    column = options.get("columns", {}).get("label", "label")
    where = files.get("table", images)
    labels = listed.pop("labels")
    names = {name: name for name in sorted({name for each in labels for name in each})}
    if not names:
        raise InputError(
            f"{where} gives no image a label: docs/data.md, 'A folder in place of a CSV', says how "
            "to write them"
        )
    preparation = Preparation(listed, label_matrix(labels, names, where, column))
    if left_out:
        _count_left_out(preparation, left_out)
    table = preparation.images
    parts = table["filepath"].map(split_address)
    volumes = parts.str[0].where(parts.str[1].astype(bool))
    # Slices of one volume are of one patient.
    table["patient_id"] = table["patient_id"].fillna(volumes)
    if table["split"].isna().any():
        fill_splits(table, labels, options["shares"], options["seed"])
        preparation.count("split by patient")
        preparation.count_labels()
    return preparation


def _images_below(root: Path) -> tuple[list[str], dict[str, str]]:
    """The images below a folder, and the files that are none by name or content: how their names
    end, or why they cannot be opened.
    """

    def left_out(file: str) -> str:
        try:
            is_image = reader.is_image(root / file)
        except raster.UnreadableImage as error:
            return str(error)
        return "" if is_image else Path(file).suffix.lower() or "no suffix"

    files = list(files_below(root))
    with ThreadPoolExecutor(8) as pool:
        kinds = dict(zip(files, pool.map(left_out, files), strict=True))
    found = [file for file, kind in kinds.items() if not kind]
    if not found:
        raise InputError(f"there is no image below {root}: correct `images:`, or put images there")
    return found, {file: kind for file, kind in kinds.items() if kind}


def _count_left_out(preparation: Preparation, files: Mapping[str, str]) -> None:
    """Count the files that are no images by their kind, and the folders with no image at all."""
    kinds = Counter(files.values()).most_common()
    named = ", ".join(f"{kind}: {count}" for kind, count in kinds[:MOST_KINDS])
    more = f", {len(kinds) - MOST_KINDS} kinds more" if len(kinds) > MOST_KINDS else ""
    folders = {Path(each).parent for each in files}
    with_images: set[Path] = set()
    for each in preparation.images["filepath"]:
        with_images.update(Path(split_address(each)[0]).parents)
    alone = folders - with_images
    where = f"; {len(alone)} folders have no image, such as {min(alone)}" if alone else ""
    step = f"left out, no image by name or content ({named}{more}){where}"
    preparation.note(step, len(files), len(folders))


def _of_tree(root: Path, found: Sequence[str], options: Mapping) -> pd.DataFrame:
    """A row per image of a tree: the folders are the label, the last one the patient (with
    `patients`) and the first one the split (with `split_folders`).
    """
    table = pd.DataFrame({"filepath": found})
    folders = [relative.split("/")[:-1] for relative in found]
    if options.get("split_folders"):
        table["split"] = [parts[0] if parts else None for parts in folders]
        folders = [parts[1:] for parts in folders]
    else:
        _refuse_split_folders({parts[0] for parts in folders if parts}, root)
    table["patient_id"] = None
    if options["patients"]:
        table["patient_id"] = [parts[-1] if parts else None for parts in folders]
        folders = [parts[:-1] for parts in folders]
    prefix = prefix_of(options)
    table["labels"] = [["/".join(prefix + parts)] if parts else [] for parts in folders]
    wrong = ~table["labels"].map(lambda each: bool(each) and LABEL.fullmatch(each[0]) is not None)
    if wrong.any():
        _refuse_place(table["filepath"][wrong], root, options)
    for label in table["labels"].str[0].unique():
        if len(split_labels(label)) > 1:
            raise InputError(
                f"the folders of the label '{label}' below {root} have a '|' or ';' in their name, "
                "which separates labels: rename them"
            )
    return table


SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}


def _refuse_split_folders(first: set[str], root: Path) -> None:
    """Raise :class:`InputError` where the first folders are splits, which would become labels."""
    if first and {name.lower() for name in first} <= SPLIT_NAMES:
        raise InputError(
            f"the folders {', '.join(sorted(first))} below {root} are named as splits: say "
            "`split_folders: true` under `prepare:`, or rename them"
        )


def _refuse_place(wrong: pd.Series, root: Path, options: Mapping) -> None:
    """Raise the :class:`InputError` of images whose folders give no full label."""
    prefix, patients = prefix_of(options), options["patients"]
    kinds = [*["MODALITY", "region", "finding"][min(2, len(prefix)) :]]
    form = "/".join(
        ["split"] * bool(options.get("split_folders")) + kinds + ["patient"] * patients + ["image"]
    )
    remedies = ["move it"]
    if patients:
        remedies.append("say `patients: false` where no folder names the patient")
    if not prefix:
        remedies.append("give what the folders leave out as `label_prefix: MODALITY/region`")
    others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    raise InputError(
        f"the image {wrong.iloc[0]} below {root} is not in folders as {form}{others}: "
        f"{', or '.join(remedies)}"
    )


def _of_csv(path: Path, options: Mapping) -> pd.DataFrame:
    """A row per row of the user's CSV, its columns under our names."""
    file = CsvFile(path, "the CSV", ["filepath", *options["columns"].values()])
    columns = {"filepath": "filepath"} | dict(options["columns"])
    columns |= label_columns(columns, file.header)
    table = read_table(file, list(dict.fromkeys(columns.values())), keys=[columns["filepath"]])
    checked_paths(table[columns["filepath"]], path)
    ignored = set(IMAGE_COLUMNS) & set(file.header) - set(columns.values()) - set(columns)
    if ignored:
        logger.warning(
            "%s has the columns %s, which `columns:` does not name: they are left out",
            path,
            ", ".join(sorted(ignored)),
        )
    found = pd.DataFrame(
        {ours: table[theirs] for ours, theirs in columns.items() if ours in IMAGE_COLUMNS}
    )
    if "age" in columns:
        found["age"] = _years(table[columns["age"]], path)
    if "split" in columns:
        wrong = ~found["split"].fillna("x").str.fullmatch(r"[A-Za-z0-9_-]+")
        if wrong.any():
            mend = ": give a name of letters, digits, '_' and '-', or leave it blank"
            raise wrong_cells(wrong, found["split"], path, "the split ", mend)
    found["labels"] = labels_of_csv(table, columns, path, prefix_of(options))
    return found


NO_AGE = {"nan", "none", "null", "na", "n/a", "unknown", "u", "?", "-"}


def _years(given: pd.Series, path: Path) -> pd.Series:
    """Ages in years, missing where they are above 120; :class:`InputError` for what is no age."""
    known = given.where(~given.str.lower().isin(NO_AGE))
    years, numbers = ages(known), pd.to_numeric(known.str.extract(r"^(\d+)")[0])
    wrong = known.notna() & years.isna() & ~(numbers > 120)
    if wrong.any():
        mend = ": give years as a number, a DICOM age such as 047Y, or leave it blank"
        raise wrong_cells(wrong, given, path, "the age ", mend)
    return years
