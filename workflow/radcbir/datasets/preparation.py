"""The steps that providers share: read a table, split by patient, settle uncertain labels, select,
and count after each.
"""

import difflib
import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.core.text.csv_reader import CsvFile, wrong_cells
from radcbir.core.text.plain_text import read_text
from radcbir.datasets import providers
from radcbir.datasets.catalog import SEPARATOR

IMAGE_COLUMNS = [
    "filepath",
    "split",
    "modality",
    "anatomic_region",
    "patient_id",
    "study_id",
    "series_id",
    "instance",
    "position",
    "view",
    "sex",
    "age",
    "source",
    "scanner",
    "text",
]

COUNT_COLUMNS = ["step", "split", "images", "patients"]

LABELS_STEP = "images of each label"


class Preparation:
    """The images of a dataset on their way to its CSV, and how many there are after each step.

    ``images`` has a row per image and the columns :data:`IMAGE_COLUMNS` as far as the provider
    fills them (``split`` is missing until it is known), and those that nothing reads (``x_...``);
    ``labels`` the same rows, a column per
    label (``MODALITY/region/finding``) and the values 1 (there), 0 (not there), -1 (uncertain), as
    int8.
    """

    def __init__(self, images: pd.DataFrame, labels: pd.DataFrame):
        own = [name for name in images.columns if name.startswith("x_")]
        self.images = (
            images.reindex(columns=[*IMAGE_COLUMNS, *own])
            .astype({"split": object, "patient_id": object})
            .reset_index(drop=True)
        )
        self.labels = labels.reset_index(drop=True)
        self._counts: list[pd.DataFrame] = []
        self.count("listed by the provider")

    def count(self, step: str) -> None:
        """Count the images and patients of each split as they are after ``step``."""
        split = self.images["split"].fillna("all")
        grouped = self.images.groupby(split.rename("split"), sort=False)
        counts = pd.DataFrame(
            {"images": grouped.size(), "patients": grouped["patient_id"].nunique()}
        ).reset_index()
        order = {name: place for place, name in enumerate(("train", "val", "test"))}
        counts = counts.sort_values("split", key=lambda names: names.map(order), kind="stable")
        self._counts.append(counts.assign(step=step)[COUNT_COLUMNS])
        shown = ", ".join(f"{row.images:,} {row.split}" for row in counts.itertuples())
        logger.info("%s: %s", step, shown or "no image")

    def note(self, step: str, files: int, patients: int) -> None:
        """Count files before all other steps, such as those that never became images."""
        row = {"step": step, "split": "all", "images": files, "patients": patients}
        self._counts.insert(0, pd.DataFrame([row], columns=COUNT_COLUMNS))
        logger.warning("%d files: %s", files, step)

    def count_labels(self) -> None:
        """Count the images and patients of each label in each split, as they are now."""
        positive = self.labels.to_numpy() == 1
        image, label = np.nonzero(positive)
        each = self.images.loc[image, ["split", "patient_id"]]
        each = each.assign(label=self.labels.columns.to_numpy()[label])
        grouped = each.groupby(["label", "split"])
        counts = pd.DataFrame(
            {"images": grouped.size(), "patients": grouped["patient_id"].nunique()}
        ).reset_index()
        self._counts.append(counts.assign(step=LABELS_STEP)[["step", "label", *COUNT_COLUMNS[1:]]])

    @property
    def counts(self) -> pd.DataFrame:
        """Columns :data:`COUNT_COLUMNS`, one row per step and split; patients are missing where
        nobody names them. With :meth:`count_labels` also a column ``label``, and one row per label
        and split.
        """
        counts = pd.concat(self._counts, ignore_index=True)
        if self.images["patient_id"].isna().all():
            counts["patients"] = pd.array([None] * len(counts), dtype="Int64")
        return counts

    def keep(self, kept: np.ndarray | pd.Series, step: str) -> None:
        """Keep the images where ``kept`` ``(n,)`` is true."""
        kept = np.asarray(kept, dtype=bool)
        self.images = self.images[kept].reset_index(drop=True)
        self.labels = self.labels[kept].reset_index(drop=True)
        self.count(step)

    def split_by_patient(self, test: float | np.ndarray, validation: float, seed: int) -> None:
        """Fill in ``split``: first the test images, then the validation patients among the rest.

        ``test`` is the mask ``(n,)`` of the provider's own test images, or a share of the patients.
        ``validation`` is the share of the other patients that becomes `val`. Images without a
        patient count as a patient each.
        """
        patients = self.images["patient_id"].fillna(self.images["filepath"])
        is_test = (
            test
            if isinstance(test, np.ndarray)
            else patients.isin(draw_patients(patients, test, seed)).to_numpy()
        )
        is_val = patients.isin(draw_patients(patients[~is_test], validation, seed)).to_numpy()
        self.images["split"] = np.select([is_test, is_val], ["test", "val"], "train")
        self.count(f"split by {'image' if self.images['patient_id'].isna().all() else 'patient'}")

    def settle_uncertain(self, policy: str) -> None:
        """Settle labels of -1: `negative` and `positive` read them so, `ignore` leaves out images
        that have one.
        """
        uncertain = self.labels.to_numpy() == -1
        if policy == "ignore":
            self.keep(~uncertain.any(axis=1), "without images that have an uncertain label")
            return
        self.labels = self.labels.mask(uncertain, np.int8(policy == "positive")).astype(np.int8)
        self.count(f"uncertain labels read as {policy}")

    def drop_labels(self, names: Iterable[str]) -> None:
        """Drop labels by finding, as `drop:` lists them; an image may be left with no label at
        all.
        """
        findings = {label.split("/", 2)[2]: label for label in self.labels.columns}
        for name in names:
            if name not in findings:
                near = difflib.get_close_matches(name, list(findings), 1, 0.3)
                raise InputError(
                    f"`drop:` names the label '{name}', which the provider does not have"
                    f"{f': did you mean {near[0]!r}?' if near else ''}"
                )
            self.labels = self.labels.drop(columns=findings[name])
        if names:
            self.count(f"without the label {', '.join(names)}")

    def select(self, labels: str) -> None:
        """Keep the images with exactly one label (`single`) or with one at least (`multi`)."""
        number = (self.labels.to_numpy() == 1).sum(axis=1)
        if labels == "single":
            self.keep(number == 1, "exactly one label")
        else:
            self.keep(number >= 1, "one label or several")

    def table(self, dataset: str, one_hot: bool = False) -> pd.DataFrame:
        """The dataset CSV, sorted by path: columns that stay empty are left out.

        Labels stand in one column, ``label`` where every image has one and else ``labels``; with
        ``one_hot`` in a column each, in the provider's order, in which the reference settles ties.
        """
        positive = self.labels.to_numpy() == 1
        names = np.array(self.labels.columns, dtype=object)
        order = np.argsort(names.astype(str), kind="stable")
        row, column = np.nonzero(positive[:, order])
        number = positive.sum(axis=1)
        table = self.images.dropna(axis="columns", how="all").copy()
        table.insert(1, "dataset", dataset)
        if one_hot:
            table = pd.concat(
                [table, pd.DataFrame(positive.astype(np.int8), columns=self.labels.columns)],
                axis="columns",
            )
        elif (number == 1).all():
            table["label"] = names[order][column]
        else:
            joined = pd.Series(names[order][column]).groupby(row).agg(SEPARATOR.join)
            table["labels"] = joined.reindex(range(len(table)))
        if "age" in table:
            table["age"] = table["age"].map("{:g}".format, na_action="ignore")
        return table.sort_values("filepath", kind="stable", ignore_index=True)


def prepare(
    files: Mapping[str, str | Path],
    options: Mapping,
    images: str | Path | None,
    dataset: str,
    threads: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The CSV of a dataset and its counts after each step (:data:`COUNT_COLUMNS`).

    ``files`` are the provider's (:func:`radcbir.datasets.providers.provider_files`), ``options``
    the checked `prepare:` of the configuration, ``images`` the image root, or None where no image
    is needed: paths are then as the provider lists them. ``threads`` is how many cores may be used,
    an option of the same name for the provider.
    """
    provider = providers.registry()[options["from"]]
    module = importlib.import_module(provider.module)
    root = Path(images or os.devnull)  # nothing lies below it
    options = {**options, "threads": threads}
    made = module.prepare({role: Path(path) for role, path in files.items()}, options, root)
    if not len(made.images):
        raise InputError(
            f"no image of dataset '{dataset}' is left after the step "
            f"'{made.counts['step'].iloc[-1]}': compare the "
            f"options of `prepare:` with the files of {provider.title}"
        )
    return made.table(dataset, options.get("one_hot", False)), made.counts


def draw_patients(patients: pd.Series, share: float, seed: int) -> list[str]:
    """The patients, about ``share`` of them, that a split gets; ``patients`` may repeat and come in
    any order.

    Draws what scikit-learn's ``train_test_split(unique, train_size=1 - share, random_state=seed)``
    holds out, from the patients sorted by length, then by name (the order of the paper's files).
    NumPy keeps this generator's stream fixed.
    """
    unique = sorted(patients.unique(), key=lambda name: (len(name), name))
    held_out = len(unique) - int(np.floor(round((1 - share) * len(unique), 6)))
    return [
        unique[place] for place in np.random.RandomState(seed).permutation(len(unique))[:held_out]
    ]


def read_table(
    path: Path | CsvFile,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> pd.DataFrame:
    """A provider's CSV as text, blank cells missing; it has to have ``columns``, may have
    ``optional`` ones, and no blank cell in those of ``keys``; its index is the number of the row in
    the file.

    Raises :class:`InputError` that names the file and the column that is missing, and the one that
    looks like it, or as :class:`radcbir.core.text.csv_reader.CsvFile` does.
    """
    file = (
        path
        if isinstance(path, CsvFile)
        else CsvFile(path, "", [*columns, *optional], "fetch it again")
    )
    path = file.path
    for name in columns:
        if name not in file.header:
            near = difflib.get_close_matches(name, file.header, 1, 0.5)
            hint = f"was it renamed to '{near[0]}'? " if near else ""
            raise InputError(
                f"{path} has no column '{name}': {hint}give the file as the provider hands it out"
            )
    wanted = [*columns, *(name for name in optional if name in file.header)]
    table = file.table(wanted)
    if table.empty:
        raise InputError(f"{path} has a header but no rows: fetch it again")
    for name in keys:
        if (blank := table[name].isna()).any():
            raise InputError(
                f"row {blank.idxmax()} of {path} has no '{name}': fill it in, or delete the row"
            )
    return table[wanted]


def read_list(path: Path) -> set[str]:
    """The lines of a text file, blank ones left out."""
    names = {line.strip() for line in read_text(path, "").splitlines()} - {""}
    if not names:
        raise InputError(f"{path} is empty: fetch it again")
    return names


def label_matrix(
    listed: pd.Series, names: Mapping[str, str], path: Path, column: str
) -> pd.DataFrame:
    """Lists of the provider's label names, one per image and by row of the file -> the label matrix
    with our names.

    ``names`` maps each known name of the provider to ours, in the order of the columns; two may
    share one of ours. Raises :class:`InputError` for a name that is not known, with file, column
    and row.
    """
    lengths = listed.map(len).to_numpy(np.int64)
    flat = pd.Series([each for labels in listed for each in labels], dtype=object)
    unknown = ~flat.isin(list(names)).to_numpy()
    if unknown.any():
        first = int(np.flatnonzero(unknown)[0])
        place_of_row: Any = np.searchsorted(np.cumsum(lengths), first, side="right")
        row = listed.index[place_of_row]
        _refuse_label(flat.iloc[first], list(names), f"row {row} of {path}", column)
    ours = list(dict.fromkeys(names.values()))
    place = {name: ours.index(names[name]) for name in names}
    matrix = np.zeros((len(listed), len(ours)), dtype=np.int8)
    matrix[np.repeat(np.arange(len(listed)), lengths), flat.map(place).to_numpy(np.int64)] = 1
    return pd.DataFrame(matrix, columns=ours)


def value_matrix(table: pd.DataFrame, names: Mapping[str, str], path: Path) -> pd.DataFrame:
    """One column per label of the provider, with 1, 0, -1 or blank (not mentioned: 0) -> the label
    matrix.

    ``names`` maps the provider's columns to our labels. Raises :class:`InputError` for any other
    value, with its place.
    """
    columns = list(names)
    values = table[columns].apply(pd.to_numeric, errors="coerce")
    wrong = (table[columns].notna() & ~values.isin([1, 0, -1])).to_numpy()
    if wrong.any():
        column = columns[np.argwhere(wrong)[0][1]]
        mend = (
            f" in the column '{column}': only 1, 0, -1 (uncertain) and blank are known there; give "
            "the file as the provider hands it out"
        )
        rows = pd.Series(wrong.any(axis=1), table.index)
        raise wrong_cells(rows, table[column], path, "", mend)
    return values.fillna(0).astype(np.int8).rename(columns=names)


def below_root(paths: pd.Series, images: Path) -> pd.Series:
    """Paths as the provider lists them, without their first folder where the image root is that
    folder itself.
    """
    first = paths.iloc[0].split("/")
    inside = len(first) > 2 and not (images / first[0]).is_dir() and (images / first[1]).is_dir()
    return paths.str.split("/", n=1).str[1] if inside else paths


def optional_column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as text, all missing where the provider's release does not have it."""
    return table[name] if name in table else pd.Series(np.nan, index=table.index, dtype="str")


def _refuse_label(name: str, known: Sequence[str], where: str, column: str) -> None:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean '{near[0]}'?" if near else "give the file as the provider hands it out"
    raise InputError(f"{where} has the unknown label '{name}' in the column '{column}': {hint}")


SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}

VIEWS = {
    "l": "LATERAL",
    "ll": "LATERAL",
    "rl": "LATERAL",
    "lateral": "LATERAL",
    "frontal": "FRONTAL",
}


def sexes(given: pd.Series) -> pd.Series:
    """M or F, whatever the provider writes for them; missing for anything else."""
    return given.str.lower().map(SEXES)


def views(given: pd.Series) -> pd.Series:
    """PA, AP, LATERAL and so on, alike for all providers."""
    return given.str.lower().map(VIEWS).fillna(given.str.upper())


def ages(given: pd.Series) -> pd.Series:
    """Years, from numbers or DICOM age strings (`058Y`, `011M`); missing where no human is that old
    or it is no age.
    """
    parts = given.astype("str").str.extract(r"^\s*(\d+(?:[.,]\d+)?)\s*([YMWD]?)\s*$")
    years = pd.to_numeric(parts[0].str.replace(",", ".")) / parts[1].map(
        {"": 1, "Y": 1, "M": 12, "W": 52.18, "D": 365.25}
    )
    return years.where(years <= 120).round(2)
