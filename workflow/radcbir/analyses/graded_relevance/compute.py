"""Graded relevance: nDCG where a neighbor may be partly right, for images with one label or
several.
"""

import numpy as np
import pandas as pd

from radcbir.retrieval.joined import Neighborhood

GAINS = ("jaccard", "label_tree")

SETS_PER_BLOCK = 256

NDCG_AT = 10


class LabelSets:
    """The distinct label sets among images, and how alike two of them are."""

    def __init__(self, labels: pd.Series):
        """``labels`` holds the labels ``MODALITY/region/finding`` of each image as a sequence."""
        named = [tuple(sorted(each)) for each in labels]
        distinct = sorted(set(named))
        place = {each: position for position, each in enumerate(distinct)}
        self.of_image = np.array([place[each] for each in named], dtype=np.int64)
        """``(n,)``: the set of each image."""
        names = sorted({label for each in distinct for label in each})
        self.names = names
        """The labels, a column of ``members`` each."""
        number = {name: position for position, name in enumerate(names)}
        self.flat = np.array([number[label] for each in distinct for label in each], dtype=np.int64)
        self.sizes = np.array([len(each) for each in distinct], dtype=np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.members = np.zeros((len(distinct), len(names)), dtype=np.float64)
        self.members[np.repeat(np.arange(len(distinct)), self.sizes), self.flat] = 1
        parts = np.array([name.split("/", 2) for name in names], dtype=object).reshape(-1, 3)
        same = parts[:, None, :] == parts[None, :, :]
        self.shared_levels = np.cumprod(same.astype(float), axis=2).sum(axis=2) / 3

    def jaccard(self, some: np.ndarray) -> np.ndarray:
        """The Jaccard index of each of ``some`` sets with every set, ``(len(some), sets)``."""
        both = self.members[some] @ self.members.T
        return both / (self.sizes[some][:, None] + self.sizes[None, :] - both)

    def label_tree(self, some: np.ndarray) -> np.ndarray:
        """How far the label paths of ``some`` sets run together with those of every set,
        ``(len(some), sets)``.

        Of two labels: a third each for the modality, then the region, then the finding that they
        share, down to where they part. Of two sets: each label with the other set's nearest,
        averaged over one set, then over the other, and the mean of both.
        """
        nearest = np.maximum.reduceat(self.shared_levels[:, self.flat], self.starts, axis=1)
        forward = (self.members[some] @ nearest) / self.sizes[some][:, None]
        backward = (nearest[:, some].T @ self.members.T) / self.sizes[None, :]
        return (forward + backward) / 2


def graded_relevance(catalog: pd.DataFrame, hood: Neighborhood, k: int) -> pd.DataFrame:
    """nDCG@10 and nDCG@k with graded gains, a row per gain and cut: gain, k, value, queries,
    queries_without_relevant.

    The gain of a neighbor is the Jaccard index of its label set and the query's, or how far their
    label paths run together (:meth:`LabelSets.label_tree`), undoubled (linear), discounted by
    log2(rank + 1) (Jarvelin & Kekalainen 2002). The ideal ranking is that of the whole index,
    exactly: images with the same label set are alike, so the sets are ranked, not the images. A
    query that nothing in the index resembles stands in no average.
    """
    sets = LabelSets(catalog["labels"])
    cuts = sorted({min(NDCG_AT, k), k})
    lengths = np.minimum(np.diff(hood.offsets), k)
    valid = np.arange(k) < lengths[:, None]
    place = np.where(valid, hood.offsets[:-1, None] + np.arange(k), 0)
    neighbor_set = np.where(valid, sets.of_image[hood.neighbors[place]], -1)
    query_set = sets.of_image[hood.queries]
    counts = np.bincount(sets.of_image[hood.index], minlength=len(sets.sizes))
    discounts = 1 / np.log2(np.arange(2, k + 2))
    summed = np.concatenate([[0.0], np.cumsum(discounts)])
    values = np.full((len(GAINS), len(cuts), len(query_set)), np.nan)
    order = np.argsort(query_set, kind="stable")
    asked = np.unique(query_set)
    for start in range(0, len(asked), SETS_PER_BLOCK):
        some = asked[start : start + SETS_PER_BLOCK]
        queries = order[slice(*np.searchsorted(query_set[order], [some[0], some[-1] + 1]))]
        row = np.searchsorted(some, query_set[queries])
        for position, name in enumerate(GAINS):
            gain = getattr(sets, name)(some)
            found = np.where(valid[queries], gain[row[:, None], neighbor_set[queries]], 0.0)
            best = np.argsort(-gain, axis=1, kind="stable")
            ends = np.cumsum(counts[best], axis=1)
            sorted_gain = np.take_along_axis(gain, best, axis=1)
            for column, cut in enumerate(cuts):
                weight = np.diff(summed[np.minimum(ends, cut)], axis=1, prepend=0.0)
                ideal = (sorted_gain * weight).sum(axis=1)[row]
                dcg = found[:, :cut] @ discounts[:cut]
                values[position, column, queries] = np.divide(
                    dcg, ideal, out=np.full(len(queries), np.nan), where=ideal > 0
                )
    return pd.DataFrame(
        [
            {
                "gain": name,
                "k": cut,
                "value": float(found[~np.isnan(found)].mean())
                if (~np.isnan(found)).any()
                else np.nan,
                "queries": int((~np.isnan(found)).sum()),
                "queries_without_relevant": int(np.isnan(found).sum()),
            }
            for name, per_cut in zip(GAINS, values, strict=True)
            for cut, found in zip(cuts, per_cut, strict=True)
        ]
    )
