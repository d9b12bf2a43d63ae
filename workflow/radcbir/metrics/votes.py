"""Votes of neighbors: the predictions of kNN classification for every k."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from radcbir.metrics.classification import Predictions, classification_metrics

TEMPERATURE = 0.07
"""Of the softmax that turns scores into the weights of votes (DINOv2, arXiv 2304.07193, and its
eval/knn.py)."""

VOTES = ("equal", "weighted")

QUERIES_PER_BLOCK = 8192


def vote_weights(scores: np.ndarray, temperature: float = TEMPERATURE) -> np.ndarray:
    """The weights ``(q, K)`` of votes: the softmax of score / temperature, up to a factor per query
    (its best is 1).
    """
    scores = scores.astype(np.float64)
    return np.exp((scores - scores[:, :1]) / temperature)


def voted_predictions(
    neighbor_labels: np.ndarray,
    labels: np.ndarray,
    ks: Sequence[int],
    *,
    weights: np.ndarray | None = None,
    at_most: np.ndarray | None = None,
    ties: str = "nearest",
) -> Iterator[tuple[int, Predictions]]:
    """The predictions of each k in ``ks`` (rising), all from one list of neighbors.

    ``neighbor_labels`` ``(q, K)`` are classes by rank, -1 beyond the end of a list; ``labels``
    ``(q,)`` are handed on. The first k neighbors vote, or as many as the list has: the probability
    of a class is its share of the votes, each counting 1 or, where they are given, its ``weights``
    ``(q, K)``. DINOv2 (eval/knn.py) divides by the weights of the longest list where here it is
    those of the first k, so that probabilities sum to 1; predictions are the same.

    Equal votes are settled by ``ties``: ``nearest``, the class with the nearest neighbor among the
    tied ones, or ``first_class``, the lowest class.

    ``at_most`` ``(q,)`` caps the votes of each query. The reference caps them at the number of
    index images of the query's *true* class, which leaks the label into the prediction; to repeat
    its figures, pass that number here. With no vote at all (k = 0, or a cap of 0) nothing is
    predicted.
    """
    pair_of_rank, pair_query, pair_class = _pairs(neighbor_labels, ties)
    queries, deepest = neighbor_labels.shape
    length = (neighbor_labels >= 0).sum(axis=1)
    length = length if at_most is None else np.minimum(length, at_most)
    votes = np.zeros(len(pair_query), dtype=np.int64 if weights is None else np.float64)
    cast = np.zeros(queries, dtype=votes.dtype)
    best = np.full(queries, -1, dtype=np.int64)
    done = 0
    for k in ks:
        for rank in range(done, min(k, deepest)):
            voting = np.flatnonzero(rank < length)
            pairs = pair_of_rank[voting, rank]
            weight = 1 if weights is None else weights[voting, rank]
            votes[pairs] += weight
            cast[voting] += weight
            # Only the class that was just voted for can have overtaken; pairs are in the order that
            # settles ties.
            leader = best[voting]
            overtakes = (leader < 0) | (votes[pairs] > votes[leader])
            overtakes |= (votes[pairs] == votes[leader]) & (pairs < leader)
            best[voting[overtakes]] = pairs[overtakes]
        done = max(done, min(k, deepest))
        voted = best >= 0
        predicted, confidence = np.full(queries, -1, dtype=np.int64), np.full(queries, np.nan)
        predicted[voted] = pair_class[best[voted]]
        confidence[voted] = votes[best[voted]] / cast[voted]
        listed = np.flatnonzero(votes > 0)
        values = votes[listed]
        if weights is not None or (cast != cast[:1]).any():
            values = values / cast[pair_query[listed]]
        yield (
            k,
            Predictions(
                labels, predicted, confidence, pair_query[listed], pair_class[listed], values
            ),
        )


def _pairs(neighbor_labels: np.ndarray, ties: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of a query and a class among its neighbors, numbered by query, then in the order
    that settles ties.

    Returns the number of each neighbor's pair ``(q, K)`` (-1 beyond the end of a list), and the
    pairs' queries and classes.
    """
    if ties not in ("nearest", "first_class"):
        raise ValueError(f"ties are settled by 'nearest' or 'first_class', not by {ties!r}")
    width = int(neighbor_labels.max(initial=-1)) + 1
    numbers = np.full(neighbor_labels.shape, -1, dtype=np.int32)
    queries, classes, total = [], [], 0
    for start in range(0, len(neighbor_labels), QUERIES_PER_BLOCK):
        block = neighbor_labels[start : start + QUERIES_PER_BLOCK]
        query, rank = np.nonzero(block >= 0)
        key = query * width + block[query, rank]
        first_rank = np.full(len(block) * width, block.shape[1], dtype=np.int32)
        first_rank[key[::-1]] = rank[::-1]  # of several ranks, the first one is written last
        found = np.flatnonzero(first_rank < block.shape[1])
        if ties == "nearest":
            found = found[np.lexsort((first_rank[found], found // width))]
        number = np.empty(len(block) * width, dtype=np.int32)
        number[found] = np.arange(total, total + len(found))
        numbers[start : start + len(block)][query, rank] = number[key]
        queries.append(found // width + start)
        classes.append(found % width)
        total += len(found)
    return (
        numbers,
        np.concatenate([*queries, np.empty(0, int)]),
        np.concatenate([*classes, np.empty(0, int)]),
    )


def voting_curve(
    neighbor_labels: np.ndarray,
    labels: np.ndarray,
    ks: Sequence[int],
    classes: int,
    *,
    weights: np.ndarray | None = None,
    at_most: np.ndarray | None = None,
    ties: str = "nearest",
) -> pd.DataFrame:
    """The metrics of kNN classification against k: columns metric, average, k, value.

    Arguments as for :func:`voted_predictions`, to which the switches that repeat the reference
    belong, and :func:`classification_metrics`.
    """
    rows = []
    found = voted_predictions(
        neighbor_labels, labels, ks, weights=weights, at_most=at_most, ties=ties
    )
    for k, predictions in found:
        values = classification_metrics(predictions, classes)
        rows += [(metric, average, k, value) for (metric, average), value in values.items()]
    return pd.DataFrame(rows, columns=["metric", "average", "k", "value"])


def best_k(curve: pd.DataFrame, *, one_less: bool = False) -> int:
    """The k with the highest micro F1 of a :func:`voting_curve`, the smallest of equal ones.

    ``one_less`` repeats the reference, which takes the row number (from 0) of the best k for k
    itself: it tests with one neighbor less than it chose, and with none where 1 was best.

    Raises :class:`ValueError` where no k has a micro F1.
    """
    chosen = curve[(curve["metric"] == "f1") & (curve["average"] == "micro")].dropna(subset="value")
    if not len(chosen):
        raise ValueError("no k has a micro F1: is there a query whose class is in the index?")
    chosen = chosen.sort_values("k", kind="stable")
    k = int(chosen["k"].to_numpy()[chosen["value"].to_numpy().argmax()])
    return k - 1 if one_less else k
