"""Reads an export and holds its files against the digests in its manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from radcbir.core.errors import InputError
from radcbir.core.files import is_file, sha256_of_file
from radcbir.export import form

if TYPE_CHECKING:
    import faiss


@dataclass(frozen=True)
class Export:
    """The vectors of one model of an experiment, as they were exported."""

    folder: Path
    manifest: dict[str, Any]
    """Settings, model, counts, metrics, versions, digests."""
    images: pd.DataFrame
    """``n`` rows: id, dataset, split, path, label, labels, patient_id. The index split comes first."""
    vectors: np.ndarray
    """``(n, d)`` float32, each of length one, in the order of ``images``."""

    @property
    def ids(self) -> np.ndarray:
        """``(n,)`` int64: the id of each image."""
        return self.images["id"].to_numpy(np.int64)

    @property
    def index_split(self) -> str:
        """The split that is searched."""
        return self.manifest["experiment"]["index_split"]

    def of_split(self, split: str) -> tuple[pd.DataFrame, np.ndarray]:
        """The images of a split and their vectors ``(m, d)``.

        Raises :class:`~radcbir.core.errors.InputError` where there is no such split.
        """
        self._check(split, list(self.manifest["images"]))
        kept = (self.images["split"] == split).to_numpy()
        return self.images[kept].reset_index(drop=True), self.vectors[kept]

    def neighbors(self, split: str) -> pd.DataFrame:
        """The neighbors of a query split: query, rank, neighbor, score, same_patient.

        Raises :class:`~radcbir.core.errors.InputError` where it is no query split.
        """
        self._check(split, list(self.manifest["experiment"]["query_splits"]))
        return pd.read_parquet(self.folder / form.neighbors(split))

    def index(self) -> faiss.Index:
        """The index of the index split, which finds ids by inner product. It is mapped into memory.

        FAISS must not be loaded in a process that has loaded torch.
        """
        import faiss

        return faiss.read_index(str(self.folder / form.INDEX), faiss.IO_FLAG_MMAP_IFC)

    def _check(self, split: str, known: list[str]) -> None:
        if split not in known:
            raise InputError(
                f"the export {self.folder} has no such split '{split}': name one of "
                f"{', '.join(known)}"
            )


def read_export(folder: str | Path) -> Export:
    """Read an export. Every file is read once and held against its digest.

    Raises :class:`~radcbir.core.errors.InputError` where a file is missing or damaged, or where a
    later version of the library made the export.
    """
    folder = Path(folder)
    manifest = checked_manifest(folder)
    images = pd.read_parquet(folder / form.VECTORS, columns=list(form.COLUMNS))
    vectors = np.empty((len(images), manifest["dimension"]), np.float32)
    start = 0
    with pq.ParquetFile(folder / form.VECTORS) as file:
        for batch in file.iter_batches(columns=["vector"]):
            numbers = batch.column(0).flatten().to_numpy()
            vectors[start : start + len(batch)] = numbers.reshape(len(batch), -1)
            start += len(batch)
    return Export(folder, manifest, images, vectors)


def checked_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export whose files all have the digests that it says.

    Raises :class:`~radcbir.core.errors.InputError` as :func:`read_export` does.
    """
    manifest = _manifest(folder)
    for name, written in manifest["files"].items():
        if not is_file(folder / name):
            raise _damaged(folder, f"the file {name} is missing")
        if sha256_of_file(folder / name) != written["sha256"]:
            raise _damaged(folder, f"the file {name} is not the one that was exported")
    return manifest


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / form.MANIFEST
    if not is_file(path):
        raise InputError(
            f"there is no export in {folder}, since it has no {form.MANIFEST}: name a folder "
            "results/exports/{experiment}/{model}"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
        if isinstance(found, int) and found > form.FORMAT:
            raise InputError(
                f"the export {folder} has the format {found}, and this radcbir reads formats up to "
                f"{form.FORMAT}: install a later version of radcbir"
            )
        splits = [str(each) for each in manifest["experiment"]["query_splits"]]
        complete = (
            found == form.FORMAT
            and isinstance(manifest["dimension"], int)
            and manifest["experiment"]["index_split"] in manifest["images"]
            and set(manifest["files"]) == set(form.files(splits))
            and all(isinstance(each["sha256"], str) for each in manifest["files"].values())
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise _damaged(folder, f"its {form.MANIFEST} is not complete")
    return manifest


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(
        f"the export {folder} is damaged, {what}: copy the folder again, or delete it and run "
        "`snakemake --cores all export`"
    )
