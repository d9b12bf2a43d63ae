"""Computes the tables of a bundle again, from the bundle alone.

``python -m radcbir.export.bundle.reevaluate FOLDER`` says which files came out equal. It ends with 1
if one did not.
"""

import json
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.files import sha256_of_file
from radcbir.core.tables import read_csv, write_csv, write_parquet
from radcbir.export.bundle import form
from radcbir.metrics.evaluation import evaluate_splits

INTACT, CHANGED, MISSING, ADDED = "as bundled", "changed", "missing", "not of the bundle"

SAME, SAME_VALUES, OTHER, NOT = (
    "same bytes",
    "same values, other bytes",
    "other values",
    "not computed",
)


def reevaluate(folder: str | Path) -> pd.DataFrame:
    """What has become of each file of a bundle, and whether the metrics come out of it again.

    Columns: file; found (``as bundled``, ``changed``, ``missing``, ``not of the bundle``), by the
    digests of the crate; recomputed (``same bytes``; ``same values, other bytes``, as other versions
    of libraries may write; ``other values``; ``not computed``: files are missing, or
    ``experiment.json`` does not name the model), empty for files that are no tables of metrics.

    Raises :class:`InputError` where ``folder`` is no bundle, or its files are damaged.
    """
    folder = Path(folder)
    listed = _listed(folder)
    found = {name: _state(folder / name, digest) for name, digest in listed.items()}
    here = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")  # Snakemake and file managers leave some
    )
    found |= {name: ADDED for name in sorted(here) if name not in listed and name != form.CRATE}
    computed = dict.fromkeys(filter(form.is_table, found), NOT)
    if MISSING not in found.values():
        computed |= dict(_computed(folder, listed))
    return pd.DataFrame(
        {
            "file": list(found),
            "found": list(found.values()),
            "recomputed": [computed.get(name, "") for name in found],
        }
    )


def summary(table: pd.DataFrame) -> str:
    """The result of :func:`reevaluate` in sentences."""
    tables = table[table["recomputed"] != ""]
    same = int((tables["recomputed"] == SAME).sum())
    said = [f"{same} of {len(tables)} tables came out with the same bytes."]
    for words in (SAME_VALUES, OTHER, NOT):
        names = tables.loc[tables["recomputed"] == words, "file"]
        said += [f"{words.capitalize()}: {', '.join(names)}."] if len(names) else []
    for words in (CHANGED, MISSING, ADDED):
        names = table.loc[table["found"] == words, "file"]
        said += [f"{words.capitalize()}: {', '.join(names)}."] if len(names) else []
    if table["found"].eq(MISSING).any():
        said.append("Nothing was computed, because files are missing.")
    return " ".join(said)


def is_reproduced(table: pd.DataFrame) -> bool:
    """Whether no file has changed, and every table has come out with the same values."""
    tables = table.loc[table["recomputed"] != "", "recomputed"]
    return (
        bool(table["found"].eq(INTACT).all())
        and len(tables) > 0
        and bool(tables.isin([SAME, SAME_VALUES]).all())
    )


def _listed(folder: Path) -> dict[str, str]:
    """The files of the crate and their digests."""
    try:
        graph = json.loads((folder / form.CRATE).read_text(encoding="utf-8"))["@graph"]
        files = {each["@id"]: each["sha256"] for each in graph if each["@type"] == "File"}
    except (OSError, ValueError, KeyError, TypeError):
        files = {}
    if form.EXPERIMENT not in files:
        raise InputError(
            f"{folder} is no bundle of results: name a folder with {form.CRATE}, such as "
            "results/bundles/anatomy"
        )
    outside = [each for each in files if each.startswith("/") or ".." in Path(each).parts]
    if outside:
        raise InputError(f"{folder} names the file '{outside[0]}', which is outside: it is damaged")
    return files


def _state(path: Path, digest: str) -> str:
    if not path.is_file():
        return MISSING
    return INTACT if sha256_of_file(path) == digest else CHANGED


def _computed(folder: Path, listed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each table of metrics of the models that ``experiment.json`` names, and how it comes out.
    Files that are not ``listed`` in the crate are not read.
    """
    try:
        about = json.loads((folder / form.EXPERIMENT).read_text(encoding="utf-8"))
        experiment, models = about["experiment"], list(about["models"])
        needed = form.files(models, experiment["query_splits"])
        if strange := [each for each in needed if each not in listed]:
            raise ValueError(f"{form.EXPERIMENT} needs {strange[0]}, which the crate does not list")
        catalog = pd.read_parquet(folder / form.IMAGES)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} is damaged ({error}): fetch it again") from None
    for model in models:
        yield from _of_model(folder, experiment, model, catalog)


def _of_model(
    folder: Path, experiment: dict[str, Any], model: str, catalog: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    splits = experiment["query_splits"]
    neighbors = {split: folder / form.neighbors(model, split) for split in splits}
    try:
        ids = pd.read_parquet(folder / form.embedded(model))["id"].to_numpy()
        found = evaluate_splits(neighbors, catalog, ids, experiment["index_split"], experiment["k"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"the results of {model} in {folder} are damaged ({error}): fetch them again"
        ) from None
    with tempfile.TemporaryDirectory() as temporary:
        for name in form.TABLES:
            path, kept = Path(temporary) / name, folder / form.table(model, name)
            table = getattr(found, path.stem)
            (write_csv if path.suffix == ".csv" else write_parquet)(table, path)
            yield form.table(model, name), _compared(path, kept)


def _compared(made: Path, kept: Path) -> str:
    if made.read_bytes() == kept.read_bytes():
        return SAME
    read = read_csv if made.suffix == ".csv" else pd.read_parquet
    try:
        pd.testing.assert_frame_equal(read(made), read(kept), check_exact=True)
    except Exception:  # other values, or a file that cannot be read
        return OTHER
    return SAME_VALUES


def main(arguments: Sequence[str]) -> int:
    """Print what came out; 0 where all tables did."""
    if len(arguments) != 1:
        print("Usage: python -m radcbir.export.bundle.reevaluate FOLDER", file=sys.stderr)
        return 2
    try:
        table = reevaluate(arguments[0])
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(summary(table))
    return 0 if is_reproduced(table) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
