"""Where in other patients' series is the place that a few slices show?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import Progress
from radcbir.metrics.intervals import average, caution, difference_interval, patients_as_clusters
from radcbir.retrieval.joined import patient_codes
from radcbir.retrieval.units.placement import Stack, fits, slab

SERIES = ["dataset", "split", "patient_id", "study_id", "series_id"]
"""What tells one series from another."""

SEED = 0

COLUMNS = [
    *("query_split", "slices", "extent_mm", "value", "low", "high", "chance"),
    *("difference", "difference_low", "difference_high", "same_view", "median_error_mm"),
    *("queries", "queries_without_answer", "effective_patients", "caution"),
]


def localization(
    catalog: pd.DataFrame,
    ids: np.ndarray,
    vectors: np.ndarray,
    index_split: str,
    query_splits: Sequence[str],
    *,
    slices: Sequence[int],
    within_mm: float,
    queries: int,
) -> pd.DataFrame:
    """The share of queries whose best place in the index is at their own position, per size of the
    slab.

    ``catalog`` has a row per image with series_id, position (mm along the normal of the slices, in
    one space for all patients) and view; ``ids`` ``(n,)`` are embedded images and ``vectors``
    ``(n, d)`` their vectors of length one. A query is a slice of a query split, with the slices
    around it (``slices``: how many in all; 1 is compared, too). Its slab is laid over every series
    of the index (:func:`~radcbir.retrieval.units.placement.fits`); series of its own patient
    are left out. It is right if the slice at its center then lies on one of the same view, at most
    ``within_mm`` away. A query for which no such slice is in the index is part of no average. A
    slab that fits nowhere is not found. At most ``queries`` slices of a split are asked, drawn at
    random.

    Columns: query_split, slices, extent_mm (median distance between the first and the last slice),
    value, low, high (95 % interval by patient), chance (the same for a slice drawn at random),
    difference to a single slice, difference_low, difference_high, same_view (share), and
    median_error_mm (of those in the same view); queries, queries_without_answer,
    effective_patients, caution.

    Raises :class:`InputError` where no image has a series_id and a position.
    """
    rows = catalog.set_index("id").loc[ids]
    placed = (rows["series_id"].notna() & rows["position"].notna()).to_numpy()
    if not placed.any():
        raise InputError(
            "no image has both a series_id and a position, which the analysis localization needs: "
            "fill in these columns of the dataset's CSV, or take `space:` out of the dataset"
        )
    rows, vectors = rows[placed], vectors[placed]
    sizes = sorted({1, *slices})
    index = _Images(rows, vectors, rows["split"].to_numpy() == index_split)
    tables = []
    for split in query_splits:
        asking = _Images(rows, vectors, rows["split"].to_numpy() == split)
        if len(asking.rows) and len(index.rows):
            table = _of_split(asking, index, sizes, within_mm, queries)
            table.insert(0, "query_split", split)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


class _Images:
    """Some of the images, series by series."""

    def __init__(self, rows: pd.DataFrame, vectors: np.ndarray, some: np.ndarray):
        keys = rows[SERIES].fillna("").astype(str).agg("\0".join, axis=1)[some]
        order = np.lexsort((rows["position"].to_numpy()[some], keys.to_numpy()))
        self.rows = rows[some].iloc[order]
        self.stack = Stack(
            vectors[some][order],
            pd.factorize(keys.iloc[order])[0],
            self.rows["position"].to_numpy(float),
        )
        self.views = self.rows["view"].fillna("").to_numpy(str)


def _of_split(
    asking: _Images, index: _Images, sizes: Sequence[int], within_mm: float, queries: int
) -> pd.DataFrame:
    count, stack = len(asking.rows), asking.stack
    asked = np.arange(count)
    if count > queries:
        asked = np.sort(np.random.default_rng(SEED).choice(count, queries, replace=False))
    patients = patient_codes(pd.concat([asking.rows, index.rows]))
    own, others = patients[:count], patients[count:]
    right = np.full((len(asked), len(sizes)), False)
    same, error = right.copy(), np.full(right.shape, np.nan)
    chance = np.full(len(asked), np.nan)
    progress = Progress(len(asked), "queries")
    for row, (each, scores) in enumerate(
        zip(asked, fits(stack, asked, sizes, index.stack), strict=True)
    ):
        allowed = (others != own[each]) | (own[each] < 0)
        distance = np.abs(index.stack.positions - stack.positions[each])
        of_view = index.views == asking.views[each]
        near = of_view & (distance <= within_mm + 1e-6)
        if near[allowed].any():
            chance[row] = near[allowed].mean()
            scores = np.where(allowed, scores, -np.inf)
            best, placed = scores.argmax(axis=1), np.isfinite(scores.max(axis=1))
            right[row], same[row] = near[best] & placed, of_view[best] & placed
            error[row] = distance[best]
        progress.advance()
    answered = ~np.isnan(chance)
    lengths = [
        [np.ptp(stack.positions[slab(stack, int(each), size)]) for each in asked[answered]]
        for size in sizes
    ]
    extents = [pd.Series(each, dtype=float).median() for each in lengths]
    clusters, _ = patients_as_clusters(asking.rows["patient_id"].iloc[asked[answered]])
    found = average(right[answered].astype(float), clusters)
    low, high = found.interval()
    error[~same] = np.nan
    table = pd.DataFrame(
        {
            "slices": sizes,
            "extent_mm": extents,
            "value": found.value,
            "low": low,
            "high": high,
            "chance": chance[answered].mean() if answered.any() else np.nan,
            "same_view": same[answered].mean(axis=0) if answered.any() else np.nan,
            "median_error_mm": pd.DataFrame(error[answered]).median().to_numpy(),
            "queries": int(answered.sum()),
            "queries_without_answer": int((~answered).sum()),
            "effective_patients": found.effective,
            "caution": caution(found.effective),
        }
    )
    more = found.value - found.value[:1]
    ends = difference_interval(more, found.moves - found.moves[:, :1], found.effective)
    for name, values in zip(
        ("difference", "difference_low", "difference_high"), (more, *ends), strict=True
    ):
        table[name] = np.where(table["slices"] > 1, values, np.nan)
    return table[COLUMNS[1:]]
