"""Region recall: of the queries that show a label, such as an organ, the share whose first results
show it, too.

An image shows one label or several. A label counts for itself: a result is right for each label
that it shares with the query, whatever else it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.analyses.graded_relevance.compute import LabelSets
from radcbir.metrics.chance import RandomOrder
from radcbir.metrics.intervals import average, caution, class_means, patients_as_clusters
from radcbir.metrics.lists import places, relevant_in_index
from radcbir.retrieval.joined import Neighborhood, patient_codes

CUTS = (1, 3, 5, 10)
"""So many first results are looked at, where the experiment has as many."""

MEAN_COLUMNS = [
    *("level", "k", "value", "low", "high", "chance", "labels", "labels_without_answer"),
    *("queries", "effective_patients", "caution"),
]

LABEL_COLUMNS = [
    *("level", "label", "k", "value", "low", "high", "chance", "queries"),
    *("queries_without_answer", "index_images", "effective_patients", "caution"),
]


def region_recall(
    catalog: pd.DataFrame, hood: Neighborhood, k: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``region_recall`` and ``by_label`` of one query split.

    ``by_label`` has a row per label L that queries show, and cut of :data:`CUTS` up to ``k``:
    ``value`` is the share of the queries showing L of whose first k results any shows L. Results of
    the query's own patient are left out, and those behind them move up. A query for which no index
    image of another patient shows L is part of no average of L (``queries_without_answer``).
    ``chance`` is the same for k random index images of other patients, averaged over the queries: at
    k = 1 the share of them that show L. It is exact (:class:`~radcbir.metrics.chance.RandomOrder`).
    ``level`` is ``fine`` for full labels and ``coarse`` for their first two parts, MODALITY/region.

    ``region_recall`` has the means over the labels of each level. Intervals are by patient.

    The measure follows the recall per structure of Khun Jush et al., arXiv 2405.09334.
    """
    sets = LabelSets(catalog["labels"])
    cuts = [each for each in CUTS if each <= k]
    first = _first_results(catalog, hood, sets.of_image, cuts[-1])
    means, labels = [], []
    for level, shown in _levels(sets).items():
        pairs = _pairs(catalog, hood, shown, first, cuts)
        means.append(_means(pairs, cuts).assign(level=level))
        labels.append(_by_label(pairs, shown.names, cuts).assign(level=level))
    return (
        pd.concat(means, ignore_index=True)[MEAN_COLUMNS],
        pd.concat(labels, ignore_index=True)[LABEL_COLUMNS],
    )


@dataclass(frozen=True)
class Shown:
    """The labels of a level, and which of them images show."""

    names: np.ndarray
    """``(L,)``."""
    members: np.ndarray
    """``(S, L)`` bool: the labels of each of S label sets."""
    of_image: np.ndarray
    """``(n,)``: the set of each image."""

    def pairs(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each of ``images`` ``(m,)`` with each label that it shows: its place among them and the
        label.
        """
        place, label = np.nonzero(self.members[self.of_image[images]])
        return place, label


@dataclass(frozen=True)
class Pairs:
    """Each query with each label that it shows."""

    query: np.ndarray
    """``(p,)``: which query, 0 to q - 1."""
    label: np.ndarray
    """``(p,)``."""
    cluster: np.ndarray
    """``(p,)``: the patient of the query."""
    hits: np.ndarray
    """``(p, K)`` bool: whether one of the first results shows the label, for each of K cuts."""
    chance: np.ndarray
    """``(p, K)``: the same of random results."""
    answered: np.ndarray
    """``(p,)`` bool: whether an index image of another patient shows the label."""
    index_images: np.ndarray
    """``(L,)``: index images that show each label."""


def _levels(sets: LabelSets) -> dict[str, Shown]:
    prefixes = ["/".join(name.split("/")[:2]) for name in sets.names]
    names, place = np.unique(np.array(prefixes, dtype=object), return_inverse=True)
    coarse = np.zeros((len(sets.members), len(names)), dtype=bool)
    which, label = np.nonzero(sets.members)
    coarse[which, place[label]] = True
    return {
        "fine": Shown(np.array(sets.names, dtype=object), sets.members > 0, sets.of_image),
        "coarse": Shown(names, coarse, sets.of_image),
    }


def _first_results(
    catalog: pd.DataFrame, hood: Neighborhood, of_image: np.ndarray, depth: int
) -> np.ndarray:
    """The label sets ``(q, depth)`` of the first results of other patients, -1 beyond the end of a
    list.
    """
    patient = patient_codes(catalog)
    own = (patient[hood.neighbors] == patient[hood.asking]) & (patient[hood.asking] >= 0)
    query, column, kept = places(hood.offsets, own, depth)
    first = np.full((len(hood.queries), depth), -1)
    first[query[kept], column[kept]] = of_image[hood.neighbors[kept]]
    return first


def _pairs(
    catalog: pd.DataFrame, hood: Neighborhood, shown: Shown, first: np.ndarray, cuts: Sequence[int]
) -> Pairs:
    query, label = shown.pairs(hood.queries)
    place, index_label = shown.pairs(hood.index)
    patient = patient_codes(catalog)
    asking, of_index = patient[hood.queries], patient[hood.index]
    relevant = relevant_in_index(label, index_label, asking[query], of_index[place])
    images = relevant_in_index(
        np.zeros(len(asking), dtype=int), np.zeros(len(of_index), dtype=int), asking, of_index
    )[query]
    with_nothing = np.vstack([shown.members, np.zeros((1, len(shown.names)), dtype=bool)])
    hits, found = np.zeros((len(query), len(cuts)), dtype=bool), np.zeros(len(query), dtype=bool)
    for rank in range(cuts[-1]):
        found |= with_nothing[first[query, rank], label]
        if rank + 1 in cuts:
            hits[:, cuts.index(rank + 1)] = found
    return Pairs(
        query,
        label,
        patients_as_clusters(catalog["patient_id"].iloc[hood.queries])[0][query],
        hits,
        _chance(relevant, images, cuts),
        relevant > 0,
        np.bincount(index_label, minlength=len(shown.names)),
    )


def _chance(relevant: np.ndarray, images: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
    """The chance ``(p, K)`` that one of the first k of ``images`` in random order is one of the
    ``relevant``; both ``(p,)``.
    """
    width = int(images.max(initial=0)) + 1
    both, place = np.unique(relevant.astype(np.int64) * width + images, return_inverse=True)
    order = RandomOrder((both // width).astype(float), (both % width).astype(float), cuts[-1])
    return np.stack([order.hit_rate(each) for each in cuts], axis=1)[place]


def _means(pairs: Pairs, cuts: Sequence[int]) -> pd.DataFrame:
    """The means over labels, a row per cut."""
    answered = pairs.answered
    labels, place = np.unique(pairs.label[answered], return_inverse=True)
    found = average(pairs.hits[answered].astype(float), pairs.cluster[answered], place)
    low, high = found.interval()
    if len(labels):
        chance = class_means(pairs.chance[answered], pairs.cluster[answered], place).value.mean(
            axis=0
        )
    else:
        chance = np.full(len(cuts), np.nan)
    return pd.DataFrame(
        {
            "k": cuts,
            "value": found.value,
            "low": low,
            "high": high,
            "chance": chance,
            "labels": len(labels),
            "labels_without_answer": len(np.unique(pairs.label)) - len(labels),
            "queries": len(np.unique(pairs.query[answered])),
            "effective_patients": found.effective,
            "caution": caution(found.effective),
        }
    )


def _by_label(pairs: Pairs, names: np.ndarray, cuts: Sequence[int]) -> pd.DataFrame:
    """A row per label that queries show, and cut."""
    answered, count = pairs.answered, len(names)
    value, low, high, chance = np.full((4, count, len(cuts)), np.nan)
    effective = np.zeros(count)
    if answered.any():
        found, random = (
            class_means(each[answered], pairs.cluster[answered], pairs.label[answered])
            for each in (pairs.hits, pairs.chance)
        )
        some = found.classes
        value[some], chance[some], effective[some] = found.value, random.value, found.effective
        low[some], high[some] = found.intervals()
    of_label = pd.DataFrame(
        {
            "label": names,
            "queries": np.bincount(pairs.label[answered], minlength=count),
            "queries_without_answer": np.bincount(pairs.label[~answered], minlength=count),
            "index_images": pairs.index_images,
            "effective_patients": effective,
            "caution": [caution(each) for each in effective],
        }
    )
    table = of_label.loc[of_label.index.repeat(len(cuts))].assign(
        k=np.tile(cuts, count),
        value=value.ravel(),
        low=low.ravel(),
        high=high.ravel(),
        chance=chance.ravel(),
    )
    return table[table["queries"] + table["queries_without_answer"] > 0].reset_index(drop=True)
