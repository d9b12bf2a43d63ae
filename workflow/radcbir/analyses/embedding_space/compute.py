"""The shape of an embedding space: how classes lie in it, how many of its directions are used, and
who becomes a hub.

Vectors are unit vectors. What is a sum over images or pairs is exact for any number of images,
block by block; what needs pairs one by one is taken over the images with the smallest ids. Ids are
digests, so that this is a random draw, and one that is the same for every model and hardly moves
when images are added.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.analyses.embedding_space.hubs import (
    ROWS_PER_BLOCK,
    SMALLEST_DISTANCE,
    hubness_of_remedies,
    hubness_table,
    nearest_within,
)
from radcbir.core.vectors import normalised_or_zero
from radcbir.embedding import store
from radcbir.retrieval.joined import Neighborhood, codes

Blocks = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
"""Called, it yields ids ``(b,)`` and unit vectors ``(b, d)``, block by block, the same ones each
time."""

LEVELS = ("modality", "region", "label")

INDEX_SAMPLE = 10_000

QUERY_SAMPLE = 2_000

UNIFORMITY_SAMPLE = 5_000


def moments(blocks: Blocks, dimension: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of vectors, their sum ``(d,)`` and the sum of their outer products ``(d, d)``."""
    count, total, outer = 0, np.zeros(dimension), np.zeros((dimension, dimension))
    for _, vectors in blocks():
        unit = normalised_or_zero(vectors)
        count += len(unit)
        total += unit.sum(axis=0)
        outer += unit.T @ unit
    return count, total, outer


def rank_me(outer: np.ndarray) -> float:
    """Effective rank: exp of the entropy of the singular values over their sum (Garrido et al.,
    RankMe, ICML 2023).

    ``outer`` ``(d, d)`` is the sum of the outer products of the vectors; the singular values of the
    matrix of all vectors are the square roots of its eigenvalues.
    """
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(outer), 0))
    share = singular / singular.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def mean_cosine(count: int, total: np.ndarray) -> float:
    """The mean cosine similarity of two different images: 0 on a whole sphere, near 1 in a narrow
    cone.
    """
    return float((total @ total - count) / (count * (count - 1))) if count > 1 else np.nan


def class_sums(
    blocks: Blocks, groups: pd.Series, classes: int, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """Number ``(classes,)`` and sum ``(classes, d)`` of the vectors of each class; ``groups`` maps
    an id to its code.
    """
    counts, sums = np.zeros(classes, dtype=np.int64), np.zeros((classes, dimension))
    for ids, vectors in blocks():
        group = groups.reindex(ids).fillna(-1).to_numpy(np.int64)
        order = np.argsort(group, kind="stable")[np.count_nonzero(group < 0) :]
        present, starts = np.unique(group[order], return_index=True)
        if len(present):
            counts += np.bincount(group[order], minlength=classes)
            sums[present] += np.add.reduceat(normalised_or_zero(vectors[order]), starts, axis=0)
    return counts, sums


def alignment(counts: np.ndarray, sums: np.ndarray) -> float:
    """Mean squared distance of two images of one class (Wang & Isola, ICML 2020, alpha = 2), over
    all such pairs.
    """
    pairs = (counts * (counts - 1)).sum()
    if pairs == 0:
        return np.nan
    return float(2 - 2 * ((sums * sums).sum() - counts.sum()) / pairs)


def silhouette(blocks: Blocks, groups: pd.Series, counts: np.ndarray, sums: np.ndarray) -> float:
    """Mean silhouette (Rousseeuw 1987) with the cosine distance, over all images.

    The mean cosine distance to a class is 1 minus the similarity to the mean of its vectors, so
    that no pair of images is compared. As in scikit-learn, an image that is alone in its class has
    the silhouette 0. NaN with fewer than two classes.
    """
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return np.nan
    counts, sums = counts[present], sums[present]
    summed, images = 0.0, 0
    for ids, vectors in blocks():
        group = groups.reindex(ids).fillna(-1).to_numpy(np.int64)
        known = group >= 0
        own = np.searchsorted(present, group[known])
        rows = np.arange(len(own))
        similarity = normalised_or_zero(vectors[known]) @ sums.T
        within = (counts[own] - similarity[rows, own]) / np.maximum(counts[own] - 1, 1)
        distance = 1 - similarity / counts
        distance[rows, own] = np.inf
        nearest = distance.min(axis=1, initial=np.inf)
        larger = np.maximum(within, nearest)
        value = np.divide(nearest - within, larger, out=np.zeros(len(own)), where=larger > 0)
        summed += value[counts[own] > 1].sum()
        images += len(own)
    return summed / images


def uniformity(vectors: np.ndarray) -> float:
    """Log of the mean of exp(-2 ||x - y||^2) over all pairs (Wang & Isola, ICML 2020, t = 2); lower
    is more even.
    """
    unit, count, summed = normalised_or_zero(vectors), len(vectors), 0.0
    for start in range(0, count, ROWS_PER_BLOCK):
        similarity = unit[start : start + ROWS_PER_BLOCK] @ unit.T
        summed += np.exp(4 * similarity - 4).sum()
    return float(np.log((summed - count) / (count * (count - 1)))) if count > 1 else np.nan


def two_nn(first: np.ndarray, second: np.ndarray) -> float:
    """Intrinsic dimension from the distances to the first and the second neighbor (Facco et al.,
    TwoNN, Sci. Rep. 2017).

    The ratio of the two follows a Pareto law whose exponent is the dimension: the slope, through
    the origin, of -log(1 - F) against its logarithm, with the largest tenth of the ratios left out
    as in the paper. Images that stand twice (:data:`SMALLEST_DISTANCE`) are left out.
    """
    different = first > SMALLEST_DISTANCE
    ratios = np.sort(np.log(second[different] / first[different]))
    share = np.arange(1, len(ratios) + 1) / max(len(ratios), 1)
    kept = int(0.9 * len(ratios))
    x, y = ratios[:kept], -np.log1p(-share[:kept])
    return float((x @ y) / (x @ x)) if kept and (x @ x) > 0 else np.nan


def sample(ids: np.ndarray, size: int) -> np.ndarray:
    """The ``size`` smallest ids: a random draw, since ids are digests."""
    return np.sort(ids)[:size]


def describe(
    catalog: pd.DataFrame,
    paths: Sequence[str | Path],
    index_split: str,
    query_splits: Sequence[str],
    hoods: Iterable[tuple[str, Neighborhood]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The measures of one model's space (:func:`space_table`, and :func:`hubness_table` per query
    split), and what remedies do to its hubs (:func:`hubness_of_remedies` per query split).

    ``catalog`` is the pooled catalog, ``paths`` are the model's embedding files, ``hoods`` its
    neighborhoods.
    """
    index = catalog[(catalog["split"] == index_split) & catalog["label"].notna()]
    index_ids = index["id"].to_numpy(np.int64)
    label = pd.Series(codes(catalog["label"])[0], index=catalog["id"].to_numpy(np.int64))

    def blocks() -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return store.blocks(paths, index_ids)

    embedded = np.concatenate([ids for ids, _ in blocks()] or [np.empty(0, dtype=np.int64)])
    drawn_ids, drawn = store.read(paths, sample(embedded, INDEX_SAMPLE))
    space = [space_table(blocks, index, store.dimension(paths), drawn).assign(query_split="")]
    remedied = []
    for split, hood in hoods:
        space.append(hubness_table(hood).assign(query_split=split))
        asked = catalog["id"].to_numpy(np.int64)[hood.queries]
        query_ids, queries = store.read(paths, sample(asked, QUERY_SAMPLE))
        table = hubness_of_remedies(
            queries, label.loc[query_ids].to_numpy(), drawn, label.loc[drawn_ids].to_numpy()
        )
        remedied.append(table.assign(query_split=split))
    return pd.concat(space, ignore_index=True), pd.concat(remedied, ignore_index=True)


def space_table(
    blocks: Blocks, catalog: pd.DataFrame, dimension: int, drawn: np.ndarray
) -> pd.DataFrame:
    """Every measure of the index images' vectors: columns measure, level, value, images.

    ``catalog`` has a row per index image (id, modality, region, label), ``drawn`` ``(s, d)`` are
    the vectors of the sample for measures over pairs.
    """
    count, total, outer = moments(blocks, dimension)
    rows = [
        ("effective_rank", "", rank_me(outer), count),
        ("dimension", "", float(dimension), count),
        ("mean_cosine", "", mean_cosine(count, total), count),
    ]
    for level in LEVELS:
        code, names = codes(catalog[level])
        groups = pd.Series(code, index=catalog["id"].to_numpy())
        counts, sums = class_sums(blocks, groups, len(names), dimension)
        if len(names) > 1:
            rows.append(
                ("silhouette", level, silhouette(blocks, groups, counts, sums), int(counts.sum()))
            )
        rows.append(("alignment", level, alignment(counts, sums), int(counts.sum())))
    few = drawn[:UNIFORMITY_SAMPLE]
    rows.append(("uniformity", "", uniformity(few), len(few)))
    if len(drawn) > 2:
        unit = normalised_or_zero(drawn)
        nearest, _ = nearest_within(unit, 2)
        first, second = (np.linalg.norm(unit - unit[nearest[:, place]], axis=1) for place in (0, 1))
        rows.append(("intrinsic_dimension", "", two_nn(first, second), len(drawn)))
    return pd.DataFrame(rows, columns=["measure", "level", "value", "images"])
