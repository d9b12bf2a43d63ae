"""A dataset's CSV becomes its catalog: one checked row per usable image."""

import difflib
import hashlib
import json
import re
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from radcbir.core import package_data
from radcbir.core.checks import check_image_root, check_rejected
from radcbir.core.errors import InputError
from radcbir.core.logs import Progress, logger
from radcbir.images.address import join_address, split_address

CSV_SCHEMA = package_data.schema("dataset-csv")

OPTIONAL = ["patient_id", "study_id", "view", "sex", "age", "text", "source", "scanner"]

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
    csv: str | Path, dataset: str, images: str | Path | None, max_rejected: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a dataset CSV into its catalog.

    Returns the catalog (columns :data:`CATALOG_COLUMNS`, one row per image whose file is there,
    sorted by path) and the ledger of rejected rows (columns :data:`LEDGER_COLUMNS`). ``images`` is
    the image root, ``max_rejected`` the share of rows that may be rejected. Without a root (all
    models have their embeddings already) no file is looked up.

    Raises :class:`InputError` where the CSV breaks its schema, a path repeats or leaves the root,
    the root is missing, or too many images are missing.
    """
    if images is not None:
        check_image_root(images, dataset)
    table = read_csv(csv)
    nowhere = table.index[table["filepath"] == NO_FILE]
    table = table.drop(index=nowhere).reset_index(drop=True)
    paths = checked_paths(table["filepath"], csv)
    labels = _labels(table, csv)
    catalog = pd.DataFrame({"path": paths, "split": table["split"], "labels": labels})
    catalog["label"] = [each[0] if len(each) == 1 else None for each in labels]
    first = pd.Series([each[0] if each else "//" for each in labels]).str.split(
        "/", n=2, expand=True
    )
    catalog["modality"] = _column(table, "modality").fillna(first[0].replace("", None))
    catalog["region"] = _column(table, "anatomic_region").fillna(first[1].replace("", None))
    for name in OPTIONAL:
        catalog[name] = _column(table, name)
    catalog["age"] = _ages(catalog["age"], csv)
    catalog["id"] = np.array([image_id(dataset, path) for path in paths], dtype=np.int64)
    catalog["bytes"] = np.int64(0) if images is None else _file_sizes(Path(images), paths)
    catalog = catalog[CATALOG_COLUMNS].sort_values("path", kind="stable", ignore_index=True)

    known = {-1: "missing", -2: "not a file"} | ({} if images is None else {0: "zero bytes"})
    reasons = catalog["bytes"].map(known)
    rejected = pd.DataFrame(
        {"path": catalog["path"], "stage": "catalog", "model": "", "reason": reasons}
    )
    lost = [f"the file was not there when the CSV was made (row {row + 2})" for row in nowhere]
    lost_rows = pd.DataFrame(
        {"path": NO_FILE, "stage": "catalog", "model": "", "reason": lost}, columns=LEDGER_COLUMNS
    )
    rejected = pd.concat([rejected[reasons.notna()], lost_rows], ignore_index=True)
    bad = list(zip(rejected["path"], rejected["reason"], strict=True))
    listed = len(catalog) + len(nowhere)
    check_rejected(bad, listed, max_rejected, f"dataset '{dataset}' ({csv})")
    catalog = catalog[reasons.isna()].reset_index(drop=True)
    logger.info("dataset %s: %d rows listed, %d rejected", dataset, listed, len(rejected))
    return catalog, rejected


def read_csv(csv: str | Path) -> pd.DataFrame:
    """A dataset CSV as text columns, its header checked against its schema; blank cells are missing
    values.
    """
    try:
        table = pd.read_csv(csv, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except FileNotFoundError:
        raise InputError(
            f"the dataset CSV {csv} does not exist: correct `csv:` in the configuration"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(
            f"the dataset CSV {csv} cannot be read as comma-separated UTF-8 text: {error}"
        ) from None
    table.columns = table.columns.str.strip()
    table = table.apply(lambda column: column.str.strip()).replace("", np.nan)
    schema = json.loads(CSV_SCHEMA.read_text())
    for name in schema["required"]:
        if name not in table:
            near = difflib.get_close_matches(name, list(table.columns), 1, 0.5)
            hint = f"is it the column '{near[0]}'? rename it" if near else "add it"
            raise InputError(f"the dataset CSV {csv} has no column '{name}': {hint}")
    for name in table.columns:
        if name not in schema["properties"] and not any(
            re.match(each, name) for each in schema["patternProperties"]
        ):
            near = difflib.get_close_matches(name, list(schema["properties"]), 1, 0.6)
            hint = f"did you mean '{near[0]}'?" if near else "a column of your own starts with 'x_'"
            raise InputError(f"the dataset CSV {csv} has an unknown column '{name}': {hint}")
    if table.empty:
        raise InputError(f"the dataset CSV {csv} has a header but no rows: list at least one image")
    blank = table["split"].isna() | ~table["split"].fillna("").str.fullmatch(r"[A-Za-z0-9_-]+")
    if blank.any():
        row = int(np.flatnonzero(blank)[0])
        raise InputError(
            f"row {row + 2} of {csv} has the split '{table['split'].fillna('')[row]}': give a name "
            "of letters, digits, "
            "'_' and '-', such as train, val or test"
        )
    return table


def checked_paths(filepaths: pd.Series, csv: str | Path) -> list[str]:
    """Relative paths in one spelling; a blank, repeated or escaping one is an error that names its
    row.
    """
    paths: list[str] = []
    for row, given in enumerate(filepaths.fillna(""), start=2):
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
        rows = [row for row, path in enumerate(paths, start=2) if path == first]
        raise InputError(
            f"rows {', '.join(map(str, rows[:5]))} of {csv} list the same image '{first}': each "
            "image may stand in one "
            "row only"
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
    values = table[one_hot].apply(pd.to_numeric, errors="coerce").to_numpy()
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        given = table[one_hot[column]].fillna("")[row]
        raise InputError(
            f"row {row + 2} of {csv} has '{given}' in the label column '{one_hot[column]}': only 0 "
            "and 1 are allowed, "
            "so settle uncertain labels first"
        )
    names = [normal_label(name) for name in one_hot]
    labels: list[list[str]] = [[] for _ in range(len(table))]
    for row, column in np.argwhere(values == 1):
        labels[row].append(names[column])
    return labels


def _written_labels(given: pd.Series, csv: str | Path, several: bool) -> list[list[str]]:
    """Per row, the label that it gives, or ``several`` with ``|`` between them; none for a blank
    cell.
    """
    form = r"[^/|]+/[^/|]+/[^|]+(\|[^/|]+/[^/|]+/[^|]+)*" if several else r"[^/]+/[^/]+/.+"
    wrong = given.notna() & ~given.fillna("").str.fullmatch(form)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        how = (
            "them as MODALITY/region/finding with '|' between them"
            if several
            else "it as MODALITY/region/finding"
        )
        raise InputError(f"row {row + 2} of {csv} has the {given.name} '{given[row]}': write {how}")
    rows = (
        given.str.split("|", regex=False)
        if several
        else given.map(lambda label: [label], na_action="ignore")
    )
    known: dict[str, str] = {}
    return [
        list(dict.fromkeys(known.setdefault(each, normal_label(each)) for each in row))
        if isinstance(row, list)
        else []
        for row in rows
    ]


def normal_label(label: str) -> str:
    """A label without blanks around its parts: `` XR / chest/ Edema`` is ``XR/chest/Edema``."""
    return "/".join(part.strip() for part in label.split("/"))


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series(None, index=table.index, dtype=str)


def _ages(given: pd.Series, csv: str | Path) -> pd.Series:
    ages = pd.to_numeric(given, errors="coerce")
    wrong = given.notna() & ages.isna()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"row {row + 2} of {csv} has the age '{given[row]}': give years as a number, or leave "
            "it blank"
        )
    return ages.astype(float)


def _file_sizes(root: Path, paths: Sequence[str]) -> np.ndarray:
    """Bytes of each image's file, -1 where it is missing, -2 where it is something else than a
    file.
    """
    files = [split_address(path)[0] for path in paths]
    distinct = list(dict.fromkeys(files))  # a volume is one file of many images
    progress = Progress(len(distinct), "files looked up")

    def size(path: str) -> int:
        try:
            status = (root / path).stat()
        except OSError:
            return -1
        finally:
            progress.advance()
        return status.st_size if stat.S_ISREG(status.st_mode) else -2

    with ThreadPoolExecutor(8) as pool:
        sizes = dict(zip(distinct, pool.map(size, distinct, chunksize=256), strict=True))
    return np.fromiter((sizes[file] for file in files), dtype=np.int64, count=len(files))
