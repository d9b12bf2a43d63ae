"""kNN classification of one model: every k, and the k that is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.metrics.calibration import reliability
from radcbir.metrics.classification import classification_counts, in_front, with_intervals
from radcbir.metrics.intervals import patients_as_clusters
from radcbir.metrics.lists import LabelledLists, labelled_lists
from radcbir.metrics.selection import selection_doubt, validation_in_words
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
    """The same at one k per variant, for the splits that did not choose it, with the 95 % interval
    ``low``, ``high`` by patient of accuracy and recall and the ``effective_patients`` behind it,
    ``selected_on`` (that split, or fixed), ``chosen_by`` (the same in words, with the number of patients),
    ``at_edge`` (whether it is the last k that was tried) and ``doubt`` (why the choice means little, or
    empty)."""
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
    patients = catalog.set_index("id")["patient_id"]
    for (split, variant, votes), curve in curves.items():
        if split == validation_split:
            continue
        here, about = (
            lists[split][variant],
            {"query_split": split, "neighbors": variant, "votes": votes},
        )
        there = here.neighbor_labels.shape[1]
        if validation_split:
            # Where the validation split has no patients, or no answers without them, all its
            # neighbors choose.
            own = curves.get((validation_split, variant, votes))
            usable = own is not None and own["value"].notna().any()
            source = variant if usable else "all"
            best, choice = _choice(
                curves[validation_split, source, votes],
                lists[validation_split][source],
                catalog,
                validation_split,
            )
        else:
            best, choice = _fixed(fixed_k, there)
        best = min(best, there)
        counted = here.relevant > 0
        [(_, predictions)] = voted_predictions(
            here.neighbor_labels,
            np.where(counted, here.labels, -1),
            [best],
            weights=_weights(here, votes),
        )
        clusters, _ = patients_as_clusters(patients.loc[here.query_ids])
        rows = with_intervals(curve[curve["k"] == best].assign(**choice), predictions, clusters)
        chosen.append(in_front(rows, about))
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


def _fixed(k: int, there: int) -> tuple[int, dict]:
    """The k of the configuration, where nothing chooses one and lists have ``there`` neighbors."""
    chosen_by = "fixed"
    if k > there:
        logger.warning("`fixed_k: %d` becomes %d: there are no more neighbors", k, there)
        chosen_by = f"fixed ({k}, but there are {there} neighbors)"
    return k, {"selected_on": "fixed", "chosen_by": chosen_by, "at_edge": False, "doubt": ""}


def _choice(
    curve: pd.DataFrame, lists: LabelledLists, catalog: pd.DataFrame, split: str
) -> tuple[int, dict]:
    """The k that the queries of a split choose, and what the table says of the choice."""
    k = best_k(curve)
    counted = lists.query_ids[lists.relevant > 0]
    known = catalog.set_index("id")["patient_id"].loc[counted]
    patients = known.nunique() + int(known.isna().sum())
    seen, classes = len(np.unique(lists.labels[lists.relevant > 0])), (lists.index_images > 0).sum()
    accuracy = curve[(curve["metric"] == "accuracy") & (curve["k"] == k)]["value"].item()
    return k, {
        "selected_on": split,
        "chosen_by": validation_in_words(patients, seen, classes),
        "at_edge": k == curve["k"].max() > 1,
        "doubt": selection_doubt(patients, seen, classes, accuracy),
    }


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
