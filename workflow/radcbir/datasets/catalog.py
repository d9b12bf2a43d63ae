"""A dataset's CSV becomes its catalog: one checked row per usable image."""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from radcbir.core import package_data
from radcbir.core.errors import InputError
from radcbir.core.logs import Progress, logger
from radcbir.core.text.csv_reader import CsvFile, Seen, wrong_cells
from radcbir.datasets.changes import MISSING, ImageFiles, Status, look
from radcbir.datasets.changes import NO_FILE as NOT_A_FILE
from radcbir.datasets.checks import check_image_root, check_rejected
from radcbir.images.address import join_address, split_address

CSV_SCHEMA = package_data.schema("dataset-csv")

OPTIONAL = [
    *("patient_id", "study_id", "series_id", "instance", "position"),
    *("view", "sex", "age", "text", "source", "scanner"),
]

NUMBERS = {"age": "years", "instance": "it", "position": "mm"}
"""Columns with numbers -> what an error asks for."""

CATALOG_COLUMNS = [
    "id",
    "path",
    "split",
    "labels",
    "label",
    "modality",
    "region",
    *OPTIONAL,
    "bytes",
    "content",
]

LEDGER_COLUMNS = ["path", "stage", "model", "reason"]

NO_FILE = "File Missing"
"""What the reference's preparation writes as the path of an image that it did not find."""


def image_id(dataset: str, path: str) -> int:
    """The identity of an image: 63 bits of the SHA-256 of dataset and path, the same in every run
    and on every disk.
    """
    return int.from_bytes(hashlib.sha256(f"{dataset}\0{path}".encode()).digest()[:8], "big") >> 1


def build_catalog(
    csv: str | Path,
    dataset: str,
    images: str | Path | None,
    max_rejected: float,
    known: ImageFiles | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a dataset CSV into its catalog.

    Returns the catalog (columns :data:`CATALOG_COLUMNS`, one row per image whose file is there,
    sorted by path) and the ledger of rejected rows (columns :data:`LEDGER_COLUMNS`). ``images`` is
    the image root, ``max_rejected`` the share of rows that may be rejected. Without a root (all
    models have their embeddings already) no file is looked up. ``known`` is what the last catalog saw
    of the files: where one has changed since, the column ``content`` tells its digest.

    Raises :class:`InputError` where the CSV breaks its schema, a path repeats or leaves the root,
    the root is missing, too many images are missing, or the CSV is changed meanwhile.
    """
    if images is not None:
        check_image_root(images, dataset)
    table, seen = _read(csv)
    nowhere = table.index[table["filepath"] == NO_FILE]
    table = table.drop(index=nowhere)
    paths = checked_paths(table["filepath"], csv)
    labels = _labels(table, csv)
    numbers = {name: _numbers(_column(table, name), csv, name) for name in NUMBERS}
    table = table.reset_index(drop=True)
    catalog = pd.DataFrame({"path": paths, "split": table["split"], "labels": labels})
    catalog["label"] = [each[0] if len(each) == 1 else None for each in labels]
    first = pd.Series([each[0] if each else "//" for each in labels]).str.split(
        "/", n=2, expand=True
    )
    catalog["modality"] = _column(table, "modality").fillna(first[0].replace("", None))
    catalog["region"] = _column(table, "anatomic_region").fillna(first[1].replace("", None))
    for name in OPTIONAL:
        catalog[name] = numbers[name].to_numpy() if name in numbers else _column(table, name)
    catalog["id"] = np.array([image_id(dataset, path) for path in paths], dtype=np.int64)
    catalog["bytes"], catalog["content"] = np.int64(0), ""
    if images is not None:
        files = [split_address(path)[0] for path in paths]
        found = _looked_up(Path(images), files)
        catalog["bytes"] = np.array([found[file].bytes for file in files], dtype=np.int64)
        if known is not None:
            contents = known.contents(images, found)
            catalog["content"] = [contents[file] for file in files]
    catalog = catalog[CATALOG_COLUMNS].sort_values("path", kind="stable", ignore_index=True)

    reasons_of = {MISSING: "missing", NOT_A_FILE: "not a file"} | (
        {} if images is None else {0: "zero bytes"}
    )
    reasons = catalog["bytes"].map(reasons_of)
    rejected = pd.DataFrame(
        {"path": catalog["path"], "stage": "catalog", "model": "", "reason": reasons}
    )
    lost = [f"the file was not there when the CSV was made (row {row})" for row in nowhere]
    lost_rows = pd.DataFrame(
        {"path": NO_FILE, "stage": "catalog", "model": "", "reason": lost}, columns=LEDGER_COLUMNS
    )
    rejected = pd.concat([rejected[reasons.notna()], lost_rows], ignore_index=True)
    bad = list(zip(rejected["path"], rejected["reason"], strict=True))
    listed = len(catalog) + len(nowhere)
    check_rejected(bad, listed, max_rejected, f"dataset '{dataset}' ({csv})")
    catalog = catalog[reasons.isna()].reset_index(drop=True)
    seen.refuse_change()
    logger.info("dataset %s: %d rows listed, %d rejected", dataset, listed, len(rejected))
    return catalog, rejected


def read_csv(csv: str | Path) -> pd.DataFrame:
    """A dataset CSV as text columns, its header checked against its schema; blank cells are missing
    values, the index is the number of the row in the file.

    Raises :class:`InputError` as :class:`radcbir.core.text.csv_reader.CsvFile` does, and where a column
    is missing or unknown, or a row has no split.
    """
    return _read(csv)[0]


def _read(csv: str | Path) -> tuple[pd.DataFrame, Seen]:
    schema = json.loads(CSV_SCHEMA.read_text(encoding="utf-8"))
    file = CsvFile(
        csv, "the dataset CSV", list(schema["properties"]), "correct `csv:` in the configuration"
    )
    _check_header(file.header, schema, csv)
    table = file.table()
    if table.empty:
        raise InputError(f"the dataset CSV {csv} has a header but no rows: list at least one image")
    split = table["split"].fillna("")
    wrong = ~split.str.fullmatch(r"[A-Za-z0-9_-]+")
    if wrong.any():
        mend = ": give a name of letters, digits, '_' and '-', such as train, val or test"
        raise wrong_cells(wrong, split, csv, "the split ", mend)
    return table, file.seen


def _check_header(header: Sequence[str], schema: Mapping, csv: str | Path) -> None:
    """Raise :class:`InputError` where the header lacks a column or has one that nothing reads."""
    for name in schema["required"]:
        if name not in header:
            near = difflib.get_close_matches(name, header, 1, 0.5)
            hint = f"is it the column '{near[0]}'? rename it" if near else "add it"
            if len(header) == 1:
                hint = f"its header is one cell, '{header[0][:80]}'; put commas between the columns"
            raise InputError(f"the dataset CSV {csv} has no column '{name}': {hint}")
    unknown = [
        name
        for name in header
        if name
        and name not in schema["properties"]
        and not any(re.match(each, name) for each in schema["patternProperties"])
    ]
    if unknown:
        near = difflib.get_close_matches(unknown[0], list(schema["properties"]), 1, 0.6)
        meant = f"did you mean '{near[0]}'? A" if near else "a"
        which = ", ".join(f"'{name}'" for name in unknown[:5]) + (" ..." if unknown[5:] else "")
        raise InputError(
            f"the dataset CSV {csv} has {'an unknown column' if len(unknown) == 1 else 'the unknown columns'} "
            f"{which}: {meant} column of your own needs a name that starts with 'x_', such as "
            f"'x_{unknown[0]}'"
        )


def checked_paths(filepaths: pd.Series, csv: str | Path) -> list[str]:
    """Relative paths in one spelling; a blank, repeated or escaping one is an error that names its
    row, the index of ``filepaths``.
    """
    paths: list[str] = []
    for row, given in filepaths.fillna("").items():
        path = PurePosixPath(given.replace("\\", "/"))
        if not path.parts:
            raise InputError(f"row {row} of {csv} has no filepath: fill it in or delete the row")
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", path.parts[0]):
            raise InputError(
                f"row {row} of {csv} leaves the image root with '{given}': paths are relative to "
                "`images:` and "
                "contain no '..'"
            )
        if any(ord(character) < 32 for character in given):
            raise InputError(
                f"row {row} of {csv} has a control character in the filepath {given!r}: rename the "
                "file"
            )
        paths.append(join_address(*split_address(str(path))))
    repeated = pd.Series(paths).duplicated(keep=False).to_numpy()
    if repeated.any():
        first = paths[int(np.flatnonzero(repeated)[0])]
        rows = [row for row, path in zip(filepaths.index, paths, strict=True) if path == first]
        raise InputError(
            f"rows {', '.join(map(str, rows[:5]))} of {csv} list the same image '{first}': each "
            "image may be in one row only"
        )
    return paths


def _labels(table: pd.DataFrame, csv: str | Path) -> list[list[str]]:
    """Per row, its labels: of the column ``label`` or ``labels`` as written, or of the one-hot
    columns in their order.
    """
    one_hot = [name for name in table.columns if "/" in name and not name.startswith("x_")]
    written = [name for name in ("label", "labels") if name in table]
    if len(written) == 2:
        raise InputError(f"{csv} has a column `label` and a column `labels`: keep one of the two")
    if written and one_hot:
        raise InputError(
            f"{csv} has a `{written[0]}` column and one-hot columns such as '{one_hot[0]}': keep "
            "one of the two"
        )
    if written:
        return _written_labels(table[written[0]], csv, several=written[0] == "labels")
    if not one_hot:
        raise InputError(
            f"the dataset CSV {csv} has no labels: add a column 'label', or one-hot columns named "
            "MODALITY/region/finding"
        )
    return one_hot_labels(table, {name: name for name in one_hot}, csv)


def one_hot_labels(
    table: pd.DataFrame, columns: Mapping[str, str], csv: str | Path
) -> list[list[str]]:
    """Per row, the labels whose column has a 1; ``columns`` maps the name of a column to the label.

    Raises :class:`InputError` for a cell that is neither 0 nor 1, and for two columns of one label.
    """
    one_hot, names = list(columns), [normal_label(label) for label in columns.values()]
    twice = next((place for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(
            f"{csv} has the label columns '{one_hot[names.index(names[twice])]}' and "
            f"'{one_hot[twice]}', which are the same label: keep one of the two"
        )
    values = table[one_hot].apply(pd.to_numeric, errors="coerce").to_numpy()
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        column = one_hot[np.argwhere(wrong)[0][1]]
        mend = (
            f" in the label column '{column}': only 0 and 1 are allowed, so settle uncertain "
            "labels first"
        )
        rows = pd.Series(wrong.any(axis=1), table.index)
        raise wrong_cells(rows, table[column], csv, "", mend)
    labels: list[list[str]] = [[] for _ in range(len(table))]
    for row, column in np.argwhere(values == 1):
        labels[row].append(names[column])
    return labels


def _written_labels(given: pd.Series, csv: str | Path, several: bool) -> list[list[str]]:
    """Per row, the label that it gives, or ``several`` with ``|`` or ``;`` between them; none for a
    blank cell.
    """
    known = {text: split_labels(text) if several else [text] for text in given.dropna().unique()}
    if not several:
        joined = given.map(reads_as_several, na_action="ignore").eq(True)
        if joined.any():
            mend = (
                ", which reads as several labels: rename the column `label` to `labels`, and put "
                f"'{SEPARATOR}' between the labels of an image"
            )
            raise wrong_cells(joined, given, csv, "the label ", mend)
    fits = {text: all(map(LABEL.fullmatch, parts)) for text, parts in known.items()}
    wrong = given.notna() & ~given.map(fits).eq(True)
    if wrong.any():
        form = "MODALITY/region/finding"
        how = f"them as {form} with '{SEPARATOR}' between them" if several else f"it as {form}"
        raise wrong_cells(wrong, given, csv, f"the {given.name} ", f": write {how}")
    normal = {
        text: list(dict.fromkeys(normal_label(part) for part in parts))
        for text, parts in known.items()
    }
    return [list(normal[text]) if isinstance(text, str) else [] for text in given]


LABEL = re.compile(r"\s*[^/\s][^/]*/\s*[^/\s][^/]*/\s*\S.*")
"""MODALITY/region/finding, where the finding may have parts of its own."""

SEPARATOR = "|"
"""Between the labels of an image in the column `labels` of a dataset CSV; `;` is read as well."""


def split_labels(text: str) -> list[str]:
    """The labels in a cell that may hold several."""
    return re.split(r"[|;]", text)


def reads_as_several(text: str) -> bool:
    """Whether the cell of one label holds several: with ``|`` or ``;`` between them, or full labels
    with a comma, a plus or a line end between them.
    """
    parts = re.split(r"[,+&\n]", text)
    return len(split_labels(text)) > 1 or (len(parts) > 1 and all(map(LABEL.fullmatch, parts)))


def normal_label(label: str) -> str:
    """A label without blanks around its parts: `` XR / chest/ Edema`` is ``XR/chest/Edema``."""
    return "/".join(part.strip() for part in label.split("/"))


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series(None, index=table.index, dtype=str)


def _numbers(given: pd.Series, csv: str | Path, name: str) -> pd.Series:
    numbers = pd.to_numeric(given.str.replace(",", "."), errors="coerce").astype(float)
    wrong = given.notna() & ~np.isfinite(numbers)
    if name == "age":
        wrong |= numbers < 0
    if wrong.any():
        mend = f": give {NUMBERS[name]} as a number, or leave it blank"
        raise wrong_cells(wrong, given, csv, f"the {name} ", mend)
    return numbers


def _looked_up(root: Path, files: Sequence[str]) -> dict[str, Status]:
    """Each file's status; a volume is one file of many images."""
    distinct = list(dict.fromkeys(files))
    return look(root, distinct, Progress(len(distinct), "files looked up"))
