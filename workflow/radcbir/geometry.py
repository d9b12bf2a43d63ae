"""The shape of an embedding space: how classes lie in it, how many of its directions are used, and who becomes a hub.

Vectors are unit vectors. What is a sum over images or pairs is exact for any number of images, block by block; what needs
pairs one by one is taken over the images with the smallest ids. Ids are digests, so that this is a random draw, and one
that is the same for every model and hardly moves when images are added.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import log_ndtr

from radcbir import embeddings
from radcbir.neighborhoods import Neighborhood, codes

Blocks = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
"""Called, it yields ids ``(b,)`` and unit vectors ``(b, d)``, block by block, the same ones each time."""

LEVELS = ("modality", "region", "label")
INDEX_SAMPLE = 10_000
QUERY_SAMPLE = 2_000
UNIFORMITY_SAMPLE = 5_000
NEIGHBORS = 10
ROWS_PER_BLOCK = 1024
SMALLEST_DISTANCE = 1e-6
"""Two vectors closer than this are one image twice: storage in float32 tells them no further apart."""


# --- exact, over all images -----------------------------------------------------------------------------------------


def moments(blocks: Blocks, dimension: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of vectors, their sum ``(d,)`` and the sum of their outer products ``(d, d)``."""
    count, total, outer = 0, np.zeros(dimension), np.zeros((dimension, dimension))
    for _, vectors in blocks():
        unit = _unit(vectors)
        count += len(unit)
        total += unit.sum(axis=0)
        outer += unit.T @ unit
    return count, total, outer


def rank_me(outer: np.ndarray) -> float:
    """Effective rank: exp of the entropy of the singular values over their sum (Garrido et al., RankMe, ICML 2023).

    ``outer`` ``(d, d)`` is the sum of the outer products of the vectors; the singular values of the matrix of all vectors
    are the square roots of its eigenvalues.
    """
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(outer), 0))
    share = singular / singular.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def mean_cosine(count: int, total: np.ndarray) -> float:
    """The mean cosine similarity of two different images: 0 on a whole sphere, near 1 in a narrow cone."""
    return float((total @ total - count) / (count * (count - 1))) if count > 1 else np.nan


def class_sums(blocks: Blocks, groups: pd.Series, classes: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Number ``(classes,)`` and sum ``(classes, d)`` of the vectors of each class; ``groups`` maps an id to its code."""
    counts, sums = np.zeros(classes, dtype=np.int64), np.zeros((classes, dimension))
    for ids, vectors in blocks():
        group = groups.reindex(ids).fillna(-1).to_numpy(np.int64)
        order = np.argsort(group, kind="stable")[np.count_nonzero(group < 0) :]
        present, starts = np.unique(group[order], return_index=True)
        if len(present):
            counts += np.bincount(group[order], minlength=classes)
            sums[present] += np.add.reduceat(_unit(vectors[order]), starts, axis=0)
    return counts, sums


def alignment(counts: np.ndarray, sums: np.ndarray) -> float:
    """Mean squared distance of two images of one class (Wang & Isola, ICML 2020, alpha = 2), over all such pairs."""
    pairs = (counts * (counts - 1)).sum()
    if pairs == 0:
        return np.nan
    return float(2 - 2 * ((sums * sums).sum() - counts.sum()) / pairs)


def silhouette(blocks: Blocks, groups: pd.Series, counts: np.ndarray, sums: np.ndarray) -> float:
    """Mean silhouette (Rousseeuw 1987) with the cosine distance, over all images.

    The mean cosine distance to a class is 1 minus the similarity to the mean of its vectors, so that no pair of images is
    compared. As in scikit-learn, an image that is alone in its class has the silhouette 0. NaN with fewer than two
    classes.
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
        similarity = _unit(vectors[known]) @ sums.T
        within = (counts[own] - similarity[rows, own]) / np.maximum(counts[own] - 1, 1)
        distance = 1 - similarity / counts
        distance[rows, own] = np.inf
        nearest = distance.min(axis=1, initial=np.inf)
        larger = np.maximum(within, nearest)
        value = np.divide(nearest - within, larger, out=np.zeros(len(own)), where=larger > 0)
        summed += value[counts[own] > 1].sum()
        images += len(own)
    return summed / images


# --- over pairs of a sample -----------------------------------------------------------------------------------------


def uniformity(vectors: np.ndarray) -> float:
    """Log of the mean of exp(-2 ||x - y||^2) over all pairs (Wang & Isola, ICML 2020, t = 2); lower is more even."""
    unit, count, summed = _unit(vectors), len(vectors), 0.0
    for start in range(0, count, ROWS_PER_BLOCK):
        similarity = unit[start : start + ROWS_PER_BLOCK] @ unit.T
        summed += np.exp(4 * similarity - 4).sum()
    return float(np.log((summed - count) / (count * (count - 1)))) if count > 1 else np.nan


def two_nn(first: np.ndarray, second: np.ndarray) -> float:
    """Intrinsic dimension from the distances to the first and the second neighbor (Facco et al., TwoNN, Sci. Rep. 2017).

    The ratio of the two follows a Pareto law whose exponent is the dimension: the slope, through the origin, of
    -log(1 - F) against its logarithm, with the largest tenth of the ratios left out as in the paper. Images that stand
    twice (:data:`SMALLEST_DISTANCE`) are left out.
    """
    different = first > SMALLEST_DISTANCE
    ratios = np.sort(np.log(second[different] / first[different]))
    share = np.arange(1, len(ratios) + 1) / max(len(ratios), 1)
    kept = int(0.9 * len(ratios))
    x, y = ratios[:kept], -np.log1p(-share[:kept])
    return float((x @ y) / (x @ x)) if kept and (x @ x) > 0 else np.nan


def nearest_within(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Per vector, its k nearest others: positions ``(n, k)`` and cosine similarities ``(n, k)``, best first."""
    unit = _unit(vectors)
    positions, similarities = [], []
    for start in range(0, len(unit), ROWS_PER_BLOCK):
        block = unit[start : start + ROWS_PER_BLOCK] @ unit.T
        rows = np.arange(len(block))
        block[rows, start + rows] = -np.inf
        best = _top(block, k)
        positions.append(best)
        similarities.append(np.take_along_axis(block, best, axis=1))
    return np.concatenate(positions), np.concatenate(similarities)


# --- hubness --------------------------------------------------------------------------------------------------------


def occurrences(neighbors: np.ndarray, index_images: int) -> np.ndarray:
    """k-occurrence ``(n,)``: how often each index image, a position, stands in the ``neighbors`` (any shape)."""
    return np.bincount(neighbors.ravel(), minlength=index_images)


def skewness(counts: np.ndarray) -> float:
    """Third standardised moment of the k-occurrences: hubness (Radovanovic et al., JMLR 2010). NaN where all are equal."""
    centered = counts - counts.mean()
    spread = (centered**2).mean()
    return float((centered**3).mean() / spread**1.5) if spread > 0 else np.nan


def skewness_by_chance(queries: int, index_images: int, k: int) -> float:
    """The skewness of k-occurrences where each query draws its k neighbors at random: that of a binomial law."""
    p = k / index_images
    return float((1 - 2 * p) / np.sqrt(queries * p * (1 - p))) if 0 < p < 1 and queries else np.nan


def anti_hubs_by_chance(queries: int, index_images: int, k: int) -> float:
    """The share of index images that no query finds where each draws its k neighbors at random."""
    return float((1 - k / index_images) ** queries)


def remedies(queries: np.ndarray, index: np.ndarray, k: int = NEIGHBORS) -> dict[str, np.ndarray]:
    """Similarities ``(q, n)`` of query and index vectors, plain and by each known remedy for hubs.

    What a remedy has to know it takes from the index alone, never from other queries:

    - ``none``: the cosine similarity s;
    - ``centering``: s after the mean of the index is taken off (Suzuki et al., EMNLP 2013);
    - ``local_scaling``: -d^2 / (sigma_q sigma_x), sigma the distance to the k-th neighbor (Zelnik-Manor & Perona, 2004);
    - ``mutual_proximity``: log F_q(s) + log F_x(s), F the normal law of an image's similarities to the index (Schnitzer et
      al., JMLR 2012, Gaussian and independent);
    - ``csls``: 2 s - r_q - r_x, r the mean similarity to the k nearest (Conneau et al., ICLR 2018).

    With a single index image there is nothing to learn from: only ``none``.
    """
    queries, index = _unit(queries), _unit(index)
    similarity = queries @ index.T
    if len(index) < 2:
        return {"none": similarity}
    k = min(k, len(index) - 1)
    mean, outer = index.mean(axis=0), index.T @ index / len(index)
    near_query = np.take_along_axis(similarity, _top(similarity, k), axis=1)
    near_index = nearest_within(index, k)[1]
    centered = _unit(queries - mean) @ _unit(index - mean).T
    scale = [np.sqrt(np.maximum(2 - 2 * near[:, -1], SMALLEST_DISTANCE**2)) for near in (near_query, near_index)]
    laws = []
    for vectors in (queries, index):
        center = vectors @ mean
        spread = np.sqrt(np.maximum(np.einsum("nd,nd->n", vectors @ outer, vectors) - center**2, 1e-12))
        laws.append((center, spread))
    (query_center, query_spread), (index_center, index_spread) = laws
    return {
        "none": similarity,
        "centering": centered,
        "local_scaling": (2 * similarity - 2) / (scale[0][:, None] * scale[1]),
        "mutual_proximity": log_ndtr((similarity - query_center[:, None]) / query_spread[:, None])
        + log_ndtr((similarity - index_center) / index_spread),
        "csls": 2 * similarity - near_query.mean(axis=1)[:, None] - near_index.mean(axis=1),
    }


def hubness_of_remedies(
    queries: np.ndarray, query_labels: np.ndarray, index: np.ndarray, index_labels: np.ndarray, k: int = NEIGHBORS
) -> pd.DataFrame:
    """P@1, skewness and share of anti-hubs by each of :func:`remedies`, one row each; queries without a relevant image
    stand in no P@1.
    """
    answerable = np.isin(query_labels, index_labels)
    rows = []
    for name, similarity in remedies(queries, index, k).items():
        found = _top(similarity, min(k, len(index)))
        counts = occurrences(found, len(index))
        right = (index_labels[found[:, 0]] == query_labels)[answerable]
        rows.append(
            {
                "remedy": name,
                "precision_at_1": float(right.mean()) if len(right) else np.nan,
                "skewness": skewness(counts),
                "anti_hubs": float((counts == 0).mean()),
                "queries": int(answerable.sum()),
                "index_images": len(index),
            }
        )
    return pd.DataFrame(rows)


# --- tables ---------------------------------------------------------------------------------------------------------


def sample(ids: np.ndarray, size: int) -> np.ndarray:
    """The ``size`` smallest ids: a random draw, since ids are digests."""
    return np.sort(ids)[:size]


def describe(
    catalog: pd.DataFrame,
    paths: Sequence[str | Path],
    index_split: str,
    query_splits: Sequence[str],
    hoods: Iterable[tuple[str, str, Neighborhood]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The measures of one model's space (:func:`space_table`, and :func:`hubness_table` per query split), and what
    remedies do to its hubs (:func:`hubness_of_remedies` per query split).

    ``catalog`` is the pooled catalog, ``paths`` are the model's embedding files, ``hoods`` its neighborhoods.
    """
    index = catalog[(catalog["split"] == index_split) & catalog["label"].notna()]
    index_ids = index["id"].to_numpy(np.int64)
    label = pd.Series(codes(catalog["label"])[0], index=catalog["id"].to_numpy(np.int64))

    def blocks() -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return embeddings.blocks(paths, index_ids)

    embedded = np.concatenate([ids for ids, _ in blocks()] or [np.empty(0, dtype=np.int64)])
    drawn_ids, drawn = embeddings.read(paths, sample(embedded, INDEX_SAMPLE))
    space = [space_table(blocks, index, embeddings.dimension(paths), drawn).assign(query_split="")]
    remedied = []
    for _, split, hood in hoods:
        space.append(hubness_table(hood).assign(query_split=split))
        asked = catalog["id"].to_numpy(np.int64)[hood.queries]
        query_ids, queries = embeddings.read(paths, sample(asked, QUERY_SAMPLE))
        table = hubness_of_remedies(queries, label.loc[query_ids].to_numpy(), drawn, label.loc[drawn_ids].to_numpy())
        remedied.append(table.assign(query_split=split))
    return pd.concat(space, ignore_index=True), pd.concat(remedied, ignore_index=True)


def space_table(blocks: Blocks, catalog: pd.DataFrame, dimension: int, drawn: np.ndarray) -> pd.DataFrame:
    """Every measure of the index images' vectors: columns measure, level, value, images.

    ``catalog`` has a row per index image (id, modality, region, label), ``drawn`` ``(s, d)`` are the vectors of the sample
    for measures over pairs.
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
            rows.append(("silhouette", level, silhouette(blocks, groups, counts, sums), int(counts.sum())))
        rows.append(("alignment", level, alignment(counts, sums), int(counts.sum())))
    few = drawn[:UNIFORMITY_SAMPLE]
    rows.append(("uniformity", "", uniformity(few), len(few)))
    if len(drawn) > 2:
        unit = _unit(drawn)
        nearest, _ = nearest_within(unit, 2)
        first, second = (np.linalg.norm(unit - unit[nearest[:, place]], axis=1) for place in (0, 1))
        rows.append(("intrinsic_dimension", "", two_nn(first, second), len(drawn)))
    return pd.DataFrame(rows, columns=["measure", "level", "value", "images"])


def hubness_table(hood: Neighborhood, k: int = NEIGHBORS) -> pd.DataFrame:
    """Hubness of the first k neighbors in a neighbor table, beside what chance gives: measure, level, value, images."""
    lengths = np.diff(hood.offsets)
    rank = np.arange(len(hood.neighbors)) - np.repeat(hood.offsets[:-1], lengths)
    size = len(hood.index)
    counts = occurrences(np.searchsorted(hood.index, hood.neighbors[rank < k]), size)
    k = min(k, size)
    values: Mapping[str, float] = {
        "hubness_skewness": skewness(counts),
        "hubness_skewness_by_chance": skewness_by_chance(len(hood.queries), size, k),
        "anti_hubs": float((counts == 0).mean()),
        "anti_hubs_by_chance": anti_hubs_by_chance(len(hood.queries), size, k),
        "largest_hub": float(counts.max(initial=0) / max(len(hood.queries), 1)),
    }
    rows = [(measure, "", value, size) for measure, value in values.items()]
    return pd.DataFrame(rows, columns=["measure", "level", "value", "images"])


def _unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors in double precision at length one; one of length zero stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _top(values: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k largest values of each row, largest first, ties by column."""
    k = min(k, values.shape[1])
    best = np.sort(np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(values, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)
