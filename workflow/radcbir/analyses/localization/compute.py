"""Where in other patients' series is the place that a few slices show?"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from radcbir.analyses.localization.slices import Images, asked_slices, placed
from radcbir.core.errors import InputError
from radcbir.core.logs import Progress
from radcbir.metrics.intervals import average, caution, difference_interval, patients_as_clusters
from radcbir.retrieval.joined import patient_codes
from radcbir.retrieval.units.placement import fits, overlaid, slab

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
    boxed: tuple[pd.DataFrame, np.ndarray] | None = None,
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

    ``boxed`` are slabs in boxes (:func:`radcbir.analyses.localization.boxes.boxed_slabs`), as far as
    they are embedded, and their vectors. They are laid over the whole slices of the index alike.
    Their rows have the share of the area in a column ``box``; differences are to a single slice in
    a box of the same share.

    Columns: query_split, slices, extent_mm (median distance between the first and the last slice),
    value, low, high (95 % interval by patient), chance (the same for a slice drawn at random),
    difference to a single slice, difference_low, difference_high, same_view (share), and
    median_error_mm (of those in the same view); queries, queries_without_answer,
    effective_patients, caution.

    Raises :class:`InputError` where no image has a series_id and a position.
    """
    rows = catalog.set_index("id").loc[ids]
    known = placed(rows)
    if not known.any():
        raise InputError(
            "no image has both a series_id and a position, which the analysis localization needs: "
            "fill in these columns of the dataset's CSV, or take `space:` out of the dataset"
        )
    rows, vectors = rows[known], vectors[known]
    sizes = sorted({1, *slices})
    index = Images(rows, vectors, rows["split"].to_numpy() == index_split)
    tables = []
    for split in query_splits:
        asking = Images(rows, vectors, rows["split"].to_numpy() == split)
        if len(asking.rows) and len(index.rows):
            found = {np.nan: _of_split(asking, index, sizes, within_mm, queries)}
            if boxed is not None:
                found |= dict(_by_share(boxed, asking, index, sizes, within_mm))
            for share, table in found.items():
                table.insert(0, "query_split", split)
                if boxed is not None:
                    table.insert(1, "box", share)
                tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def _by_share(
    boxed: tuple[pd.DataFrame, np.ndarray],
    asking: Images,
    index: Images,
    sizes: Sequence[int],
    within_mm: float,
) -> Iterator[tuple[float, pd.DataFrame]]:
    """Per share of the boxes the figures of the queries of a split."""
    slabs, vectors = boxed
    about = ["split", "patient_id", "study_id", "series_id", "position", "view"]
    here = slabs.drop(columns=["dataset"]).join(asking.rows[["dataset", *about]], on="id")
    kept = here["split"].notna().to_numpy()
    for share in np.unique(slabs["share"][kept]):
        some = kept & (slabs["share"] == share).to_numpy()
        yield float(share), _of_boxes(here[some], vectors[some], index, sizes, within_mm)


def _of_split(
    asking: Images, index: Images, sizes: Sequence[int], within_mm: float, queries: int
) -> pd.DataFrame:
    asked, stack = asked_slices(len(asking.rows), queries), asking.stack
    lengths = [
        [np.ptp(stack.positions[slab(stack, int(one), size)]) for size in sizes] for one in asked
    ]
    scored = fits(stack, asked, sizes, index.stack)
    return _measured(asking.rows.iloc[asked], index, sizes, within_mm, scored, np.array(lengths))


def _of_boxes(
    slabs: pd.DataFrame, vectors: np.ndarray, index: Images, sizes: Sequence[int], within_mm: float
) -> pd.DataFrame:
    """The same of slabs in boxes: ``slabs`` has a row per slice, with its row of the catalog, query
    and size, and ``vectors`` ``(n, d)`` are those of the boxes.
    """
    middles = slabs[slabs["id"] == slabs["query"]]
    of_query: dict = slabs.groupby("query", sort=False).indices
    positions, within = slabs["position"].to_numpy(float), slabs["size"].to_numpy()

    def taken(query: int, size: int) -> np.ndarray:
        return of_query[query][within[of_query[query]] <= size]

    def scored() -> Iterator[np.ndarray]:
        for query, middle in zip(middles["query"], middles["position"], strict=True):
            scores = np.empty((len(sizes), len(index.rows)))
            for row, size in enumerate(sizes):
                rows = taken(query, size)
                cosines = vectors[rows] @ index.stack.vectors.T
                scores[row] = overlaid(cosines, positions[rows] - middle, index.stack)
            yield scores

    lengths = [[np.ptp(positions[taken(one, size)]) for size in sizes] for one in middles["query"]]
    return _measured(middles, index, sizes, within_mm, scored(), np.array(lengths))


def _measured(
    asked: pd.DataFrame,
    index: Images,
    sizes: Sequence[int],
    within_mm: float,
    scored: Iterable[np.ndarray],
    lengths: np.ndarray,
) -> pd.DataFrame:
    """The figures of queries whose middles are ``asked`` (rows of the catalog), from their scores
    ``(len(sizes), slices of the index)``, and from the ``lengths`` of their slabs in mm.
    """
    count, positions = len(asked), asked["position"].to_numpy(float)
    views = asked["view"].fillna("").to_numpy(str)
    patients = patient_codes(pd.concat([asked["patient_id"], index.rows["patient_id"]]).to_frame())
    own, others = patients[:count], patients[count:]
    right = np.full((count, len(sizes)), False)
    same, error = right.copy(), np.full(right.shape, np.nan)
    chance = np.full(count, np.nan)
    progress = Progress(count, "queries")
    for row, scores in enumerate(scored):
        allowed = (others != own[row]) | (own[row] < 0)
        distance = np.abs(index.stack.positions - positions[row])
        of_view = index.views == views[row]
        near = of_view & (distance <= within_mm + 1e-6)
        if near[allowed].any():
            chance[row] = near[allowed].mean()
            scores = np.where(allowed, scores, -np.inf)
            best, placed = scores.argmax(axis=1), np.isfinite(scores.max(axis=1))
            right[row], same[row] = near[best] & placed, of_view[best] & placed
            error[row] = distance[best]
        progress.advance()
    answered = ~np.isnan(chance)
    extents = pd.DataFrame(lengths.reshape(count, len(sizes))[answered]).median().to_numpy(float)
    clusters, _ = patients_as_clusters(asked["patient_id"].iloc[np.flatnonzero(answered)])
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
