"""Labels of DICOM images: from their headers by a template, or from a CSV joined on a UID."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.core.text.csv_reader import CsvFile, wrong_cells
from radcbir.datasets.preparation import read_table
from radcbir.datasets.providers.dicom import UIDS
from radcbir.datasets.providers.dicom.template import FINDING, Template
from radcbir.datasets.providers.folder.labels import label_columns, labels_of_csv, prefix_of

OF_TABLE = {
    "modality": "modality",
    "region": "anatomic_region",
    "view": "view",
    "laterality": "x_laterality",
}
"""Fields of a template that are columns of the table."""


def of_headers(table: pd.DataFrame, template: Template) -> tuple[pd.Series, str]:
    """The labels of each image, and for how many images which field is blank, in words."""
    needed = list(dict.fromkeys(name for names in template.fields for name in names))
    values = table[[OF_TABLE.get(name, name) for name in needed]].fillna("").to_numpy()
    made: dict[tuple, tuple[list[str], str]] = {}
    found, blank = [], Counter[str]()
    for row in map(tuple, values.tolist()):
        if row not in made:
            made[row] = _labels(template, dict(zip(needed, row, strict=True)))
        labels, missing = made[row]
        found.append(labels)
        blank.update([missing] if missing else [])
    counts = ", ".join(f"{name}: {count:,}" for name, count in blank.most_common())
    return pd.Series(
        found, dtype=object
    ), f" (blank in images without one: {counts})" if counts else ""


def _labels(template: Template, values: Mapping) -> tuple[list[str], str]:
    """The labels of an image, one for each of its findings where the template has that field, and
    the field that leaves it without any.
    """
    each = [{**values, FINDING: finding} for finding in values.get(FINDING) or [""]]
    made = [template.label(one.__getitem__) for one in each]
    labels = list(dict.fromkeys(label for label, _ in made if label))
    return labels, "" if labels else made[0][1]


def of_csv(table: pd.DataFrame, path: Path, options: Mapping) -> tuple[pd.Series, str]:
    """The labels of each image by its row of the user's CSV, and what that was, in words. The
    columns `split` and `text` of the CSV are put into ``table``.

    Raises :class:`InputError` where no column or several name the images, or a row repeats one.
    """
    file = CsvFile(path, "the CSV", [*UIDS, *options["columns"].values()])
    columns = dict(options["columns"])
    key = _key(columns, file)
    columns |= {key: columns.get(key, key)}
    columns |= label_columns(columns, file.header)
    for name in ("split", "text"):
        if name in file.header:
            columns.setdefault(name, name)
    given = read_table(file, list(dict.fromkeys(columns.values())), keys=[columns[key]])
    names: Any = given[columns[key]]
    repeated = names.duplicated()
    if repeated.any():
        mend = f" a second time in the column '{columns[key]}': keep one row of each {key}"
        raise wrong_cells(repeated, names, path, "", mend)
    if "split" in columns:
        splits: Any = given[columns["split"]]
        wrong = ~splits.fillna("x").str.fullmatch(r"[A-Za-z0-9_-]+")
        if wrong.any():
            mend = ": give a name of letters, digits, '_' and '-', or leave it blank"
            raise wrong_cells(wrong, splits, path, "the split ", mend)
    labels = dict(zip(names, labels_of_csv(given, columns, path, prefix_of(options)), strict=True))
    for name in ("split", "text"):
        if name in columns:
            table[name] = table[key].map(dict(zip(names, given[columns[name]], strict=True)))
    unused = len(set(names) - set(table[key]))
    if unused:
        logger.warning("%s has %d rows of which no image is here", path, unused)
    found = pd.Series([labels.get(name, []) for name in table[key]], dtype=object)
    return found, f"a label in the CSV, by {key}"


def _key(columns: Mapping[str, str], file: CsvFile) -> str:
    """The identifier on which the CSV is joined: what `columns:` names, or else the finest in its
    header.
    """
    named = [uid for uid in UIDS if uid in columns]
    if len(named) > 1:
        raise InputError(f"`columns:` names {' and '.join(named)}: keep the one to join on")
    found = named or [uid for uid in UIDS if uid in file.header]
    if not found:
        raise InputError(
            f"{file.path} has no column {', '.join(UIDS[:-1])} or {UIDS[-1]}: name the one that "
            "tells which images a row is about, such as `columns: {SeriesInstanceUID: series}`"
        )
    return found[0]
