"""Classifying queries by their neighbors' votes, and the metrics and calibration of any classifier.

A classifier gives each query a probability per class; the class with the highest one is its prediction. The metrics are
those of Denner et al. (arXiv 2403.06567): ROC-AUC (one class against the rest), F1, precision, recall, accuracy; and,
beyond it, the expected calibration error. With one label per query, micro F1, precision and recall equal accuracy, and
balanced accuracy equals macro recall.

Which queries and classes count: a query whose class has no index image cannot be classified; it enters no figure and is
counted (``queries_without_relevant``). *Macro* averages run over the classes that have queries. A class of the index that
no query has is counted (``classes_without_queries``): it enters no macro average, but it may be predicted, and it has a
column in the micro ROC-AUC. A class that is never predicted has precision 0, as in scikit-learn.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.errors import InputError
from radcbir.metrics import LabelledLists, labelled_lists

TEMPERATURE = 0.07
"""Of the softmax that turns scores into the weights of votes (DINOv2, arXiv 2304.07193, and its eval/knn.py)."""

BINS = 15
"""Bins of the calibration error (Guo et al., arXiv 1706.04599)."""

VOTES = ("equal", "weighted")
QUERIES_PER_BLOCK = 8192

METRICS = [
    ("roc_auc", "micro"),
    ("roc_auc", "macro"),
    ("f1", "micro"),
    ("f1", "macro"),
    ("precision", "macro"),
    ("recall", "macro"),
    ("accuracy", "micro"),
    ("balanced_accuracy", "macro"),
    ("calibration_error", "micro"),
]
"""Metric and average of every row that a classifier gets, in this order."""


# --- predictions and their metrics ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of ``q`` queries: the probabilities as a list of those that are not zero.

    Counts of votes may stand for probabilities where every query has the same number of them: they rank alike.
    """

    labels: np.ndarray
    """``(q,)`` int: the true class of each query, or -1 for a query that is not to be counted."""
    predicted: np.ndarray
    """``(q,)`` int: the class with the highest probability, -1 where no class has one."""
    confidence: np.ndarray
    """``(q,)`` float64: its probability."""
    entry_query: np.ndarray
    """``(e,)`` int: the query of each listed probability."""
    entry_class: np.ndarray
    """``(e,)`` int: its class."""
    entry_value: np.ndarray
    """``(e,)``: its value, 0 or more: a probability, or a count of votes as an integer."""


def from_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> Predictions:
    """The predictions of a matrix ``(q, C)`` of probabilities; of equal ones the first class is predicted."""
    queries, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    return Predictions(
        labels=labels,
        predicted=predicted,
        confidence=probabilities[np.arange(queries), predicted].astype(np.float64),
        entry_query=np.repeat(np.arange(queries, dtype=np.int32), classes),
        entry_class=np.tile(np.arange(classes, dtype=np.int32), queries),
        entry_value=probabilities.ravel(),
    )


def classification_metrics(predictions: Predictions, classes: int) -> dict[tuple[str, str], float]:
    """The :data:`METRICS` by name and average. ``classes`` C is how many classes the classifier knows.

    Queries whose label is -1 are left out. NaN where there is nothing to average, or where a ROC-AUC has no negatives.
    """
    counted = predictions.labels >= 0
    labels, predicted = predictions.labels[counted], predictions.predicted[counted]
    confidence = predictions.confidence[counted]
    width = int(max(labels.max(initial=-1), predicted.max(initial=-1), predictions.entry_class.max(initial=-1))) + 1
    positives = np.bincount(labels, minlength=width)
    if not len(labels) or (predicted < 0).any():
        return dict.fromkeys(METRICS, np.nan)
    right = labels == predicted
    true_positives = np.bincount(labels[right], minlength=width)
    present = positives > 0
    called = np.bincount(predicted, minlength=width)[present]
    positives_here, true_here = positives[present], true_positives[present]
    precision = np.divide(true_here, called, out=np.zeros(len(called)), where=called > 0)
    recall = true_here / positives_here
    micro_auc, class_auc = _roc_aucs(predictions, counted, positives, classes)
    values = [
        micro_auc,
        np.nanmean(class_auc[present]) if np.isfinite(class_auc[present]).any() else np.nan,
        right.mean(),
        (2 * true_here / (called + positives_here)).mean(),
        precision.mean(),
        recall.mean(),
        right.mean(),
        recall.mean(),
        calibration_error(reliability(confidence, right)),
    ]
    return dict(zip(METRICS, map(float, values), strict=True))


def classification_counts(labels: np.ndarray, known: np.ndarray) -> dict[str, int]:
    """What stands behind the metrics: ``labels`` ``(q,)`` as in :class:`Predictions`, ``known`` classes of the classifier."""
    asked = np.unique(labels[labels >= 0])
    return {
        "queries": int((labels >= 0).sum()),
        "queries_without_relevant": int((labels < 0).sum()),
        "classes": len(asked),
        "classes_without_queries": len(np.setdiff1d(known, asked)),
    }


def _roc_aucs(
    predictions: Predictions, counted: np.ndarray, positives: np.ndarray, classes: int
) -> tuple[float, np.ndarray]:
    """ROC-AUC over all pairs of query and class, and of each class ``(width,)``, NaN without positives or negatives.

    The area is the share of pairs of a positive and a negative that stand in the right order, ties counting half
    (Mann-Whitney). Probabilities that are not listed are 0. Pairs are counted in whole numbers, so the areas are exact
    up to the last division.
    """
    queries, width = int(positives.sum()), len(positives)
    kept = counted[predictions.entry_query] & (predictions.entry_value > 0)
    entry_class, value = predictions.entry_class[kept], predictions.entry_value[kept]
    positive = predictions.labels[predictions.entry_query[kept]] == entry_class
    # Entries of the same class and value are one group, by class and rising value.
    if value.dtype.kind in "iu":
        levels = int(value.max(initial=0)) + 1
        key = entry_class.astype(np.int64) * levels + value
        members = np.bincount(key, minlength=width * levels)
        groups = np.flatnonzero(members)
        members, right = members[groups], np.bincount(key[positive], minlength=width * levels)[groups]
        group_class, group_value = np.divmod(groups, levels)
    else:
        order = np.lexsort((value, entry_class))
        entry_class, value, positive = entry_class[order], value[order], positive[order]
        first = np.ones(len(value), dtype=bool)
        first[1:] = (value[1:] != value[:-1]) | (entry_class[1:] != entry_class[:-1])
        starts = np.flatnonzero(first)
        members = np.diff(np.append(starts, len(value)))
        right = np.add.reduceat(positive, starts, dtype=np.int64) if len(starts) else np.zeros(0, dtype=np.int64)
        group_class, group_value = entry_class[starts], value[starts]
    class_auc = _areas(group_class, right, members - right, positives, queries - positives)
    values, level = np.unique(group_value, return_inverse=True)
    right_of_level = np.bincount(level, right, minlength=len(values)).astype(np.int64)
    wrong_of_level = np.bincount(level, members - right, minlength=len(values)).astype(np.int64)
    everything = np.array([queries]), np.array([queries * (classes - 1)])
    micro_auc = _areas(np.zeros(len(values), dtype=np.int64), right_of_level, wrong_of_level, *everything)
    return float(micro_auc[0]), class_auc


def _areas(
    group_class: np.ndarray, right: np.ndarray, wrong: np.ndarray, positives: np.ndarray, negatives: np.ndarray
) -> np.ndarray:
    """The area per class ``(C,)`` from groups ``(g,)`` of equal values above 0, sorted by class, then by value.

    ``right`` and ``wrong`` are the positives and negatives of each group; the rest of ``positives`` and ``negatives``
    ``(C,)`` has the value 0.
    """
    width = len(positives)
    zero_right = positives - np.bincount(group_class, right, minlength=width).astype(np.int64)
    zero_wrong = negatives - np.bincount(group_class, wrong, minlength=width).astype(np.int64)
    before = np.cumsum(wrong) - wrong
    first = np.searchsorted(group_class, np.arange(width))
    below = before - np.append(before, 0)[first][group_class] + zero_wrong[group_class]
    twice = np.bincount(group_class, right * (2 * below + wrong), minlength=width) + zero_right * zero_wrong
    pairs = 2.0 * positives * negatives
    return np.divide(twice, pairs, out=np.full(width, np.nan), where=pairs > 0)


# --- calibration ----------------------------------------------------------------------------------------------------


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """How often predictions are right, by their confidence: columns bin, lower, upper, queries, confidence, accuracy.

    Bins are of equal width and open below: bin b holds lower < confidence <= upper, the first one 0 too (Guo et al.,
    arXiv 1706.04599). Empty bins have no confidence and no accuracy.
    """
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    queries = np.bincount(place, minlength=bins)
    means = [
        np.divide(np.bincount(place, each, minlength=bins), queries, out=np.full(bins, np.nan), where=queries > 0)
        for each in (confidence, right)
    ]
    return pd.DataFrame(
        {
            "bin": np.arange(1, bins + 1),
            "lower": edges[:-1],
            "upper": edges[1:],
            "queries": queries,
            "confidence": means[0],
            "accuracy": means[1],
        }
    )


def calibration_error(table: pd.DataFrame) -> float:
    """ECE: the mean over queries of the gap between accuracy and confidence in their bin of :func:`reliability`."""
    gap = (table["accuracy"] - table["confidence"]).abs().fillna(0)
    return float((gap * table["queries"]).sum() / table["queries"].sum())


# --- votes of neighbors ---------------------------------------------------------------------------------------------


def vote_weights(scores: np.ndarray, temperature: float = TEMPERATURE) -> np.ndarray:
    """The weights ``(q, K)`` of votes: the softmax of score / temperature, up to a factor per query (its best is 1)."""
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

    ``neighbor_labels`` ``(q, K)`` are classes by rank, -1 beyond the end of a list; ``labels`` ``(q,)`` are handed on.
    The first k neighbors vote, or as many as the list has: the probability of a class is its share of the votes, each
    counting 1 or, where they are given, its ``weights`` ``(q, K)``. DINOv2 (eval/knn.py) divides by the weights of the
    longest list where here it is those of the first k, so that probabilities sum to 1; predictions are the same.

    Equal votes are settled by ``ties``: ``nearest``, the class with the nearest neighbor among the tied ones, or
    ``first_class``, the lowest class.

    ``at_most`` ``(q,)`` caps the votes of each query. The reference caps them at the number of index images of the
    query's *true* class, which leaks the label into the prediction; to repeat its figures, pass that number here. With
    no vote at all (k = 0, or a cap of 0) nothing is predicted.
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
            # Only the class that was just voted for can have overtaken; pairs are in the order that settles ties.
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
        yield k, Predictions(labels, predicted, confidence, pair_query[listed], pair_class[listed], values)


def _pairs(neighbor_labels: np.ndarray, ties: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of a query and a class among its neighbors, numbered by query, then in the order that settles ties.

    Returns the number of each neighbor's pair ``(q, K)`` (-1 beyond the end of a list), and the pairs' queries and
    classes.
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
    return numbers, np.concatenate([*queries, np.empty(0, int)]), np.concatenate([*classes, np.empty(0, int)])


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

    Arguments as for :func:`voted_predictions`, to which the switches that repeat the reference belong, and
    :func:`classification_metrics`.
    """
    rows = []
    found = voted_predictions(neighbor_labels, labels, ks, weights=weights, at_most=at_most, ties=ties)
    for k, predictions in found:
        values = classification_metrics(predictions, classes)
        rows += [(metric, average, k, value) for (metric, average), value in values.items()]
    return pd.DataFrame(rows, columns=["metric", "average", "k", "value"])


def best_k(curve: pd.DataFrame, *, one_less: bool = False) -> int:
    """The k with the highest micro F1 of a :func:`voting_curve`, the smallest of equal ones.

    ``one_less`` repeats the reference, which takes the row number (from 0) of the best k for k itself: it tests with
    one neighbor less than it chose, and with none where 1 was best.

    Raises :class:`ValueError` where no k has a micro F1.
    """
    chosen = curve[(curve["metric"] == "f1") & (curve["average"] == "micro")].dropna(subset="value")
    if not len(chosen):
        raise ValueError("no k has a micro F1: is there a query whose class is in the index?")
    chosen = chosen.sort_values("k", kind="stable")
    k = int(chosen["k"].to_numpy()[chosen["value"].to_numpy().argmax()])
    return k - 1 if one_less else k


# --- one model on an experiment -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NeighborClassification:
    """Tidy tables of one model; ``votes`` are ``equal`` or ``weighted``, ``neighbors`` as in the retrieval metrics."""

    curve: pd.DataFrame
    """query_split, neighbors, votes, metric, average, k, value, counts: every k, every query split."""
    chosen: pd.DataFrame
    """The same at one k per variant, for the splits that did not choose it, and ``selected_on``: that split, or fixed."""
    reliability: pd.DataFrame
    """query_split, neighbors, votes, k, bin, lower, upper, queries, confidence, accuracy: at the same k."""


def classify_by_neighbors(
    neighbors: Mapping[str, pd.DataFrame],
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    validation_split: str | None,
    k: int,
    fixed_k: int,
    weighted: bool = True,
) -> NeighborClassification:
    """Classify the queries of every split by their neighbors, with every k up to ``k``, and choose one.

    ``neighbors`` holds the neighbor table of each query split; ``catalog``, ``embedded`` and ``index_split`` are those of
    :func:`radcbir.metrics.evaluate`. k is chosen on ``validation_split``, for equal and weighted votes, all neighbors and
    those of other patients each on its own. Without such a split nothing may be chosen, and ``fixed_k`` is taken (or all
    neighbors where there are fewer). Votes are also ``weighted`` only where the scores are cosine similarities.

    Raises :class:`InputError` where no query of the validation split has a label that the index has.
    """
    lists = {
        split: labelled_lists(table, catalog, embedded, index_split, split, k) for split, table in neighbors.items()
    }
    curves = {
        (split, variant, votes): _curve(variants[variant], votes)
        for split, variants in lists.items()
        for variant in variants
        for votes in VOTES
        if votes == "equal" or (weighted and not np.isnan(variants[variant].scores).any())
    }
    if validation_split and curves[validation_split, "all", "equal"]["value"].isna().all():
        raise InputError(
            f"the split '{validation_split}' cannot choose k: none of its images has a label that an image of "
            f"'{index_split}' has; name another `val_split:` for the experiment"
        )
    chosen, calibration = [], []
    for (split, variant, votes), curve in curves.items():
        if split == validation_split:
            continue
        here, about = lists[split][variant], {"query_split": split, "neighbors": variant, "votes": votes}
        best = fixed_k
        if validation_split:
            # Where the validation split has no patients, or no answers without them, all its neighbors choose.
            own = curves.get((validation_split, variant, votes))
            usable = own is not None and own["value"].notna().any()
            best = best_k(own if usable else curves[validation_split, "all", votes])
        best = min(best, here.neighbor_labels.shape[1])
        at_best = curve[curve["k"] == best].assign(selected_on=validation_split or "fixed")
        chosen.append(in_front(at_best, about))
        [(_, predictions)] = voted_predictions(here.neighbor_labels, here.labels, [best], weights=_weights(here, votes))
        counted = here.relevant > 0
        right = predictions.predicted[counted] == here.labels[counted]
        calibration.append(in_front(reliability(predictions.confidence[counted], right), {**about, "k": best}))
    every = [
        in_front(curve, {"query_split": split, "neighbors": variant, "votes": votes})
        for (split, variant, votes), curve in curves.items()
    ]
    tables = (pd.concat(parts, ignore_index=True) for parts in (every, chosen, calibration))
    return NeighborClassification(*tables)


def _weights(lists: LabelledLists, votes: str) -> np.ndarray | None:
    return vote_weights(lists.scores) if votes == "weighted" else None


def _curve(lists: LabelledLists, votes: str) -> pd.DataFrame:
    """The :func:`voting_curve` of one variant over every k, with counts."""
    known = np.flatnonzero(lists.index_images)
    labels = np.where(lists.relevant > 0, lists.labels, -1)
    ks = range(1, lists.neighbor_labels.shape[1] + 1)
    curve = voting_curve(lists.neighbor_labels, labels, ks, len(known), weights=_weights(lists, votes))
    return curve.assign(**classification_counts(labels, known))


def in_front(table: pd.DataFrame, values: Mapping[str, object]) -> pd.DataFrame:
    """The table with constant columns in front."""
    return pd.concat([pd.DataFrame(dict(values), index=table.index), table], axis=1)
