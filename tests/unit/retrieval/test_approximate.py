"""Approximate indexes against the exact one: what they find, that nothing is lost or made up, and
the same every time."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from radcbir.core.errors import InputError
from radcbir.retrieval import approximate, index_file
from radcbir.retrieval.exact import neighbor_table
from radcbir.retrieval.index_settings import (
    BUILDING,
    approximate_note,
    building,
    check_index_settings,
    searching,
)
from radcbir.retrieval.neighbor_table import Queries

KINDS = [kind for kind in BUILDING if kind != "flat"]


@pytest.fixture(scope="module")
def apart():
    """Run a function in a process that holds FAISS alone: other tests import torch into this
    one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def data(count=600, dimension=32, queries=40, seed=0):
    """Vectors in clusters of about six, so that neighbors mean something, their ids in no order,
    and queries near them."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((count // 6, dimension))
    vectors = centers[rng.integers(len(centers), size=count)] + 0.5 * rng.standard_normal(
        (count, dimension)
    )
    asked = vectors[:queries] + 0.2 * rng.standard_normal((queries, dimension))
    ids = rng.permutation(count) * 7 + 3
    return ids, *(
        (each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32)
        for each in (vectors, asked)
    )


def tables(folder, settings, k, threads=2, size=600, patients=False):
    """The exact and the approximate table of neighbors, as data frames, and the bytes of the
    approximate index."""
    import faiss

    faiss.omp_set_num_threads(threads)
    ids, vectors, queries = data(size)
    asked = (np.arange(10_000, 10_000 + len(queries)), queries, k)
    if patients:
        index_patients = {identity: f"p{place % 30}" for place, identity in enumerate(ids)}
        asked = (
            *asked,
            np.array([f"p{place % 30}" for place in range(len(queries))], dtype=object),
            index_patients,
        )
    index_file.build_index(folder / "exact.faiss", [(ids, vectors)], vectors.shape[1])
    exact = neighbor_table(index_file.read_index(folder / "exact.faiss"), Queries(*asked))
    path = folder / "approximate.faiss"
    halves = [(ids[:100], vectors[:100]), (ids[100:], vectors[100:])]
    approximate.build_approximate_index(path, halves, vectors.shape[1], building(settings))
    order = np.argsort(ids)
    found = approximate.approximate_neighbor_table(
        path, searching(settings), ids[order], vectors[order], Queries(*asked)
    )
    return (
        exact.to_pandas(),
        found.to_pandas(),
        path.read_bytes(),
        found.schema.metadata[b"index"].decode(),
    )


ALL_OF_IT = {
    "ivf": {"nlist": 10, "nprobe": 10},
    "hnsw": {"ef_search": 600},
    "sq8": {"refine": 600},
    "pq": {"refine": 600},
    "ivf_pq": {"nlist": 10, "nprobe": 10, "refine": 600},
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_that_looks_at_every_image_is_exact(apart, tmp_path, kind):
    """With all lists, a graph search as wide as the index, or every image refined: the exact table,
    ties and all."""
    exact, found, _, _ = apart(tables, tmp_path, {"type": kind} | ALL_OF_IT[kind], 20, 2, 600, True)
    assert exact["same_patient"].any()
    assert found.drop(columns="score").equals(exact.drop(columns="score"))
    np.testing.assert_allclose(found["score"], exact["score"], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_full_and_scores_are_exact_however_little_is_searched(apart, tmp_path, kind):
    """Even one list of ten holds too few images for k = 100: such a query is compared with all of
    them."""
    little = {"ivf": {"nlist": 10, "nprobe": 1}, "ivf_pq": {"nlist": 10, "nprobe": 1}}.get(kind, {})
    _, found, _, _ = apart(tables, tmp_path, {"type": kind} | little, 100)
    assert found.groupby("query").size().eq(100).all()
    assert not found.duplicated(["query", "neighbor"]).any()
    ids, vectors, queries = data()
    place = {identity: row for row, identity in enumerate(ids)}
    rows = [place[each] for each in found["neighbor"]]  # a KeyError if -1 had become an id
    expected = np.einsum(
        "nd,nd->n", vectors[rows].astype(float), queries[found["query"] - 10_000].astype(float)
    )
    np.testing.assert_allclose(found["score"], expected, atol=1e-7)
    assert (
        found.groupby("query")["score"].apply(lambda scores: scores.is_monotonic_decreasing).all()
    )


def test_a_narrow_search_misses_some_and_a_wide_one_fewer(apart, tmp_path):
    shares = []
    for nprobe in (1, 3, 15):
        exact, found, _, _ = apart(
            tables, tmp_path, {"type": "ivf", "nlist": 15, "nprobe": nprobe}, 5
        )
        both = exact.merge(found, on=["query", "neighbor"])
        shares.append(len(both) / len(exact))
    assert shares[0] < shares[1] < shares[2] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_neither_the_index_nor_the_neighbors(apart, tmp_path, kind):
    one, two = (apart(tables, tmp_path, {"type": kind}, 10, threads) for threads in (1, 2))
    assert one[2] == two[2], "the same vectors make the same index file"
    assert one[1].equals(two[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_handful_of_images_makes_an_index(apart, tmp_path, kind):
    """k beyond the index, too few images to train lists or centroids: clamped, not refused."""
    exact, found, _, said = apart(tables, tmp_path, {"type": kind}, 50, 2, 101)
    assert found.groupby("query").size().eq(50).all()
    assert said.startswith(f"type={kind}")
    exact, found, _, _ = apart(tables, tmp_path, {"type": kind}, 500, 2, 101)
    assert found.drop(columns="score").equals(exact.drop(columns="score"))


def test_parameters_follow_the_size_of_the_index():
    assert approximate.resolve({"type": "ivf"}, 1_000_000, 512) == (
        {"type": "ivf", "nlist": 1000, "nprobe": 16},
        [],
    )
    parameters, notes = approximate.resolve({"type": "ivf"}, 400, 512)
    assert parameters == {"type": "ivf", "nlist": 10, "nprobe": 10}
    assert notes[0] == "nlist 20 became 10: 400 images, at least 39 per list"
    parameters, notes = approximate.resolve({"type": "pq"}, 24, 66)
    assert parameters == {"type": "pq", "bytes": 33, "centroid_bits": 4, "refine": 4}
    assert [note.split(" became")[0] for note in notes] == ["bytes 64", "centroid_bits 8"]
    assert approximate.resolve({"type": "hnsw", "links": 8}, 24, 66)[0]["links"] == 8


def mixed_up(folder):
    ids, vectors, _ = data()
    approximate.build_approximate_index(
        folder / "train.faiss", [(ids, vectors)], vectors.shape[1], {"type": "sq8"}
    )
    index = index_file.read_index(folder / "train.faiss", "IndexScalarQuantizer")
    approximate.ApproximateSearch(index, {"type": "sq8"}, ids + 1, vectors)


def test_an_index_of_other_images_or_of_another_kind_is_refused(apart, tmp_path):
    with pytest.raises(ValueError, match="holds other images"):
        apart(mixed_up, tmp_path)
    with pytest.raises(
        InputError, match=r"train\.faiss is of the kind IndexScalarQuantizer, not an exact"
    ):
        apart(index_file.read_index, tmp_path / "train.faiss")
    empty = [(np.empty(0, np.int64), np.empty((0, 4), np.float32))]
    with pytest.raises(InputError, match="index split 'val' has no embedded image"):
        apart(
            approximate.build_approximate_index, tmp_path / "val.faiss", empty, 4, {"type": "ivf"}
        )


def test_settings_say_what_builds_and_what_searches():
    settings = {"type": "ivf_pq", "nprobe": 4, "bytes": 32}
    check_index_settings(settings, "x")
    assert building(settings) == {"type": "ivf_pq", "bytes": 32}
    assert searching(settings) == {"type": "ivf_pq", "nprobe": 4}
    assert "approximate index (IVF-PQ: nprobe 4, bytes 32)" in approximate_note(settings)
    assert approximate_note({"type": "flat"}) == ""
    with pytest.raises(
        InputError,
        match="`nprobe`, which belongs to ivf and ivf_pq, to an index of type hnsw: take it",
    ):
        check_index_settings({"type": "hnsw", "nprobe": 4}, "my.yaml: `index`")


@pytest.mark.parametrize("candidates", [3, 60], ids=["gathered", "a product with all"])
def test_similarities_are_inner_products_in_double_precision(candidates):
    """Both ways give the same float32 numbers as one inner product after another."""
    random = np.random.default_rng(0)
    vectors, queries = (
        random.standard_normal((count, 700)).astype(np.float32) / 26 for count in (100, 250)
    )
    positions = random.integers(-1, 100, (250, candidates))
    expected = [
        [
            np.float32(query.astype(float) @ vectors[each].astype(float)) if each >= 0 else -np.inf
            for each in row
        ]
        for query, row in zip(queries, positions, strict=True)
    ]
    np.testing.assert_array_equal(approximate.similarities(vectors, queries, positions), expected)
