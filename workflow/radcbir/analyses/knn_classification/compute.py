"""kNN classification of one model: every k, and the k that is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.metrics.calibration import reliability
from radcbir.metrics.classification import classification_counts, in_front
from radcbir.metrics.lists import LabelledLists, labelled_lists
from radcbir.metrics.votes import VOTES, best_k, vote_weights, voted_predictions, voting_curve


@dataclass(frozen=True)
class NeighborClassification:
    """Tidy tables of one model; ``votes`` are ``equal`` or ``weighted``, ``neighbors`` as in the
    retrieval metrics.
    """

    curve: pd.DataFrame
    """query_split, neighbors, votes, metric, average, k, value, counts: every k, every query
    split."""
    chosen: pd.DataFrame
    """The same at one k per variant, for the splits that did not choose it, and ``selected_on``:
    that split, or fixed."""
    reliability: pd.DataFrame
    """query_split, neighbors, votes, k, bin, lower, upper, queries, confidence, accuracy: at the
    same k."""


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
    """Classify the queries of every split by their neighbors, with every k up to ``k``, and choose
    one.

    ``neighbors`` holds the neighbor table of each query split; ``catalog``, ``embedded`` and
    ``index_split`` are those of :func:`~radcbir.metrics.evaluation.evaluate`. k is chosen on
    ``validation_split``, for equal and weighted votes, all neighbors and those of other patients
    each on its own. Without such a split nothing may be chosen, and ``fixed_k`` is taken (or all
    neighbors where there are fewer). Votes are also ``weighted`` only where the scores are cosine
    similarities.

    Raises :class:`InputError` where no query of the validation split has a label that the index
    has.
    """
    lists = {
        split: labelled_lists(table, catalog, embedded, index_split, split, k)
        for split, table in neighbors.items()
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
            f"the split '{validation_split}' cannot choose k: none of its images has a label that "
            "an image of "
            f"'{index_split}' has; name another `val_split:` for the experiment"
        )
    chosen, calibration = [], []
    for (split, variant, votes), curve in curves.items():
        if split == validation_split:
            continue
        here, about = (
            lists[split][variant],
            {"query_split": split, "neighbors": variant, "votes": votes},
        )
        best = fixed_k
        if validation_split:
            # Where the validation split has no patients, or no answers without them, all its
            # neighbors choose.
            own = curves.get((validation_split, variant, votes))
            if own is None or not own["value"].notna().any():
                own = curves[validation_split, "all", votes]
            best = best_k(own)
        best = min(best, here.neighbor_labels.shape[1])
        at_best = curve[curve["k"] == best].assign(selected_on=validation_split or "fixed")
        chosen.append(in_front(at_best, about))
        [(_, predictions)] = voted_predictions(
            here.neighbor_labels, here.labels, [best], weights=_weights(here, votes)
        )
        counted = here.relevant > 0
        right = predictions.predicted[counted] == here.labels[counted]
        calibration.append(
            in_front(reliability(predictions.confidence[counted], right), {**about, "k": best})
        )
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
    curve = voting_curve(
        lists.neighbor_labels, labels, ks, len(known), weights=_weights(lists, votes)
    )
    return curve.assign(**classification_counts(labels, known))
