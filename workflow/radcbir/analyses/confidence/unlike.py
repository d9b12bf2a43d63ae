"""Queries that are unlike the benchmark's: limits of the scores, and how well these tell queries of a
class that the index does not have.
"""

from dataclasses import dataclass

import numpy as np

from radcbir.analyses.confidence.measures import area_and_influence
from radcbir.analyses.levels.region_search import QUERIES_PER_BLOCK, Vectors
from radcbir.metrics.intervals import Measure, of_influence, of_mean

PERCENTILE = 1
"""Of the benchmark's queries: what is below is unlike them."""

FEWEST_QUERIES = 100
"""Below so many, one in a hundred is less than one query."""

STATISTICS = ("best", "mean")
"""The best score of a query, and the mean of its first scores."""

MOST_QUERIES = 2000
"""So many queries, evenly spread, are tried with their class left out."""

INDEX_BLOCK = 32768


@dataclass(frozen=True)
class Lists:
    """The lists of q queries and the index behind them; labels are codes, patients -1 where
    unknown.
    """

    ids: np.ndarray
    """``(q,)``."""
    labels: np.ndarray
    """``(q,)``: the queries' own."""
    patients: np.ndarray
    """``(q,)``: the queries' own, as in ``index_patients``; -1 where its images are not left out."""
    near: np.ndarray
    """``(q, K)``: the labels of the hits, -1 beyond the end of a list."""
    scores: np.ndarray
    """``(q, K)``."""
    index: np.ndarray
    """``(n,)``: ids."""
    index_labels: np.ndarray
    index_patients: np.ndarray


@dataclass(frozen=True)
class HeldOut:
    """How well the scores of queries tell that their class is not in the index."""

    areas: dict[str, Measure]
    """Per one of :data:`STATISTICS` the mean over classes of the area under the ROC curve."""
    flagged: dict[str, Measure]
    """The share of queries of left-out classes below the limits: of each statistic, and of
    ``either``."""
    classes: int
    queries: int


def statistics(scores: np.ndarray) -> np.ndarray:
    """Best score and mean of scores, ``(q, 2)``, of the first scores ``(q, D)`` of queries."""
    scores = scores.astype(np.float64)
    return np.column_stack([scores[:, 0], scores.mean(axis=1)])


def limits(found: np.ndarray) -> dict[str, float]:
    """The first percentile of each statistic ``(q, 2)``."""
    values = np.percentile(found, PERCENTILE, axis=0)
    return {name: float(value) for name, value in zip(STATISTICS, values, strict=True)}


def held_out(
    lists: Lists, depth: int, below: dict[str, float], clusters: np.ndarray, vectors: Vectors
) -> HeldOut | None:
    """Leave each class out of the index in turn: its queries against all others, by their scores.

    The images of the class are dropped from all lists. Where fewer than ``depth`` hits are left,
    the rest of the index is searched by the ``vectors``. ``clusters`` ``(q,)`` are patients. At
    most :data:`MOST_QUERIES` take part. None where no class can be left out.
    """
    count = len(lists.ids)
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST_QUERIES)).round().astype(int))
    own, patients = lists.labels[rows], clusters[rows]
    sizes = np.bincount(lists.index_labels, minlength=int(own.max(initial=0)) + 1)
    classes = [
        each for each in np.unique(own) if sizes[each] and sizes.sum() - sizes[each] >= depth
    ]
    classes = [each for each in classes if (own != each).any()]
    if not classes:
        return None
    usual = statistics(lists.scores[rows, :depth])
    pairs, without = _without(lists, rows, np.array(classes), depth, vectors)
    influence = np.zeros((len(rows), len(STATISTICS)))
    areas, flags, who = np.zeros(len(STATISTICS)), [], []
    lowest = np.array([below[name] for name in STATISTICS])
    for each in classes:
        found, here = usual.copy(), pairs[:, 1] == each
        found[pairs[here, 0]] = without[here]
        out = own == each
        for column in range(len(STATISTICS)):
            area, moved, others = area_and_influence(-found[out, column], -found[~out, column])
            areas[column] += area / len(classes)
            influence[out, column] += moved / len(classes)
            influence[~out, column] += others / len(classes)
        flags.append(found[out] < lowest)
        who.append(patients[out])
    flag, whose = np.concatenate(flags), np.concatenate(who)
    columns = {name: flag[:, place] for place, name in enumerate(STATISTICS)}
    columns["either"] = flag[:, 0] | flag[:, 1]
    return HeldOut(
        {
            name: of_influence(float(areas[place]), influence[:, place], patients)
            for place, name in enumerate(STATISTICS)
        },
        {name: of_mean(each, whose) for name, each in columns.items()},
        len(classes),
        len(flag),
    )


def _without(
    lists: Lists, rows: np.ndarray, classes: np.ndarray, depth: int, vectors: Vectors
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs ``(m, 2)`` of a place in ``rows`` and a class that changes the first hits when it is left
    out, and the :func:`statistics` without it.
    """
    near = lists.near[rows]
    place, rank = np.nonzero(np.isin(near[:, :depth], classes))
    pairs = np.unique(np.column_stack([place, near[place, rank]]), axis=0)
    kept = (near[pairs[:, 0]] != pairs[:, 1:]) & (near[pairs[:, 0]] >= 0)
    front = np.argsort(~kept, axis=1, kind="stable")[:, :depth]
    scores = np.take_along_axis(lists.scores[rows][pairs[:, 0]], front, axis=1)
    short = np.flatnonzero(kept.sum(axis=1) < depth)
    asked = rows[pairs[short, 0]]
    scores[short] = scores_elsewhere(lists, asked, pairs[short, 1], depth, vectors)
    return pairs, statistics(scores)


def scores_elsewhere(
    lists: Lists, rows: np.ndarray, left_out: np.ndarray, depth: int, vectors: Vectors
) -> np.ndarray:
    """The best scores ``(m, depth)`` of queries ``rows`` ``(m,)`` among the index images of other
    classes than ``left_out`` ``(m,)`` and of other patients; -inf where there are fewer images.

    As :func:`radcbir.analyses.levels.region_search.nearest_within`, for all classes in one pass.
    """
    found = np.full((len(rows), depth), -np.inf, dtype=np.float32)
    if not len(rows):
        return found
    ids, places = np.unique(lists.ids[rows], return_inverse=True)
    queries = vectors(ids).astype(np.float64)
    for start in range(0, len(lists.index), INDEX_BLOCK):
        block = slice(start, start + INDEX_BLOCK)
        images = vectors(lists.index[block]).astype(np.float64)
        labels, patients = lists.index_labels[block], lists.index_patients[block]
        for first in range(0, len(rows), QUERIES_PER_BLOCK):
            some = slice(first, first + QUERIES_PER_BLOCK)
            scores = (queries[places[some]] @ images.T).astype(np.float32)
            own = lists.patients[rows[some]][:, None]
            scores[(labels == left_out[some, None]) | ((patients == own) & (own >= 0))] = -np.inf
            both = np.concatenate([found[some], scores], axis=1)
            found[some] = np.partition(both, both.shape[1] - depth, axis=1)[:, -depth:]
    return -np.sort(-found, axis=1)
