"""What a page knows of an experiment's images: columns of its catalog, filters over them, near
duplicates of the audit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from radcbir.app.question import shown
from radcbir.core.errors import InputError
from radcbir.core.vectors import places_of

FACETS = ("modality", "region", "dataset", "label")
"""What images are filtered by."""

SHOWN = (
    *("id", "path", "dataset", "split", "labels", "modality", "region", "view", "sex", "age"),
    *("patient_id", "study_id", "source"),
)

NAMED = ("study_id", "series_id")
"""What images and units are found by: of datasets made from DICOM files these are StudyInstanceUID
and SeriesInstanceUID."""

IN_SERIES = {"series_id": pa.string(), "instance": pa.float64(), "position": pa.float64()}
"""What orders a series: blank in catalogs of versions that did not have it."""


@dataclass(frozen=True)
class Facet:
    """One property of images: its values, and which images have which (an image may have several
    labels).
    """

    values: list[str]
    rows: np.ndarray
    """(p,) int64: the images, and beside each in"""
    codes: np.ndarray
    """(p,) int32: the place of a value that it has."""

    def counts(self, among: np.ndarray) -> dict[str, int]:
        """Value -> how many of the images ``among`` (bool per image) have it; values that none has
        are left out.
        """
        numbers = np.bincount(self.codes[among[self.rows]], minlength=len(self.values))
        return {
            value: int(number) for value, number in zip(self.values, numbers, strict=True) if number
        }


class Collection:
    """The pooled catalog of an experiment, column by column: a million images take some hundred
    megabytes.
    """

    def __init__(self, path: str | Path, index_split: str):
        """``path`` is the experiment's ``catalog.parquet``, ``index_split`` the split that is
        searched.
        """
        self.table = _read(path)
        self.ids = self.table["id"].to_numpy()
        self.order = np.argsort(self.ids)
        self.in_index = pc.equal(self.table["split"], index_split).to_numpy(zero_copy_only=False)
        self.facets = {name: _facet(self.table[name]) for name in ("modality", "region", "dataset")}
        labels = self.table["labels"].combine_chunks()
        self.facets["label"] = _facet(
            pc.list_flatten(labels), pc.list_parent_indices(labels).to_numpy()
        )

    @cached_property
    def patients(self) -> np.ndarray:
        """(n + 1,) int32: a number for the patient of each row, -1 where the patient is not known;
        the last entry is for images that the catalog does not have.
        """
        encoded = self.table["patient_id"].combine_chunks().cast(pa.string()).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.append(codes, -1).astype(np.int32)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """The rows of some images; -1 for one that the catalog does not have."""
        return places_of(ids, self.ids, self.order)

    def rows_named(self, name: str) -> np.ndarray:
        """The rows of images whose ``study_id`` or ``series_id`` is ``name``."""
        has = [pc.fill_null(pc.equal(self.table[each], name), False) for each in NAMED]
        return pc.indices_nonzero(pc.or_(*has)).to_numpy()

    def named(self, name: str) -> list[int]:
        """The ids of these images."""
        return self.ids[self.rows_named(name)].tolist()

    def admitted(self, filters: Mapping[str, Sequence[str]]) -> np.ndarray:
        """Which images pass, bool per row: of each facet that is named, the image has one of the
        values.

        Raises :class:`InputError` for a facet or a value that there is not.
        """
        passed = np.ones(len(self.ids), dtype=bool)
        for name, values in filters.items():
            if name not in self.facets:
                raise InputError(
                    f"images cannot be filtered by '{shown(name)}': choose {', '.join(FACETS)}"
                )
            facet, places = self.facets[name], []
            for value in values:
                if value not in facet.values:
                    raise InputError(
                        f"no image of this experiment has the {name} '{shown(value)}': reload the page"
                    )
                places.append(facet.values.index(value))
            has = np.zeros(len(self.ids), dtype=bool)
            has[facet.rows[np.isin(facet.codes, places)]] = True
            passed &= has
        return passed

    def one_label(self, rows: np.ndarray) -> list[str | None]:
        """The label of some images; None for one that has none or several."""
        labels = self.table["labels"].take(pa.array(rows, type=pa.int64())).to_pylist()
        return [each[0] if len(each) == 1 else None for each in labels]

    def describe(self, rows: Sequence[int] | np.ndarray) -> list[dict]:
        """What is shown of some images; ids as text, since they have more digits than a browser's
        numbers.
        """
        described = self.table.take(pa.array(rows, type=pa.int64())).to_pylist()
        return [each | {"id": str(each["id"])} for each in described]


def _facet(column: pa.ChunkedArray | pa.Array, rows: np.ndarray | None = None) -> Facet:
    """A facet of a column of text; ``rows`` says whose its entries are where an image may have
    several.
    """
    rows = np.arange(len(column)) if rows is None else rows
    encoded = column.dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    values = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(values)
    place = np.empty(len(values) + 1, dtype=np.int32)
    place[order], place[-1] = np.arange(len(values)), -1
    known = codes >= 0
    return Facet(values[order].tolist(), rows[known], place[codes][known])


def shared_duplicates(path: str | Path) -> dict[int, frozenset]:
    """Index image -> the query images that it is a near duplicate of, from the audit's table;
    nothing where it is missing.
    """
    if not Path(path).is_file():
        return {}
    table = pq.read_table(path, columns=["image", "other"])
    found: dict[int, set] = {}
    for image, other in zip(table["image"].to_pylist(), table["other"].to_pylist(), strict=True):
        found.setdefault(other, set()).add(image)
    return {other: frozenset(images) for other, images in found.items()}


def _read(path: str | Path) -> pa.Table:
    """The columns of a catalog that the page reads."""
    there = [name for name in IN_SERIES if name in pq.read_schema(path).names]
    table = pq.read_table(path, columns=[*SHOWN, *there]).combine_chunks()
    for name, kind in IN_SERIES.items():
        if name not in there:
            table = table.append_column(name, pa.nulls(len(table), kind))
    return table
