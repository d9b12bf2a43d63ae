"""The evaluation of a neighbor table: per query, per class and per group.

*Micro* averages run over queries, *macro* averages over classes (the mean of their means). Queries
that no index image can answer are in no average. They are counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.metrics.per_query import RankedLists

LEVELS = ("modality", "region", "modality_region", "label")

QUERIES_PER_BLOCK = 8192


def relevant_in_index(
    query_labels: np.ndarray,
    index_labels: np.ndarray,
    query_patients: np.ndarray | None = None,
    index_patients: np.ndarray | None = None,
) -> np.ndarray:
    """R per query ``(q,)``: the index images with the query's label, from codes >= 0.

    With patients (codes, -1 where unknown), only those of other patients count.
    """
    classes = int(max(query_labels.max(initial=-1), index_labels.max(initial=-1))) + 1
    relevant = np.bincount(index_labels, minlength=classes)[query_labels]
    if query_patients is None or index_patients is None:
        return relevant
    known = index_patients >= 0
    pairs, counts = np.unique(
        index_patients[known].astype(np.int64) * classes + index_labels[known], return_counts=True
    )
    return relevant - looked_up(
        pairs, counts, query_patients.astype(np.int64) * classes + query_labels
    )


def ranked_lists(
    offsets: np.ndarray,
    right: np.ndarray,
    own_patient: np.ndarray | None,
    relevant: np.ndarray,
    k: int,
) -> RankedLists:
    """Lay the rows of a neighbor table out as arrays, k ranks wide.

    The rows ``offsets[i] : offsets[i + 1]`` are query i's neighbors by rank. ``right`` ``(rows,)``
    bool says which have the query's label. Rows marked in ``own_patient`` ``(rows,)`` bool are left
    out and those behind them move up.
    """
    query, column, kept = places(offsets, own_patient, k)
    hits = kept & right
    relevance = np.zeros((len(offsets) - 1, k), dtype=bool)
    relevance[query[hits], column[hits]] = True
    return RankedLists(relevance, np.bincount(query[kept], minlength=len(offsets) - 1), relevant)


def places(
    offsets: np.ndarray, own_patient: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row of a neighbor table its query, its column in an array k ranks wide, and whether it
    is in that array.
    """
    lengths = np.diff(offsets)
    query = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    if own_patient is None:
        column = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return query, column, column < k
    others = np.concatenate([[0], np.cumsum(~own_patient)])
    column = others[:-1] - np.repeat(others[offsets[:-1]], lengths)
    return query, column, ~own_patient & (column < k)


def looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 where there is none; ``keys`` are sorted."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=values.dtype)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


@dataclass(frozen=True)
class LabelledLists:
    """The labels of the neighbors of ``q`` queries, best first, K ranks wide; labels are codes into
    ``names``.
    """

    query_ids: np.ndarray
    """``(q,)`` int64."""
    labels: np.ndarray
    """``(q,)`` int32: the queries' own labels."""
    neighbor_labels: np.ndarray
    """``(q, K)`` int32: -1 beyond the end of a list."""
    scores: np.ndarray
    """``(q, K)`` float32: cosine similarities, 0 beyond the end of a list."""
    relevant: np.ndarray
    """``(q,)`` int, R: how many index images have the query's label."""
    index_images: np.ndarray
    """``(C,)`` int: index images of each label."""
    names: np.ndarray
    """``(C,)`` text: the labels, sorted."""


def labelled_lists(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    query_split: str,
    k: int,
) -> dict[str, LabelledLists]:
    """The neighbor table of one query split, with scores, as arrays by variant: arguments and
    errors of :func:`evaluate`.
    """
    neighbors, catalog = with_one_label(neighbors, catalog)
    check_asked(neighbors, query_split)
    images, offsets, query_ids, queries, variants = asked_queries(
        neighbors, catalog, embedded, index_split, query_split
    )
    label, names = images.codes["label"].astype(np.int32), images.names["label"]
    neighbor_ids, row_scores = (
        neighbors["neighbor"].to_numpy(),
        neighbors["score"].to_numpy(np.float32),
    )
    width = min(k, len(images.index))
    found = {}
    for variant in variants:
        patients = (
            (images.patient[queries], images.patient[images.index])
            if variant == "other_patients"
            else ()
        )
        labels = np.full((len(queries), width), -1, dtype=np.int32)
        scores = np.zeros((len(queries), width), dtype=np.float32)
        for block in query_blocks(len(queries)):
            bounds = offsets[block.start : block.stop + 1]
            rows = images.neighbor_rows(neighbor_ids[bounds[0] : bounds[-1]])
            asking = np.repeat(queries[block], np.diff(bounds))
            own = (
                (images.patient[rows] == images.patient[asking]) & (images.patient[asking] >= 0)
                if patients
                else None
            )
            query, column, kept = places(bounds - bounds[0], own, width)
            place = query[kept] + block.start, column[kept]
            labels[place], scores[place] = (
                label[rows[kept]],
                row_scores[bounds[0] : bounds[-1]][kept],
            )
        check_lengths((labels >= 0).sum(axis=1), variant, k, query_ids, queries, images)
        relevant = relevant_in_index(label[queries], label[images.index], *patients)
        index_images = np.bincount(label[images.index], minlength=len(names))
        found[variant] = LabelledLists(
            query_ids, label[queries], labels, scores, relevant, index_images, names
        )
    return found


def asked_queries(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    query_split: str,
) -> tuple["Images", np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """The images, the bounds of each query's rows, the queries' ids and catalog rows, and the
    variants to evaluate.
    """
    images = Images(catalog, embedded, index_split)
    offsets, query_ids = list_bounds(neighbors)
    queries = images.query_rows(query_ids, query_split)
    variants = ["all"]
    if (images.patient[queries] >= 0).any() and (images.patient[images.index] >= 0).any():
        variants.append("other_patients")
    return images, offsets, query_ids, queries, variants


def check_asked(neighbors: pd.DataFrame, query_split: str) -> None:
    """Raise :class:`InputError` where a neighbor table is empty."""
    if not len(neighbors):
        raise InputError(
            f"the query split '{query_split}' has no embedded image, so that there is no query: "
            "see the ledger for why its images were rejected, or take it out of `query_splits:`"
        )


def check_lengths(
    retrieved: np.ndarray,
    variant: str,
    k: int,
    query_ids: np.ndarray,
    queries: np.ndarray,
    images: "Images",
) -> None:
    """Raise :class:`ValueError` where a list ends before k though the index goes on."""
    own = (
        images.own_in_index(queries)
        if variant == "other_patients"
        else np.zeros(len(queries), dtype=np.int64)
    )
    short = retrieved < np.minimum(k, len(images.index) - own)
    if short.any():
        raise ValueError(
            f"the list of query {query_ids[short][0]} holds {retrieved[short][0]} neighbors "
            f"({variant}), though k = {k} and the index has more: search deeper"
        )


def with_one_label(
    neighbors: pd.DataFrame, catalog: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A neighbor table and a pooled catalog without the images that have several labels, in which
    ``label`` is missing.

    As queries they are left out; as neighbors too, and those behind them move up: what is left is
    the table of an experiment that pools images with one label only. Tables without such images
    come back as they are.
    """
    several = catalog["label"].isna()
    if not several.any():
        return neighbors, catalog
    left_out = catalog.loc[several, "id"].to_numpy(np.int64)
    kept = ~(neighbors["query"].isin(left_out) | neighbors["neighbor"].isin(left_out))
    neighbors = neighbors[kept].reset_index(drop=True)
    neighbors["rank"] = neighbors.groupby("query", sort=False).cumcount() + 1
    return neighbors, catalog[~several].reset_index(drop=True)


class Images:
    """The catalog as arrays, one entry per row: labels and patients as codes, and which rows are
    the index.
    """

    def __init__(self, catalog: pd.DataFrame, embedded: np.ndarray, index_split: str):
        self.ids = pd.Index(catalog["id"].to_numpy(np.int64))
        if not self.ids.is_unique:
            raise ValueError(
                f"the catalog lists the image {self.ids[self.ids.duplicated()][0]} twice"
            )
        if catalog["label"].isna().any():
            raise ValueError(
                "the catalog holds images without a label: evaluate those with exactly one"
            )
        self.split = catalog["split"].to_numpy(object)
        self.index = np.flatnonzero(
            (self.split == index_split) & self.ids.isin(np.asarray(embedded, dtype=np.int64))
        )
        self.index_ids = self.ids[self.index]
        self.patient = pd.factorize(catalog["patient_id"])[0]
        modality, region = (
            catalog[name].astype(object).fillna("unknown") for name in ("modality", "region")
        )
        levels = {
            "modality": modality,
            "region": region,
            "modality_region": modality + "/" + region,
            "label": catalog["label"],
        }
        self.codes: dict[str, np.ndarray] = {}
        self.names: dict[str, np.ndarray] = {}
        for level in LEVELS:
            self.codes[level], self.names[level] = pd.factorize(
                levels[level].to_numpy(object), sort=True
            )

    def query_rows(self, ids: np.ndarray, query_split: str) -> np.ndarray:
        """The catalog rows of queries."""
        rows = self.ids.get_indexer(ids)
        wrong = (rows < 0) | (self.split[rows] != query_split)
        if wrong.any():
            raise ValueError(
                f"the query {ids[wrong][0]} is not an image of the split '{query_split}'"
            )
        return rows

    def neighbor_rows(self, ids: np.ndarray) -> np.ndarray:
        """The catalog rows of neighbors."""
        found = self.index_ids.get_indexer(ids)
        if found.min(initial=0) < 0:
            raise ValueError(
                f"the neighbor {ids[found < 0][0]} is not an embedded image of the index split"
            )
        return self.index[found]

    def own_in_index(self, queries: np.ndarray) -> np.ndarray:
        """Per query row, how many index images are of its patient."""
        counts = np.bincount(
            self.patient[self.index] + 1, minlength=int(self.patient.max(initial=-1)) + 2
        )
        counts[0] = 0
        return counts[self.patient[queries] + 1]


def list_bounds(neighbors: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows of each query start, then where the last end ``(q + 1,)``, and the queries'
    ids ``(q,)``.
    """
    query, rank = neighbors["query"].to_numpy(), neighbors["rank"].to_numpy()
    if not len(query):
        return np.zeros(1, dtype=np.int64), query
    same = query[1:] == query[:-1]
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    in_order = rank[0] == 1 and bool((rank[1:] == np.where(same, rank[:-1] + 1, 1)).all())
    if not in_order or len(np.unique(query[starts])) != len(starts):
        raise ValueError(
            "the neighbor table is out of order: the rows of each query have to follow one another "
            "by rank"
        )
    return np.append(starts, len(query)), query[starts]


def lists_by_variant(
    neighbor_ids: np.ndarray,
    offsets: np.ndarray,
    queries: np.ndarray,
    images: Images,
    k: int,
    variants: Sequence[str],
) -> dict[str, RankedLists]:
    """The lists of each variant, laid out block by block: beside the table, memory follows q x k
    bytes.
    """
    label, patient = images.codes["label"], images.patient
    relevant = {"all": relevant_in_index(label[queries], label[images.index])}
    relevant["other_patients"] = relevant_in_index(
        label[queries], label[images.index], patient[queries], patient[images.index]
    )
    parts: dict[str, list[RankedLists]] = {variant: [] for variant in variants}
    for block in query_blocks(len(queries)):
        bounds = offsets[block.start : block.stop + 1]
        rows = images.neighbor_rows(neighbor_ids[bounds[0] : bounds[-1]])
        asking = np.repeat(queries[block], np.diff(bounds))
        right = label[rows] == label[asking]
        own = (patient[rows] == patient[asking]) & (patient[asking] >= 0)
        for variant in variants:
            left_out = own if variant == "other_patients" else None
            parts[variant].append(
                ranked_lists(bounds - bounds[0], right, left_out, relevant[variant][block], k)
            )
    return {
        variant: RankedLists(
            *(
                np.concatenate([getattr(part, each.name) for part in blocks])
                for each in fields(RankedLists)
            )
        )
        for variant, blocks in parts.items()
    }


def query_blocks(count: int) -> Iterable[slice]:
    """Runs of :data:`QUERIES_PER_BLOCK` queries; an empty one where there is no query."""
    return (
        slice(start, min(start + QUERIES_PER_BLOCK, count))
        for start in range(0, max(count, 1), QUERIES_PER_BLOCK)
    )
