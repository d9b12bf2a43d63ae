"""Ways to compare two units: P@k and mAP of each, with intervals by patient."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from radcbir.analyses.aggregation.scores import WAYS, Slices, scores_by_way
from radcbir.metrics.intervals import average, caution, difference_interval, patients_as_clusters
from radcbir.metrics.lists import relevant_in_index
from radcbir.metrics.per_query import RankedLists, average_precision, capped_precision
from radcbir.retrieval.joined import label_codes, patient_codes

METRICS = ("precision_at_1", "precision_at_5", "precision_at_10", "mean_average_precision")

AVERAGES = ("micro", "macro")


def aggregation(
    catalog: pd.DataFrame,
    units: np.ndarray,
    slices: Slices,
    index_split: str,
    query_splits: Sequence[str],
    k: int,
) -> pd.DataFrame:
    """P@1, P@5, P@10 (capped) and mAP at k of each way to compare units, with intervals by patient.

    ``catalog`` has a row per unit; ``slices`` are the embedded images of ``units`` (ids, in their
    order). Units of the query's own patient are excluded. Queries without a unit of their label in
    the rest of the index are in no average, and units with several labels are left out.

    Columns: query_split, way, metric, average (micro, macro), value, low, high; difference to the
    way ``mean`` over the same queries, difference_low, difference_high; queries,
    queries_without_relevant, effective_patients, caution, index_units, index_images.
    """
    rows = pd.Index(catalog["id"]).get_indexer(pd.Index(units))
    labels, patients = label_codes(catalog)[rows], patient_codes(catalog)[rows]
    split = catalog["split"].to_numpy()[rows]
    index = np.flatnonzero((split == index_split) & (labels >= 0))
    found = []
    for each in query_splits:
        asked = np.flatnonzero((split == each) & (labels >= 0))
        if not (len(asked) and len(index)):
            continue
        values, relevant = _metrics(slices, labels, patients, asked, index, k)
        table = _table(values, relevant, labels[asked], catalog["patient_id"].iloc[rows[asked]])
        table.insert(0, "query_split", each)
        found.append(table)
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)
    return table.assign(index_units=len(index), index_images=int(slices.sizes[index].sum()))


COLUMNS = [
    *("query_split", "way", "metric", "average", "value", "low", "high"),
    *("difference", "difference_low", "difference_high"),
    *("queries", "queries_without_relevant", "effective_patients", "caution"),
]


def _metrics(
    slices: Slices,
    labels: np.ndarray,
    patients: np.ndarray,
    asked: np.ndarray,
    index: np.ndarray,
    k: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The metrics of each query ``(q, ways, metrics)``, and how many units are right ``(q,)``."""
    own = (patients[asked][:, None] == patients[index]) & (patients[asked][:, None] >= 0)
    relevant = relevant_in_index(labels[asked], labels[index], patients[asked], patients[index])
    values = np.empty((len(asked), len(WAYS), len(METRICS)))
    for some, by_way in scores_by_way(_of(slices, asked), _of(slices, index), own):
        for place, scores in enumerate(by_way.values()):
            order = scores.order()[:, :k]
            ranked = np.isfinite(np.take_along_axis(scores.score, order, axis=1))
            right = labels[index][order] == labels[asked[some]][:, None]
            lists = RankedLists(right & ranked, ranked.sum(axis=1), relevant[some])
            for column, depth in enumerate((1, 5, 10)):
                values[some, place, column] = capped_precision(
                    lists.relevance, lists.relevant, depth
                )
            values[some, place, 3] = average_precision(lists.relevance, lists.relevant)
    return values, relevant


def _of(slices: Slices, some: np.ndarray) -> Slices:
    """The slices of some units, in their order."""
    ends = slices.starts + slices.sizes
    rows = [np.arange(slices.starts[each], ends[each]) for each in some]
    sizes = slices.sizes[some]
    return Slices(slices.vectors[np.concatenate(rows)], np.cumsum(sizes) - sizes)


def _table(
    values: np.ndarray, relevant: np.ndarray, labels: np.ndarray, patients: pd.Series
) -> pd.DataFrame:
    """Averages with intervals, a row per way, metric and average, without the query split."""
    answered = relevant > 0
    clusters, _ = patients_as_clusters(patients[answered])
    classes = np.unique(labels[answered], return_inverse=True)[1]
    flat = values[answered].reshape(answered.sum(), -1)
    shape = len(WAYS), len(METRICS)
    tables = []
    for kind in AVERAGES:
        found = average(flat, clusters, classes if kind == "macro" else None)
        value, low, high = (each.reshape(shape) for each in (found.value, *found.interval()))
        moves = found.moves.reshape(-1, *shape)
        for place, way in enumerate(WAYS):
            difference = value[place] - value[0]
            ends = difference_interval(difference, moves[:, place] - moves[:, 0], found.effective)
            compared = way != "mean"
            tables.append(
                pd.DataFrame(
                    {
                        "way": way,
                        "metric": METRICS,
                        "average": kind,
                        "value": value[place],
                        "low": low[place],
                        "high": high[place],
                        "difference": difference if compared else np.nan,
                        "difference_low": ends[0] if compared else np.nan,
                        "difference_high": ends[1] if compared else np.nan,
                        "queries": int(answered.sum()),
                        "queries_without_relevant": int((~answered).sum()),
                        "effective_patients": found.effective,
                        "caution": caution(found.effective),
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)
