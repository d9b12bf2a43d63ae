"""What perturbed queries find, beside what the same queries find as they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from radcbir.analyses.robustness.kinds import PERTURBATIONS
from radcbir.metrics.intervals import (
    average,
    caution,
    difference_interval,
    patients_as_clusters,
    verdict,
)
from radcbir.metrics.lists import relevant_in_index
from radcbir.metrics.per_query import capped_precision
from radcbir.retrieval.joined import label_codes, patient_codes

DEPTH = 10
"""How many neighbors are compared."""

MEASURES = ("overlap", "precision_1", "precision_10")

ALL = "all"
"""The row of the mean over all perturbations."""

COUNTS = ["queries", "patients", "unit", "effective_patients", "left_out"]

TABLE_COLUMNS = [
    "perturbation",
    "severity",
    "amount",
    "overlap",
    "overlap_low",
    "overlap_high",
    "precision_1",
    "change_1",
    "change_1_low",
    "change_1_high",
    "precision_10",
    "change_10",
    "change_10_low",
    "change_10_high",
    *COUNTS,
]

AREA_COLUMNS = [
    "perturbation",
    "overlap",
    "overlap_low",
    "overlap_high",
    "before_1",
    "precision_1",
    "change_1",
    "change_1_low",
    "change_1_high",
    "verdict",
    "before_10",
    "precision_10",
    "change_10",
    "change_10_low",
    "change_10_high",
    "worst",
    *COUNTS,
    "remark",
]

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""Unit vectors ``(q, d)`` and k -> rows of the index ``(q, k)``, the nearest first, and scores."""


@dataclass(frozen=True)
class Queries:
    """The sampled queries that the index can answer, and what it takes to say what they find."""

    rows: np.ndarray
    """``(q,)`` catalog rows."""
    label: np.ndarray
    """``(images,)``: codes of the catalog's labels."""
    patient: np.ndarray
    """``(images,)``: codes of the catalog's patients, -1 where unknown."""
    index: np.ndarray
    """``(n,)`` catalog rows, in the order of the index's vectors."""
    relevant: np.ndarray
    """``(q,)``: the index images with the query's label, of other patients."""
    search: Search

    def first(self, which: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """The catalog rows ``(b, DEPTH)`` of the nearest images of other patients, -1 beyond the
        end, of the queries at the places ``which`` ``(b,)``.
        """
        own_patient = self.patient[self.rows[which]][:, None]
        largest = np.bincount(self.patient[self.index] + 1)[1:].max(initial=0)
        shared = np.isin(self.patient[self.rows], self.patient[self.index][self._known]).any()
        depth = min(len(self.index), DEPTH + (int(largest) if shared else 0))
        found = self.index[self.search(vectors, depth)[0]]
        own = (self.patient[found] == own_patient) & (own_patient >= 0)
        order = np.argsort(own, axis=1, kind="stable")[:, :DEPTH]
        rows, own = (np.take_along_axis(each, order, axis=1) for each in (found, own))
        rows = np.where(own, -1, rows)
        lacking = DEPTH - rows.shape[1]
        return np.pad(rows, ((0, 0), (0, max(0, lacking))), constant_values=-1)

    @property
    def _known(self) -> np.ndarray:
        return self.patient[self.index] >= 0

    def precision(self, which: np.ndarray, found: np.ndarray, k: int) -> np.ndarray:
        """P@k ``(b,)``, capped, of lists of :meth:`first`."""
        right = self.label[found] == self.label[self.rows[which]][:, None]
        return capped_precision(right & (found >= 0), self.relevant[which], k)


def answerable(
    catalog: pd.DataFrame, asked: np.ndarray, indexed: np.ndarray, search: Search
) -> Queries:
    """The queries among the image ids ``asked`` that have one label which images of other patients
    in the index have.

    ``indexed`` ``(n,)`` are the ids of the index in the order of what ``search`` finds. All are ids
    of the catalog.
    """
    ids = pd.Index(catalog["id"].to_numpy(np.int64))
    label, patient = label_codes(catalog), patient_codes(catalog)
    index, rows = ids.get_indexer(indexed), ids.get_indexer(asked)
    rows = rows[label[rows] >= 0]
    relevant = relevant_in_index(label[rows], label[index], patient[rows], patient[index])
    kept = relevant > 0
    return Queries(rows[kept], label, patient, index, relevant[kept], search)


def robustness(
    catalog: pd.DataFrame,
    queries: Queries,
    vectors: np.ndarray,
    perturbed: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``robustness`` and ``areas`` of one model.

    ``vectors`` ``(q, d)`` are those of ``queries`` as they are; ``perturbed`` has per perturbation
    the image ids ``(n,)``, severities ``(n,)`` and vectors ``(n, d)``. Neighbors of the query's own
    patient are left out. A query counts for a perturbation where it could be embedded in all
    severities; ``left_out`` is how many could not. Intervals are at 95 %, by patient.

    ``robustness`` has a row per perturbation and severity: the ``overlap`` (the share of the first
    ten neighbors that are the same as without the perturbation), P@1 and P@10 (capped) and their
    changes. ``areas`` has the means over the severities (the areas under the curves), and a row
    ``all``, the mean over the perturbations. ``worst`` marks the perturbation that takes most of
    P@1, of those with equal changes most of the overlap.
    """
    ids = catalog["id"].to_numpy(np.int64)[queries.rows]
    clusters, unit = patients_as_clusters(catalog["patient_id"].iloc[queries.rows])
    everyone = np.arange(len(ids))
    table, areas, means = [], [], []
    if len(ids):
        base = queries.first(everyone, vectors)
        before = np.column_stack(
            [np.ones(len(ids)), *(queries.precision(everyone, base, k) for k in (1, DEPTH))]
        )
        for name, (image, severity, changed) in perturbed.items():
            levels = np.unique(severity)
            values = np.full((len(levels), len(ids), len(MEASURES)), np.nan)
            for place, level in enumerate(levels):
                here = np.flatnonzero(severity == level)
                asked = pd.Index(ids).get_indexer(image[here])
                here, asked = here[asked >= 0], asked[asked >= 0]
                found = queries.first(asked, changed[here])
                values[place, asked] = np.column_stack(
                    [
                        overlap(base[asked], found),
                        *(queries.precision(asked, found, k) for k in (1, DEPTH)),
                    ]
                )
            kept = ~np.isnan(values).any(axis=(0, 2)) & (len(levels) > 0)
            counts = {"unit": unit, "left_out": int((~kept).sum())}
            for place, level in enumerate(levels):
                row = _measured(before[kept], values[place][kept], clusters[kept]) | counts
                amount = PERTURBATIONS[name].amounts[int(level) - 1]
                table.append(row | {"perturbation": name, "severity": int(level), "amount": amount})
            mean = np.full((len(ids), len(MEASURES)), np.nan)
            if kept.any():
                mean[kept] = values[:, kept].mean(axis=0)
            areas.append(_area(name, before, mean, clusters, queries, counts))
            means.append(mean)
    if areas:
        worst = min(areas, key=lambda row: (_last(row["change_1"]), _last(row["overlap"])))
        for row in areas:
            row["worst"] = row is worst and not np.isnan(row["change_1"])
        mean = np.mean(means, axis=0)
        counts = {"unit": unit, "left_out": int(np.isnan(mean).any(axis=1).sum())}
        areas.append(_area(ALL, before, mean, clusters, queries, counts) | {"worst": False})
    return (
        pd.DataFrame(table).reindex(columns=TABLE_COLUMNS),
        pd.DataFrame(areas).reindex(columns=AREA_COLUMNS),
    )


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The share of the images in each row of ``one`` ``(q, K)`` that are in the same row of
    ``other``; -1 is no image.
    """
    same = (one[:, :, None] == other[:, None, :]).any(axis=2) & (one >= 0)
    return same.sum(axis=1) / np.maximum((one >= 0).sum(axis=1), 1)


def _last(value: float) -> float:
    """Missing values come last."""
    return np.inf if np.isnan(value) else value


def _area(
    name: str,
    before: np.ndarray,
    mean: np.ndarray,
    clusters: np.ndarray,
    queries: Queries,
    counts: dict[str, Any],
) -> dict[str, Any]:
    kept = ~np.isnan(mean).any(axis=1)
    row = _measured(before[kept], mean[kept], clusters[kept]) | counts
    row |= {"perturbation": name, "verdict": _verdict(row), "remark": ""}
    if not kept.any():
        row["remark"] = "no perturbed query could be embedded"
    elif len(np.unique(queries.label[queries.index])) < 2:
        row["remark"] = "the index has one label: every neighbor is right, whatever is perturbed"
    elif not before[kept, 1].any():
        row["remark"] = "no nearest neighbor is right without a perturbation: P@1 cannot fall"
    elif caution(row["effective_patients"]) == "no interval":
        row["remark"] = "too few patients for an interval"
    return row


def _verdict(row: dict[str, Any]) -> str:
    """Whether perturbed queries are right less or more often, by the interval of the change of P@1."""
    ends = row["change_1_low"], row["change_1_high"]
    return verdict(*ends, row["effective_patients"], "less often", "more often")


def _measured(before: np.ndarray, after: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    """The measures ``(q, 3)`` of the same queries without and with a perturbation, in columns."""
    codes = np.unique(clusters, return_inverse=True)[1]
    one, other, change = (average(each, codes) for each in (before, after, after - before))
    low, high = other.interval()
    row: dict[str, Any] = {
        "queries": len(after),
        "patients": int(codes.max(initial=-1)) + 1,
        "effective_patients": other.effective,
        "overlap": other.value[0],
        "overlap_low": low[0],
        "overlap_high": high[0],
    }
    changed = difference_interval(change.value, change.moves, change.effective)
    for place, k in ((1, 1), (2, DEPTH)):
        row |= {f"before_{k}": one.value[place], f"precision_{k}": other.value[place]}
        row |= {f"change_{k}": change.value[place]}
        row |= {f"change_{k}_{end}": each[place] for end, each in zip(ENDS, changed, strict=True)}
    return row


ENDS = ("low", "high")


def read_perturbed(
    paths: Mapping[str, str | Path],
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Per perturbation what :func:`radcbir.analyses.robustness.embed.embed_perturbed` wrote: ids,
    severities, vectors.
    """
    for name, path in paths.items():
        with h5py.File(path) as file:
            yield name, (file["ids"][:], file["severities"][:], file["vectors"][:])


def sampled_ids(perturbed: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """The ids of all images of which a perturbed vector is there, rising."""
    found = [ids for ids, _, _ in perturbed]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
