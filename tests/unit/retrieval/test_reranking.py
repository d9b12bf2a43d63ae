"""Neighbors in another order, against naive versions in plain loops."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
import pytest

from radcbir.retrieval.neighbor_table import Queries, table_of
from radcbir.retrieval.reranking.graph import graph_table, read_graph
from radcbir.retrieval.reranking.rerank import rerank

SETTINGS = {
    "query_expansion": {"neighbors": 4, "alpha": 3},
    "database_augmentation": {"neighbors": 4, "alpha": 2},
    "k_reciprocal": {"neighbors": 8, "expansion": 3, "weight": 0.3},
    "diffusion": {"neighbors": 6, "alpha": 3, "reach": 0.9},
}
K = 25


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


class Small:
    """60 index images and 15 queries; queries 0 to 4 share their patients with index images."""

    def __init__(self, seed=0):
        random = np.random.default_rng(seed)
        centers = random.normal(size=(6, 12))
        kinds = random.integers(0, 6, 75)
        vectors = unit(centers[kinds] + random.normal(0, 0.6, (75, 12)))
        self.ids = random.permutation(60) + 100
        self.index, self.asked = vectors[:60], vectors[60:]
        self.patients = np.array([f"p{place // 3}" for place in range(60)], dtype=object)
        self.asking = np.array([f"p{place}" if place < 5 else None for place in range(15)], object)
        self.queries = Queries(
            np.arange(15), self.asked, K, self.asking, pd.Series(self.patients, self.ids)
        )
        cosines = self.asked @ self.index.T
        self.order = np.argsort(-cosines, axis=1, kind="stable")
        self.found = table_of(
            lambda block, depth: (
                self.order[block, :depth],
                np.take_along_axis(cosines[block], self.order[block, :depth], axis=1),
            ),
            self.ids,
            self.queries,
        )

    def own(self, query):
        return self.patients == self.asking[query] if self.asking[query] else np.zeros(60, bool)

    def others(self, query):
        """All index images of other patients, best first."""
        return [place for place in self.order[query] if not self.own(query)[place]]

    def near(self, place, k):
        """The first k neighbors of an index image within the index."""
        cosines = self.index.astype(float) @ self.index[place]
        cosines[place] = -np.inf
        return list(np.argsort(-cosines, kind="stable")[:k])

    def candidates(self, query):
        listed = self.found.to_pandas().query("query == @query")["neighbor"]
        return [int(np.flatnonzero(self.ids == each)[0]) for each in listed]


def reranked(way):
    small = Small()
    graph = read_graph(graph_table(small.ids, small.index, 8).to_pandas(), small.ids)
    return rerank(
        {"by": way, **SETTINGS[way]},
        small.found,
        small.queries,
        (small.ids, small.index),
        graph if way != "query_expansion" else None,
    )


@pytest.fixture(scope="module")
def apart():
    """Run a function in a process that holds FAISS alone: other tests import torch into this
    one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


@pytest.fixture(scope="module")
def small():
    return Small()


def naive_query_expansion(small, query):
    settings = SETTINGS["query_expansion"]
    total = small.asked[query].astype(float)
    for place in small.others(query)[: settings["neighbors"]]:
        cosine = float(small.asked[query] @ small.index[place])
        total = total + max(cosine, 0) ** settings["alpha"] * small.index[place]
    return small.index @ unit(total)


def naive_database_augmentation(small, query):
    settings, changed = SETTINGS["database_augmentation"], []
    asking = {each for each in small.asking if each}
    for place in range(60):
        total = small.index[place].astype(float)
        for other in small.near(place, settings["neighbors"]):
            if small.patients[other] not in asking:
                cosine = float(small.index[place] @ small.index[other])
                total = total + max(cosine, 0) ** settings["alpha"] * small.index[other]
        changed.append(unit(total))
    return np.array(changed) @ small.asked[query]


def naive_k_reciprocal(small, query):
    settings = SETTINGS["k_reciprocal"]
    k, near = settings["neighbors"], settings["expansion"]

    def mutual(place, count):
        return {place} | {
            other for other in small.near(place, count) if place in small.near(other, count)
        }

    def taken_in(reciprocal):
        found = set(reciprocal)
        for other in reciprocal:
            half = mutual(other, count=k // 2)
            if len(half & reciprocal) >= 2 / 3 * len(half):
                found |= half
        return found

    def weights(vector, places):
        found = np.zeros(60)
        for place in places:
            found[place] = np.exp(-(1 - float(vector @ small.index[place])))
        return found / found.sum() if places else found

    def of_image(place):
        return weights(small.index[place], taken_in(mutual(place, k)))

    def averaged(place):
        return np.mean([of_image(each) for each in [place, *small.near(place, near - 1)]], axis=0)

    others = small.others(query)
    reciprocal = {
        place
        for place in others[:k]
        if small.asked[query] @ small.index[place]
        >= small.index[small.near(place, k)[-1]] @ small.index[place] - 1e-7
    }
    mine = np.mean(
        [weights(small.asked[query], taken_in(reciprocal)), *map(averaged, others[: near - 1])],
        axis=0,
    )
    mine[small.own(query)] = 0
    found = np.full(60, -np.inf)
    for place in small.candidates(query):
        theirs = averaged(place)
        jaccard = 1 - np.minimum(mine, theirs).sum() / np.maximum(mine, theirs).sum()
        cosine = float(small.asked[query] @ small.index[place])
        found[place] = 1 - (0.7 * jaccard + 0.3 * (1 - cosine))
    return found


def naive_diffusion(small, query):
    """By the sum of the series, walk by walk."""
    settings, listed = SETTINGS["diffusion"], small.candidates(query)
    k, own = settings["neighbors"], small.own(query)
    affinity = np.zeros((60, 60))
    for one in listed:
        for other in listed:
            if not own[other] and other in small.near(one, k) and one in small.near(other, k):
                cosine = float(small.index[one] @ small.index[other])
                affinity[one, other] = max(cosine, 0) ** settings["alpha"]
    sums = affinity.sum(axis=1)
    spread = np.zeros((60, 60))
    for one, other in zip(*np.nonzero(affinity * sums), strict=True):
        spread[one, other] = affinity[one, other] / np.sqrt(sums[one] * sums[other])
    start = np.zeros(60)
    for place in listed:
        before = [each for each in listed[: listed.index(place)] if not own[each]]
        if len(before) < k:
            start[place] = max(float(small.asked[query] @ small.index[place]), 0) ** 3
    found, walk = start.copy(), start.copy()
    for _ in range(400):
        walk = settings["reach"] * spread @ walk
        found += walk
    return np.where(np.isin(np.arange(60), listed), found, -np.inf)


@pytest.mark.parametrize("way", SETTINGS)
def test_the_new_order_is_that_of_the_naive_version(apart, small, way):
    table, took = apart(reranked, way)
    assert took["queries"] == 15 and took["milliseconds_per_query"] > 0
    rows = table.to_pandas()
    assert table.schema.metadata[b"score"].decode() == way
    moved = 0
    for query in range(15):
        expected = globals()[f"naive_{way}"](small, query)
        found = rows[rows["query"] == query]
        places = [int(np.flatnonzero(small.ids == each)[0]) for each in found["neighbor"]]
        np.testing.assert_allclose(found["score"], expected[places], atol=2e-5)
        assert (np.diff(found["score"]) <= 0).all() and len(set(places)) == len(places)
        left = np.setdiff1d(np.flatnonzero(np.isfinite(expected)), places)
        assert not len(left) or expected[left].max() <= found["score"].iloc[-1] + 2e-5
        assert found["rank"].tolist() == list(range(1, len(found) + 1))
        np.testing.assert_array_equal(found["same_patient"], small.own(query)[places])
        assert (~found["same_patient"]).sum() >= K
        moved += places != small.candidates(query)[: len(places)]
    assert moved > 10, "hardly a list has another order"


def noisy_kinds(way):
    """mAP before and after, of 80 queries and 320 index images of eight kinds with much noise."""
    random = np.random.default_rng(0)
    centers, kinds = random.normal(size=(8, 64)), np.arange(400) % 8
    vectors = unit(centers[kinds] + random.normal(0, 1.6, (400, 64)))
    index, asked, ids = vectors[:320], vectors[320:], np.arange(320)
    queries = Queries(np.arange(80) + 1000, asked, 100)
    cosines = asked @ index.T
    order = np.argsort(-cosines, axis=1, kind="stable")
    near = np.take_along_axis(cosines, order, axis=1)
    found = table_of(lambda rows, depth: (order[rows, :depth], near[rows, :depth]), ids, queries)
    graph = read_graph(graph_table(ids, index, 15).to_pandas(), ids)
    settings = SETTINGS[way] | {"neighbors": 15}
    table, _ = rerank({"by": way, **settings}, found, queries, (ids, index), graph)

    def mean_average_precision(table):
        right = kinds[table["neighbor"].to_numpy().reshape(80, 100)] == kinds[320:, None]
        precision = np.cumsum(right, axis=1) / np.arange(1, 101)
        return float((right * precision).sum() / (80 * 40))

    return mean_average_precision(found), mean_average_precision(table)


@pytest.mark.parametrize("way", SETTINGS)
def test_noise_around_eight_kinds_is_averaged_away(apart, way):
    """Where neighbors are mostly right, what they have in common finds the rest of their kind."""
    before, after = apart(noisy_kinds, way)
    assert after > before + 0.05, (before, after)


def twins():
    return read_graph(
        graph_table(np.arange(30), unit(np.ones((30, 4))), 5).to_pandas(), np.arange(30)
    )


def test_a_graph_leaves_each_image_out_of_its_own_list_even_among_twins(apart):
    graph = apart(twins)
    assert graph.places.shape == (30, 5)
    assert not (graph.places == np.arange(30)[:, None]).any()


def few(images):
    """Of an index of so many images: the shape of its graph, and how long all lists are."""
    ids = np.arange(images) + 7
    vectors = unit(np.random.default_rng(0).normal(size=(images, 4)))
    graph = read_graph(graph_table(ids, vectors, 8).to_pandas(), ids)
    queries = Queries(np.array([1, 2]), vectors[[0, -1]], 3)
    order = np.argsort(-(queries.vectors @ vectors.T), axis=1)
    near = np.take_along_axis(queries.vectors @ vectors.T, order, axis=1)
    found = table_of(lambda rows, depth: (order[rows, :depth], near[rows, :depth]), ids, queries)
    rows = [
        rerank({"by": way, **settings}, found, queries, (ids, vectors), graph)[0].num_rows
        for way, settings in SETTINGS.items()
    ]
    return graph.places.shape, rows


@pytest.mark.parametrize("images", [1, 2, 5])
def test_a_small_index_has_short_lists(apart, images):
    shape, rows = apart(few, images)
    assert shape == (images, min(8, images - 1))
    assert rows == [2 * min(3, images)] * len(SETTINGS)
