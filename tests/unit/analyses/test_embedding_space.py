"""The shape of embedding spaces: against scikit-learn and scipy, by hand, and on manifolds whose
shape is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import silhouette_score

from radcbir.analyses.embedding_space import hubs
from radcbir.analyses.embedding_space.compute import (
    alignment,
    class_sums,
    mean_cosine,
    moments,
    rank_me,
    silhouette,
    two_nn,
    uniformity,
)
from radcbir.analyses.embedding_space.hubs import nearest_within
from radcbir.retrieval.joined import Neighborhood


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def in_blocks(vectors, ids, rows=7):
    return lambda: (
        (ids[start : start + rows], vectors[start : start + rows])
        for start in range(0, len(ids), rows)
    )


@pytest.fixture
def clusters():
    """120 unit vectors around five directions, the last cluster a single image; ids that are not
    row numbers."""
    rng = np.random.default_rng(7)
    label = np.append(np.arange(119) % 4, 4)
    vectors = unit(rng.normal(0, 1, (5, 16))[label] + rng.normal(0, 0.8, (120, 16))).astype(
        np.float32
    )
    ids = rng.permutation(1000)[:120]
    return vectors, label, ids


def test_silhouette_is_that_of_scikit_learn(clusters):
    vectors, label, ids = clusters
    blocks, groups = in_blocks(vectors, ids), pd.Series(label, index=ids)
    counts, sums = class_sums(blocks, groups, 5, 16)
    expected = silhouette_score(vectors.astype(np.float64), label, metric="cosine")
    assert silhouette(blocks, groups, counts, sums) == pytest.approx(expected, abs=1e-9)
    assert 0.1 < expected < 0.9


def test_silhouette_leaves_images_without_a_class_out_and_needs_two_classes(clusters):
    vectors, label, ids = clusters
    groups = pd.Series(np.where(label == 2, -1, label), index=ids)
    blocks = in_blocks(vectors, ids)
    counts, sums = class_sums(blocks, groups, 5, 16)
    kept = label != 2
    expected = silhouette_score(vectors[kept].astype(np.float64), label[kept], metric="cosine")
    assert silhouette(blocks, groups, counts, sums) == pytest.approx(expected, abs=1e-9)
    alone = pd.Series(0, index=ids)
    assert np.isnan(silhouette(blocks, alone, *class_sums(blocks, alone, 1, 16)))


def test_effective_rank_of_an_orthonormal_basis_and_of_one_direction():
    def rank(vectors):
        return rank_me(moments(in_blocks(vectors, np.arange(len(vectors))), vectors.shape[1])[2])

    assert rank(np.eye(12)) == pytest.approx(12)
    assert rank(np.tile(np.eye(12)[3], (40, 1))) == pytest.approx(1)
    # Singular values 2 and 1: shares 2/3 and 1/3.
    expected = np.exp(-(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3)))
    assert rank(np.eye(12)[[0, 0, 0, 0, 1]]) == pytest.approx(expected)


def test_effective_rank_equals_that_of_the_singular_values(clusters):
    vectors, _, ids = clusters
    singular = np.linalg.svd(vectors.astype(np.float64), compute_uv=False)
    expected = np.exp(stats.entropy(singular))
    assert rank_me(moments(in_blocks(vectors, ids), 16)[2]) == pytest.approx(expected, rel=1e-6)


def test_alignment_uniformity_and_mean_cosine_equal_a_count_over_pairs(clusters):
    vectors, label, ids = clusters
    blocks = in_blocks(vectors, ids)
    double = unit(vectors.astype(np.float64))
    one, other = np.triu_indices(120, 1)
    squared = ((double[one] - double[other]) ** 2).sum(axis=1)
    counts, sums = class_sums(blocks, pd.Series(label, index=ids), 5, 16)
    same = label[one] == label[other]
    assert alignment(counts, sums) == pytest.approx(squared[same].mean())
    assert uniformity(vectors) == pytest.approx(np.log(np.exp(-2 * squared).mean()))
    count, total, _ = moments(blocks, 16)
    assert mean_cosine(count, total) == pytest.approx(
        (double[one] * double[other]).sum(axis=1).mean()
    )


def test_alignment_and_uniformity_by_hand():
    # Two classes of two: identical ones, and opposite ones (squared distance 4): alignment 2.
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, -1.0]])
    counts, sums = class_sums(in_blocks(vectors, np.arange(4)), pd.Series([0, 0, 1, 1]), 2, 2)
    assert alignment(counts, sums) == pytest.approx(2)
    # Pairs: one at distance 0, four at squared distance 2, one at 4.
    assert uniformity(vectors) == pytest.approx(np.log((1 + 4 * np.exp(-4) + np.exp(-8)) / 6))
    assert np.isnan(alignment(np.array([1, 1]), np.eye(2)))


@pytest.mark.parametrize("dimension", [1, 3, 6])
def test_intrinsic_dimension_of_spheres_in_a_larger_space(dimension):
    rng = np.random.default_rng(dimension)
    turned = np.linalg.qr(rng.normal(size=(40, 40)))[0][: dimension + 1]
    vectors = unit(rng.normal(size=(3000, dimension + 1))) @ turned
    nearest, _ = nearest_within(vectors, 2)
    first, second = (
        np.linalg.norm(vectors - vectors[nearest[:, place]], axis=1) for place in (0, 1)
    )
    assert two_nn(first, second) == pytest.approx(dimension, rel=0.08)


def test_intrinsic_dimension_leaves_double_images_out():
    ratios = np.random.default_rng(0).pareto(4, 500) + 1
    doubled = two_nn(np.append(np.ones(500), np.zeros(50)), np.append(ratios, np.ones(50)))
    assert doubled == two_nn(np.ones(500), ratios)
    assert np.isnan(two_nn(np.zeros(3), np.ones(3)))


def test_hubness_is_the_skewness_of_scipy_and_chance_is_that_of_random_lists():
    rng = np.random.default_rng(3)
    random = np.array([rng.permutation(200)[:10] for _ in range(4000)])
    counts = hubs.occurrences(random, 200)
    assert hubs.skewness(counts) == pytest.approx(stats.skew(counts), rel=1e-12)
    assert hubs.skewness_by_chance(4000, 200, 10) == pytest.approx(
        stats.binom(4000, 10 / 200).stats("s"), rel=1e-9
    )
    assert hubs.anti_hubs_by_chance(30, 200, 10) == pytest.approx(stats.binom(30, 10 / 200).pmf(0))
    assert np.isnan(hubs.skewness(np.full(5, 3)))


def test_hubness_of_a_neighbor_table_by_hand():
    # Index rows 10, 20, 30, 40: the image at 20 is found by all three queries, the one at 40 by
    # none.
    hood = Neighborhood(
        np.array([0, 2, 4, 6]),
        np.array([1, 2, 3]),
        np.array([20, 10, 20, 30, 20, 10]),
        np.array([10, 20, 30, 40]),
    )
    values = hubs.hubness_table(hood, k=2).set_index("measure")["value"]
    assert values["hubness_skewness"] == pytest.approx(stats.skew([2, 3, 1, 0]))
    assert values["anti_hubs"] == 1 / 4
    assert values["largest_hub"] == 1
    values = hubs.hubness_table(hood, k=1).set_index("measure")["value"]
    assert values["hubness_skewness"] == pytest.approx(stats.skew([0, 3, 0, 0]))
    assert values["anti_hubs"] == 3 / 4


def test_remedies_equal_their_formulas_pair_by_pair():
    rng = np.random.default_rng(5)
    queries, index, k = unit(rng.normal(1, 1, (6, 5))), unit(rng.normal(1, 1, (30, 5))), 4
    found = hubs.remedies(queries, index, k)
    mean = index.mean(axis=0)
    for i, query in enumerate(queries):
        to_index = index @ query
        near_query = np.sort(to_index)[::-1][:k]
        for j, image in enumerate(index):
            others = np.delete(index @ image, j)
            near_image, s = np.sort(others)[::-1][:k], query @ image
            one, other = query - mean, image - mean
            assert found["none"][i, j] == pytest.approx(s)
            assert found["centering"][i, j] == pytest.approx(
                one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            )
            sigmas = np.sqrt(2 - 2 * near_query[-1]), np.sqrt(2 - 2 * near_image[-1])
            assert found["local_scaling"][i, j] == pytest.approx(-(2 - 2 * s) / np.prod(sigmas))
            assert found["csls"][i, j] == pytest.approx(
                2 * s - near_query.mean() - near_image.mean()
            )
            laws = [
                stats.norm((index @ each).mean(), (index @ each).std()) for each in (query, image)
            ]
            assert found["mutual_proximity"][i, j] == pytest.approx(
                sum(law.logcdf(s) for law in laws)
            )


def test_remedies_reduce_hubs_where_there_are_some():
    rng = np.random.default_rng(11)
    center = rng.normal(size=200)
    label = np.arange(400) % 20
    cloud = center + rng.normal(0, 1, (20, 200))[label] * 0.6 + rng.normal(0, 1, (400, 200))
    # One image in ten lies nearer to the center than it should: a hub.
    cloud[::10] = center + (cloud[::10] - center) * 0.6
    table = hubs.hubness_of_remedies(cloud[300:], label[300:], cloud[:300], label[:300]).set_index(
        "remedy"
    )
    assert table.loc["none", "skewness"] > 2
    for remedy in ("centering", "local_scaling", "mutual_proximity", "csls"):
        assert table.loc[remedy, "skewness"] < 0.7 * table.loc["none", "skewness"], remedy
        assert table.loc[remedy, "precision_at_1"] >= table.loc["none", "precision_at_1"], remedy
        assert table.loc[remedy, "anti_hubs"] < table.loc["none", "anti_hubs"], remedy


@pytest.mark.parametrize("index_images", [1, 2, 3])
def test_an_index_of_very_few_images(index_images):
    table = hubs.hubness_of_remedies(
        np.eye(4)[:2], np.array([0, 1]), np.eye(4)[:index_images], np.arange(index_images)
    )
    assert table["precision_at_1"].iloc[0] == 1
    assert table["remedy"].tolist() == (
        ["none"] if index_images == 1 else list(hubs.remedies(np.eye(4), np.eye(4)))
    )


def test_queries_without_a_class_in_the_index_stand_in_no_precision():
    vectors = np.eye(4)
    table = hubs.hubness_of_remedies(
        vectors[[0, 1]], np.array([0, 9]), vectors[1:] + vectors[0] / 9, np.array([0, 0, 1])
    )
    assert table["queries"].tolist() == [1] * 5
