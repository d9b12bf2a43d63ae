"""How often neighbors are right: precision at k, average precision, nDCG and the rest, per query, class and group.

A neighbor is right when it has the query's label. The metrics of a query are pure functions of

- ``relevance`` ``(q, K)`` bool: is the neighbor at rank 1 .. K right? False beyond the end of a list;
- ``retrieved`` ``(q,)``: how long the list of each query is, K at most;
- ``relevant`` ``(q,)``: R, how many index images have the query's label.

A query with R = 0 cannot be answered: its metrics are NaN, it stands in no average, and it is counted. NaN is also what a
list is too short to tell. *Micro* averages run over queries, *macro* averages over classes (the mean of their means).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from radcbir.errors import InputError

PRECISION_AT = (1, 3, 5, 10)
HIT_RATE_AT = (1, 5, 10)
LEVELS = ("modality", "region", "modality_region", "label")
QUERIES_PER_BLOCK = 8192

GROUP_METRICS = [
    "precision_at_1",
    "precision_at_5",
    "precision_at_10",
    "r_precision",
    "average_precision",
    "ndcg",
    "reciprocal_rank",
]
AVERAGED_NAMES = {"average_precision": "mean_average_precision", "reciprocal_rank": "mean_reciprocal_rank"}
"""Metrics whose average has a name of its own."""


# --- metrics of one query -------------------------------------------------------------------------------------------


def capped_precision(relevance: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """P@k as in Denner et al. (arXiv 2403.06567): the list is cut at n = min(k, R), hits among the first n over n."""
    cut = np.minimum(relevant, k)
    hits = _hits(relevance[:, :k] & (np.arange(min(k, relevance.shape[1])) < cut[:, None]))
    return np.where(cut <= relevance.shape[1], _ratio(hits, cut), np.nan)


def plain_precision(relevance: np.ndarray, retrieved: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """P@k as usual: hits among the first k over k."""
    return np.where((relevant > 0) & (retrieved >= k), _hits(relevance[:, :k]) / k, np.nan)


def r_precision(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Precision at R, or at K where R > K (:func:`r_precision_truncated`): the capped P@K by another name."""
    return capped_precision(relevance, relevant, relevance.shape[1])


def r_precision_truncated(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """1 where R > K, so that R-precision had to stop at K; 0 elsewhere."""
    return np.where(relevant > 0, relevant > relevance.shape[1], np.nan)


def average_precision(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """AP@K = sum of P@i over the ranks i <= K with a hit, over min(R, K): 1 for a perfect list however large R is."""
    ranks = np.arange(1, relevance.shape[1] + 1)
    hits_so_far = np.cumsum(relevance, axis=1, dtype=np.int32)
    return _ratio((hits_so_far * relevance) @ (1 / ranks), np.minimum(relevant, relevance.shape[1]))


def ndcg(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """nDCG@K with gain 1 for a hit and discount 1 / log2(rank + 1), over that of min(R, K) hits at the top."""
    discounts = 1 / np.log2(np.arange(2, relevance.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(relevant, relevance.shape[1])]
    return _ratio(relevance @ discounts, ideal)


def first_hit_rank(relevance: np.ndarray) -> np.ndarray:
    """The rank of the first hit, 0 where there is none among K."""
    return np.where(relevance.any(axis=1), relevance.argmax(axis=1) + 1, 0)


def reciprocal_rank(relevance: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """1 / rank of the first hit, 0 where there is none among K."""
    return np.where(relevant > 0, _ratio(relevance.any(axis=1), first_hit_rank(relevance), empty=0.0), np.nan)


def hit_rate(relevance: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """1 where a hit is among the first k, 0 elsewhere."""
    return np.where((relevant > 0) & (k <= relevance.shape[1]), relevance[:, :k].any(axis=1), np.nan)


def _hits(relevance: np.ndarray) -> np.ndarray:
    return np.count_nonzero(relevance, axis=1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """The quotient as float64, ``empty`` where the denominator is 0."""
    quotient = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), empty)
    return np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) > 0)


# --- from the neighbor table to arrays ------------------------------------------------------------------------------


@dataclass(frozen=True)
class RankedLists:
    """The neighbors of ``q`` queries as arrays, best first, K ranks wide."""

    relevance: np.ndarray
    """``(q, K)`` bool: right and within the list."""
    retrieved: np.ndarray
    """``(q,)`` int: how long each list is."""
    relevant: np.ndarray
    """``(q,)`` int, R: how many index images are right."""

    @property
    def valid(self) -> np.ndarray:
        """``(q, K)`` bool: within the list; False is padding."""
        return np.arange(self.relevance.shape[1]) < self.retrieved[:, None]

    def __getitem__(self, queries: slice) -> "RankedLists":
        """The lists of some of the queries."""
        return RankedLists(self.relevance[queries], self.retrieved[queries], self.relevant[queries])


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
    return relevant - _looked_up(pairs, counts, query_patients.astype(np.int64) * classes + query_labels)


def ranked_lists(
    offsets: np.ndarray,
    right: np.ndarray,
    own_patient: np.ndarray | None,
    relevant: np.ndarray,
    k: int,
) -> RankedLists:
    """Lay the rows of a neighbor table out as arrays, k ranks wide.

    The rows ``offsets[i] : offsets[i + 1]`` are query i's neighbors by rank. ``right`` ``(rows,)`` bool says which have
    the query's label. Rows marked in ``own_patient`` ``(rows,)`` bool are left out and those behind them move up.
    """
    query, column, kept = _places(offsets, own_patient, k)
    hits = kept & right
    relevance = np.zeros((len(offsets) - 1, k), dtype=bool)
    relevance[query[hits], column[hits]] = True
    return RankedLists(relevance, np.bincount(query[kept], minlength=len(offsets) - 1), relevant)


def _places(offsets: np.ndarray, own_patient: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row of a neighbor table its query, its column in an array k ranks wide, and whether it stands there."""
    lengths = np.diff(offsets)
    query = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    if own_patient is None:
        column = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return query, column, column < k
    others = np.concatenate([[0], np.cumsum(~own_patient)])
    column = others[:-1] - np.repeat(others[offsets[:-1]], lengths)
    return query, column, ~own_patient & (column < k)


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 where there is none; ``keys`` are sorted."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=values.dtype)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


# --- averages -------------------------------------------------------------------------------------------------------


def precision_curve(lists: RankedLists, labels: np.ndarray) -> pd.DataFrame:
    """P@k for k = 1 .. K: columns definition (capped, plain), average (micro, macro), k, value, queries, classes.

    ``labels`` ``(q,)`` are the queries' label codes. The plain curve ends with the shortest list. Exact up to the last
    division: hits are counted per class and R, never averaged query by query.
    """
    answerable = lists.relevant > 0
    labels, relevant = labels[answerable], lists.relevant[answerable]
    width = lists.relevance.shape[1]
    base = int(relevant.max(initial=0)) + 1
    groups, group, sizes = np.unique(labels * base + relevant, return_inverse=True, return_counts=True)
    hits = np.cumsum(_sums(lists.relevance[answerable][np.argsort(group, kind="stable")], sizes), axis=1)
    _, groups_of_class = np.unique(groups // base, return_counts=True)
    queries = _sums(sizes[:, None], groups_of_class)[:, 0]

    ks = np.arange(1, width + 1)
    cut = np.minimum(ks, (groups % base)[:, None])
    capped = _sums(np.take_along_axis(hits, cut - 1, axis=1) / cut, groups_of_class)
    shortest = int(lists.retrieved[answerable].min(initial=width))
    plain = _sums(hits[:, :shortest] / ks[:shortest], groups_of_class)
    curves = [
        pd.DataFrame({"definition": definition, "average": average, "k": ks[: len(values)], "value": values})
        for definition, sums in (("capped", capped), ("plain", plain))
        for average, values in (
            ("micro", _ratio(sums.sum(axis=0), queries.sum())),
            ("macro", _ratio((sums / queries[:, None]).sum(axis=0), np.int64(len(queries)))),
        )
    ]
    return pd.concat(curves, ignore_index=True).assign(queries=len(labels), classes=len(queries))


def group_means(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """The means ``(count,)`` of ``values`` ``(n,)`` by group code, NaN for a group without values."""
    return _ratio(np.bincount(groups, values, minlength=count), np.bincount(groups, minlength=count))


def _sums(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sums ``(groups, K)`` of the rows ``(n, K)``, the first ``sizes[0]`` of them, then ``sizes[1]``, and so on."""
    kind = np.int64 if rows.dtype.kind in "bi" else np.float64
    if not len(sizes):
        return np.zeros((0, rows.shape[1]), dtype=kind)
    return np.add.reduceat(rows, np.cumsum(sizes) - sizes, axis=0, dtype=kind)


# --- labels of neighbors ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelledLists:
    """The labels of the neighbors of ``q`` queries, best first, K ranks wide; labels are codes into ``names``."""

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
    """The neighbor table of one query split, with scores, as arrays by variant: arguments and errors of :func:`evaluate`."""
    neighbors, catalog = with_one_label(neighbors, catalog)
    images, offsets, query_ids, queries, variants = _asked(neighbors, catalog, embedded, index_split, query_split)
    label, names = images.codes["label"].astype(np.int32), images.names["label"]
    neighbor_ids, row_scores = neighbors["neighbor"].to_numpy(), neighbors["score"].to_numpy(np.float32)
    width = min(k, len(images.index))
    found = {}
    for variant in variants:
        patients = (images.patient[queries], images.patient[images.index]) if variant == "other_patients" else ()
        labels = np.full((len(queries), width), -1, dtype=np.int32)
        scores = np.zeros((len(queries), width), dtype=np.float32)
        for block in _blocks(len(queries)):
            bounds = offsets[block.start : block.stop + 1]
            rows = images.neighbor_rows(neighbor_ids[bounds[0] : bounds[-1]])
            asking = np.repeat(queries[block], np.diff(bounds))
            own = (images.patient[rows] == images.patient[asking]) & (images.patient[asking] >= 0) if patients else None
            query, column, kept = _places(bounds - bounds[0], own, width)
            place = query[kept] + block.start, column[kept]
            labels[place], scores[place] = label[rows[kept]], row_scores[bounds[0] : bounds[-1]][kept]
        _check_lengths((labels >= 0).sum(axis=1), variant, k, query_ids, queries, images)
        relevant = relevant_in_index(label[queries], label[images.index], *patients)
        index_images = np.bincount(label[images.index], minlength=len(names))
        found[variant] = LabelledLists(query_ids, label[queries], labels, scores, relevant, index_images, names)
    return found


# --- evaluation -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """Tidy tables of one model, for one query split or several (:func:`concatenate`)."""

    precision: pd.DataFrame
    """query_split, neighbors, definition, average, k, value, queries, classes: the curves of P@k."""
    summary: pd.DataFrame
    """query_split, neighbors, metric, average, k, value, queries, queries_without_relevant, classes."""
    by_group: pd.DataFrame
    """query_split, neighbors, level, group, index_images, queries, queries_without_relevant, :data:`GROUP_METRICS`."""
    per_query: pd.DataFrame
    """query_split, neighbors, query, label, relevant_in_index, first_hit_rank (missing without a hit), every metric."""


def concatenate(evaluations: Iterable[Evaluation]) -> Evaluation:
    """The evaluations of several query splits as one."""
    evaluations = list(evaluations)
    return Evaluation(
        *(
            pd.concat([getattr(evaluation, table.name) for evaluation in evaluations], ignore_index=True)
            for table in fields(Evaluation)
        )
    )


def evaluate(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    query_split: str,
    k: int,
) -> Evaluation:
    """Evaluate the neighbor table of one query split: columns query, rank, neighbor; the rows of a query by rank.

    ``catalog`` has a row per image: id, split, label (``MODALITY/region/finding``), modality, region, patient_id (may be
    missing). ``embedded`` holds the ids of the images that have an embedding; those of ``index_split`` are the index, so
    that R counts what can be found.

    The tables' column ``neighbors`` says ``all`` for the first k neighbors, and ``other_patients`` where images of the
    query's own patient are left out of the list and of R; those rows are there whenever patients are known among the
    queries and in the index, shared or not. ``queries`` counts the queries in an average, ``queries_without_relevant``
    those that R = 0 keeps out of it. ``precision_at_k`` is the capped one (:func:`capped_precision`).

    Raises :class:`InputError` where the table is empty, :class:`ValueError` where the tables do not fit together: an
    image that is not in its split or is not embedded, or a list that stops too early for k.

    Images with several labels (their ``label`` is missing) neither ask nor are found: :func:`with_one_label`.
    """
    neighbors, catalog = with_one_label(neighbors, catalog)
    images, offsets, query_ids, queries, variants = _asked(neighbors, catalog, embedded, index_split, query_split)
    lists = _lists_by_variant(neighbors["neighbor"].to_numpy(), offsets, queries, images, k, variants)
    evaluations = []
    for variant in variants:
        _check_lengths(lists[variant].retrieved, variant, k, query_ids, queries, images)
        evaluation = _evaluate_lists(lists[variant], query_ids, queries, images)
        for table in fields(evaluation):
            getattr(evaluation, table.name).insert(0, "query_split", query_split)
            getattr(evaluation, table.name).insert(1, "neighbors", variant)
        evaluations.append(evaluation)
    return concatenate(evaluations)


def _asked(
    neighbors: pd.DataFrame, catalog: pd.DataFrame, embedded: np.ndarray, index_split: str, query_split: str
) -> tuple["_Images", np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """The images, the bounds of each query's rows, the queries' ids and catalog rows, and the variants to evaluate."""
    if not len(neighbors):
        raise InputError(
            f"the query split '{query_split}' has no embedded image, so that nothing can be asked: see the ledger for "
            "why its images were rejected, or take it out of `query_splits:`"
        )
    images = _Images(catalog, embedded, index_split)
    offsets, query_ids = _list_bounds(neighbors)
    queries = images.query_rows(query_ids, query_split)
    variants = ["all"]
    if (images.patient[queries] >= 0).any() and (images.patient[images.index] >= 0).any():
        variants.append("other_patients")
    return images, offsets, query_ids, queries, variants


def _check_lengths(
    retrieved: np.ndarray, variant: str, k: int, query_ids: np.ndarray, queries: np.ndarray, images: "_Images"
) -> None:
    """Raise :class:`ValueError` where a list ends before k though the index goes on."""
    own = images.own_in_index(queries) if variant == "other_patients" else np.zeros(len(queries), dtype=np.int64)
    short = retrieved < np.minimum(k, len(images.index) - own)
    if short.any():
        raise ValueError(
            f"the list of query {query_ids[short][0]} holds {retrieved[short][0]} neighbors "
            f"({variant}), though k = {k} and the index has more: search deeper"
        )


def with_one_label(neighbors: pd.DataFrame, catalog: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A neighbor table and a pooled catalog without the images that have several labels, in which ``label`` is missing.

    As queries they are left out; as neighbors too, and those behind them move up: what is left is the table of an
    experiment that pools images with one label only. Tables without such images come back as they are.
    """
    several = catalog["label"].isna()
    if not several.any():
        return neighbors, catalog
    left_out = catalog.loc[several, "id"].to_numpy(np.int64)
    kept = ~(neighbors["query"].isin(left_out) | neighbors["neighbor"].isin(left_out))
    neighbors = neighbors[kept].reset_index(drop=True)
    neighbors["rank"] = neighbors.groupby("query", sort=False).cumcount() + 1
    return neighbors, catalog[~several].reset_index(drop=True)


class _Images:
    """The catalog as arrays, one entry per row: labels and patients as codes, and which rows are the index."""

    def __init__(self, catalog: pd.DataFrame, embedded: np.ndarray, index_split: str):
        self.ids = pd.Index(catalog["id"].to_numpy(np.int64))
        if not self.ids.is_unique:
            raise ValueError(f"the catalog lists the image {self.ids[self.ids.duplicated()][0]} twice")
        if catalog["label"].isna().any():
            raise ValueError("the catalog holds images without a label: evaluate those with exactly one")
        self.split = catalog["split"].to_numpy(object)
        self.index = np.flatnonzero((self.split == index_split) & self.ids.isin(np.asarray(embedded, dtype=np.int64)))
        self.index_ids = self.ids[self.index]
        self.patient = pd.factorize(catalog["patient_id"])[0]
        modality, region = (catalog[name].astype(object).fillna("unknown") for name in ("modality", "region"))
        levels = {
            "modality": modality,
            "region": region,
            "modality_region": modality + "/" + region,
            "label": catalog["label"],
        }
        self.codes: dict[str, np.ndarray] = {}
        self.names: dict[str, np.ndarray] = {}
        for level in LEVELS:
            self.codes[level], self.names[level] = pd.factorize(levels[level].to_numpy(object), sort=True)

    def query_rows(self, ids: np.ndarray, query_split: str) -> np.ndarray:
        """The catalog rows of queries."""
        rows = self.ids.get_indexer(ids)
        wrong = (rows < 0) | (self.split[rows] != query_split)
        if wrong.any():
            raise ValueError(f"the query {ids[wrong][0]} is not an image of the split '{query_split}'")
        return rows

    def neighbor_rows(self, ids: np.ndarray) -> np.ndarray:
        """The catalog rows of neighbors."""
        found = self.index_ids.get_indexer(ids)
        if found.min(initial=0) < 0:
            raise ValueError(f"the neighbor {ids[found < 0][0]} is not an embedded image of the index split")
        return self.index[found]

    def own_in_index(self, queries: np.ndarray) -> np.ndarray:
        """Per query row, how many index images are of its patient."""
        counts = np.bincount(self.patient[self.index] + 1, minlength=int(self.patient.max(initial=-1)) + 2)
        counts[0] = 0
        return counts[self.patient[queries] + 1]


def _list_bounds(neighbors: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows of each query start, then where the last end ``(q + 1,)``, and the queries' ids ``(q,)``."""
    query, rank = neighbors["query"].to_numpy(), neighbors["rank"].to_numpy()
    same = query[1:] == query[:-1]
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    in_order = rank[0] == 1 and bool((rank[1:] == np.where(same, rank[:-1] + 1, 1)).all())
    if not in_order or len(np.unique(query[starts])) != len(starts):
        raise ValueError(
            "the neighbor table is out of order: the rows of each query have to follow one another by rank"
        )
    return np.append(starts, len(query)), query[starts]


def _lists_by_variant(
    neighbor_ids: np.ndarray, offsets: np.ndarray, queries: np.ndarray, images: _Images, k: int, variants: Sequence[str]
) -> dict[str, RankedLists]:
    """The lists of each variant, laid out block by block: beside the table, memory follows q x k bytes."""
    label, patient = images.codes["label"], images.patient
    relevant = {"all": relevant_in_index(label[queries], label[images.index])}
    relevant["other_patients"] = relevant_in_index(
        label[queries], label[images.index], patient[queries], patient[images.index]
    )
    parts: dict[str, list[RankedLists]] = {variant: [] for variant in variants}
    for block in _blocks(len(queries)):
        bounds = offsets[block.start : block.stop + 1]
        rows = images.neighbor_rows(neighbor_ids[bounds[0] : bounds[-1]])
        asking = np.repeat(queries[block], np.diff(bounds))
        right = label[rows] == label[asking]
        own = (patient[rows] == patient[asking]) & (patient[asking] >= 0)
        for variant in variants:
            left_out = own if variant == "other_patients" else None
            parts[variant].append(ranked_lists(bounds - bounds[0], right, left_out, relevant[variant][block], k))
    return {
        variant: RankedLists(
            *(np.concatenate([getattr(part, each.name) for part in blocks]) for each in fields(RankedLists))
        )
        for variant, blocks in parts.items()
    }


def _evaluate_lists(lists: RankedLists, query_ids: np.ndarray, queries: np.ndarray, images: _Images) -> Evaluation:
    """The four tables of one variant, without its name."""
    blocks = [query_metrics(lists[block]) for block in _blocks(len(queries))]
    metrics = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    labels = images.codes["label"][queries]
    first = first_hit_rank(lists.relevance)
    per_query = {
        "query": query_ids,
        "label": images.names["label"][labels],
        "relevant_in_index": lists.relevant,
        "first_hit_rank": pd.arrays.IntegerArray(first.astype(np.int32), first == 0),
    }
    return Evaluation(
        precision=precision_curve(lists, labels),
        summary=_summary(metrics, lists, labels),
        by_group=_by_group(metrics, lists, queries, images),
        per_query=pd.DataFrame(per_query | metrics),
    )


def query_metrics(lists: RankedLists) -> dict[str, np.ndarray]:
    """Every metric of each query by name, ``(q,)`` float64."""
    relevance, relevant, retrieved = lists.relevance, lists.relevant, lists.retrieved
    return {
        **{f"precision_at_{k}": capped_precision(relevance, relevant, k) for k in PRECISION_AT},
        **{f"plain_precision_at_{k}": plain_precision(relevance, retrieved, relevant, k) for k in PRECISION_AT},
        "r_precision": r_precision(relevance, relevant),
        "r_precision_truncated": r_precision_truncated(relevance, relevant),
        "average_precision": average_precision(relevance, relevant),
        "ndcg": ndcg(relevance, relevant),
        "reciprocal_rank": reciprocal_rank(relevance, relevant),
        **{f"hit_rate_at_{k}": hit_rate(relevance, relevant, k) for k in HIT_RATE_AT},
    }


def _summary(metrics: Mapping[str, np.ndarray], lists: RankedLists, labels: np.ndarray) -> pd.DataFrame:
    """Micro and macro average of every metric over the queries with R > 0."""
    answerable = lists.relevant > 0
    present, classes = np.unique(labels[answerable], return_inverse=True)
    rows = []
    for name, values in metrics.items():
        k = int(name.rpartition("_at_")[2]) if "_at_" in name else lists.relevance.shape[1]
        averaged = values[answerable]
        averages = {"micro": np.nan, "macro": np.nan}
        if len(averaged):
            averages = {"micro": averaged.mean(), "macro": group_means(averaged, classes, len(present)).mean()}
        rows += [(AVERAGED_NAMES.get(name, name), average, k, value) for average, value in averages.items()]
    return pd.DataFrame(rows, columns=["metric", "average", "k", "value"]).assign(
        queries=int(answerable.sum()), queries_without_relevant=int((~answerable).sum()), classes=len(present)
    )


def _by_group(
    metrics: Mapping[str, np.ndarray], lists: RankedLists, queries: np.ndarray, images: _Images
) -> pd.DataFrame:
    """Means over the queries of each modality, region, both, and label that has queries."""
    answerable = lists.relevant > 0
    tables = []
    for level in LEVELS:
        codes, names = images.codes[level], images.names[level]
        groups = codes[queries]
        counts = {
            "index_images": np.bincount(codes[images.index], minlength=len(names)),
            "queries": np.bincount(groups[answerable], minlength=len(names)),
            "queries_without_relevant": np.bincount(groups[~answerable], minlength=len(names)),
        }
        means = {name: group_means(metrics[name][answerable], groups[answerable], len(names)) for name in GROUP_METRICS}
        table = pd.DataFrame({"level": level, "group": names} | counts | means)
        tables.append(table[np.bincount(groups, minlength=len(names)) > 0])
    return pd.concat(tables, ignore_index=True)


def _blocks(count: int) -> Iterable[slice]:
    return (slice(start, min(start + QUERIES_PER_BLOCK, count)) for start in range(0, count, QUERIES_PER_BLOCK))
