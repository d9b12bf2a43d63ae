"""Recall, reductions and storage against hand-worked numbers, scikit-learn, and plain loops."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
import pytest
from figure_texts import figures_unfit_for_print
from sklearn.decomposition import PCA

from radcbir.analyses import variants
from radcbir.analyses.dimensions.compute import dimension_fidelity
from radcbir.analyses.index_fidelity.compute import index_fidelity
from radcbir.analyses.index_fidelity.figure import recall_against_speed
from radcbir.report.style import save
from radcbir.retrieval import reduction


@pytest.fixture(scope="module")
def apart():
    """Run a function in a process that holds FAISS alone: other tests import torch into this
    one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def unit(seed, count, dimension):
    """Unit vectors whose later dimensions vary less and less."""
    vectors = (
        np.random.default_rng(seed).standard_normal((count, dimension))
        / np.arange(1, dimension + 1) ** 0.7
    )
    vectors += 0.3
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


# --- recall
# ---------------------------------------------------------------------------------------------------------


def test_recall_by_hand():
    exact = np.array([[0.9, 0.8, 0.7], [0.9, 0.9, 0.5]])
    found = np.array([[0.8, 0.7, 0.1], [0.9, 0.5, -np.inf]])
    assert variants.recall(found, exact, 1) == 0.5
    # query 1: 0.8 of {0.9, 0.8}; query 2: 0.9, and the other 0.9 was missed
    assert variants.recall(found, exact, 2) == 0.5
    # query 1: 0.8 and 0.7; query 2: 0.9 and 0.5, and the third was not found
    assert variants.recall(found, exact, 3) == pytest.approx(4 / 6)
    assert np.isnan(variants.recall(found, exact, 4)), "the index holds three images"


def test_a_tie_with_the_last_one_counts():
    assert variants.recall(np.array([[0.5]]), np.array([[0.5, 0.5]]), 1) == 1


def test_precision_of_variants_by_hand():
    labels = pd.Series({1: "a", 2: "b", 3: "z", 11: "a", 12: "a", 13: "b"})
    relevant = pd.Series({1: 2, 2: 1, 3: 0})  # nothing in the index answers query 3
    found = [("flat", 1, 1, 11), ("flat", 1, 2, 12), ("flat", 2, 1, 13), ("flat", 2, 2, 11), ("flat", 3, 1, 11),
             ("ivf", 1, 1, 13), ("ivf", 1, 2, 12), ("ivf", 3, 1, 13)]  # fmt: skip
    neighbors = pd.DataFrame(found, columns=["variant", "query", "rank", "neighbor"])
    table = variants.variant_precision(neighbors, labels, relevant, "flat").set_index("variant")
    assert table["queries"].tolist() == [2, 2]
    assert table["precision_at_1"].tolist() == [1.0, 0.0]
    # P@10, capped: query 1 has 1 of 2, query 2 found nothing at all
    assert table["precision_at_10"].tolist() == [1.0, 0.25]
    assert table["change_in_precision_at_10"].tolist() == [0.0, -0.75]


def test_queries_are_spread_evenly_and_taken_whole_where_there_are_few():
    ids, vectors = np.arange(10) * 10, np.arange(10)[:, None]
    few, kept = variants.sampled(ids, vectors, 4)
    assert few.tolist() == [0, 30, 60, 90] and kept[:, 0].tolist() == [0, 3, 6, 9]
    assert variants.sampled(ids, vectors, 10)[0].tolist() == ids.tolist()


# --- indexes and dimensions
# -----------------------------------------------------------------------------------------


def indexes(count, threads=1):
    import faiss

    faiss.omp_set_num_threads(threads)
    return index_fidelity(
        np.arange(count) + 500, unit(0, count, 24), np.arange(30), unit(1, 30, 24)
    )


def test_every_curve_reaches_the_exact_search_and_misses_are_misses(apart):
    table, neighbors, timings = apart(indexes, 500)
    ends = table.groupby("type").tail(1).set_index("type")
    assert ends["recall_at_10"].min() >= 0.99
    assert ends.loc["ivf", ["recall_at_1", "recall_at_10", "recall_at_100"]].tolist() == [1, 1, 1]
    assert (
        ends.loc["flat", "bytes_per_vector"] == 4 * 24
        and ends.loc["sq8", "bytes_per_vector"] < 2 * 24
    )
    narrow = table.set_index("variant").loc["ivf nprobe=1"]
    assert narrow["recall_at_100"] < 0.9, "one list of 12 holds no hundred"
    assert narrow["clamped"] == "nlist 22 became 12: 500 images, at least 39 per list"
    assert (neighbors["neighbor"] >= 500).all()
    # recall once more, from the neighbors themselves
    exact = neighbors[neighbors["variant"] == "flat"]
    for variant in ("ivf nprobe=1", "pq refine=1"):
        both = exact.merge(neighbors[neighbors["variant"] == variant], on=["query", "neighbor"])
        assert len(both) / len(exact) == pytest.approx(
            table.set_index("variant").loc[variant, "recall_at_10"]
        )
    assert (
        timings["variant"].tolist() == table["variant"].tolist()
        and (timings["queries_per_second"] > 0).all()
    )


def test_threads_change_no_figure(apart):
    one, two = apart(indexes, 300, 1), apart(indexes, 300, 2)
    assert one[0].equals(two[0]) and one[1].equals(two[1])


def test_a_handful_of_images(apart):
    table, _, _ = apart(indexes, 6)
    assert table["recall_at_1"].notna().all() and table["recall_at_10"].isna().all()


def few_dimensions(count, dimension):
    vectors, queries = unit(0, count, dimension), unit(1, 20, dimension)
    return dimension_fidelity(np.arange(count) + 500, vectors, np.arange(20), queries)


def test_reductions_lose_what_they_should(apart):
    table, neighbors = apart(few_dimensions, 300, 40)
    table = table.set_index("variant")
    assert table.loc["none 40 float32", ["bytes_per_vector", "overlap_at_10"]].tolist() == [160, 1]
    assert (
        table.loc["none 40 float16", "bytes_per_vector"] == 80
        and table.loc["none 40 float16", "overlap_at_10"] > 0.99
    )
    assert table.loc["none 40 binary", "bytes_per_vector"] == 5
    assert table.loc["none 40 int8", "overlap_at_10"] > table.loc["none 40 binary", "overlap_at_10"]
    # all components are a rotation of the centered vectors: the same neighbors
    assert table.loc["pca 40 float32", "explained_variance"] == pytest.approx(1)
    kept = {
        variant: rows.drop(columns="variant").reset_index(drop=True)
        for variant, rows in neighbors.groupby("variant")
    }
    assert kept["pca 40 float32"].equals(kept["centered 40 float32"])
    # cut to 16 dimensions, by a loop
    vectors, queries = unit(0, 300, 40)[:, :16].astype(float), unit(1, 20, 40)[:, :16].astype(float)
    for query in range(20):
        scores = vectors @ queries[query] / np.linalg.norm(vectors, axis=1)
        cut = kept["cut 16 float32"]
        assert (
            cut.loc[cut["query"] == query, "neighbor"].tolist()
            == (np.argsort(-scores)[:10] + 500).tolist()
        )


def test_fewer_images_than_dimensions_have_fewer_components(apart):
    table, _ = apart(few_dimensions, 12, 40)
    assert table.loc[table["method"] == "pca", "dimension"].max() == 11
    table, _ = apart(few_dimensions, 1, 40)
    assert set(table["method"]) == {"none"}


@pytest.mark.parametrize("whiten", [False, True])
def test_principal_components_are_those_of_scikit_learn(whiten):
    vectors, others = unit(2, 200, 30).astype(np.float64), unit(3, 50, 30).astype(np.float64)
    expected = PCA(10, whiten=whiten, svd_solver="full").fit(vectors)
    ours = reduction.principal_components(vectors)
    np.testing.assert_allclose(ours.variances[:10], expected.explained_variance_, rtol=1e-9)
    signs = np.sign((ours.components[:10] * expected.components_).sum(axis=1))
    np.testing.assert_allclose(
        ours.transform(others, 10, whiten), expected.transform(others) * signs, atol=2e-6
    )
    with pytest.raises(ValueError, match="31 components are wanted, there are 30"):
        ours.transform(others, 31)


def test_storage_by_hand():
    vectors = np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    binary = reduction.stored(vectors, "binary") * np.sqrt(2)
    np.testing.assert_allclose(
        binary, [[-1, 1], [1, -1], [1, 1]], atol=1e-6
    )  # the means are 0.53 and 0.6
    np.testing.assert_allclose(
        reduction.stored(vectors, "int8")[2], [153 / 255, 204 / 255], atol=1e-6
    )
    assert reduction.unit_rows(np.zeros((1, 2))).tolist() == [[0, 0]]
    assert [reduction.bytes_per_vector(20, each) for each in reduction.STORAGE_BITS] == [
        80,
        40,
        20,
        3,
    ]


def test_figures_hold_the_numbers_and_are_the_same_bytes_twice(tmp_path):
    table = pd.DataFrame(
        [
            {"model": "net", "query_split": "test", "variant": name, "type": name.split()[0], "value": value, "recall_at_10": recall}
            for name, value, recall in (("flat", 0, 1.0), ("ivf nprobe=2", 2, 0.9), ("ivf nprobe=1", 1, 0.7))
        ]
    )  # fmt: skip
    timings = table[["model", "query_split", "variant"]].assign(
        queries_per_second=[10.0, 30.0, 60.0]
    )
    for copy in ("a", "b"):
        figure = recall_against_speed(table, timings, {"net": "Net"}, "test")
        save(figure, tmp_path / f"{copy}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    lines = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].get_lines()}
    assert lines["IVF"] == [[60, 0.7], [30, 0.9]] and lines["exact"] == [[10, 1]]


@pytest.mark.parametrize(
    ("speeds", "marks"),
    [
        ([2100, 4800], ["3,000", "4,000"]),
        ([60, 190], ["100"]),
        ([90, 7000], ["100", "300", "1,000", "3,000"]),
        ([90, 70000], ["100", "1,000", "10,000"]),
    ],
)
def test_speeds_close_to_each_other_are_marked_by_plain_numbers_too(tmp_path, speeds, marks):
    """matplotlib marks a short logarithmic axis with exponents of 4.55 points."""
    table = pd.DataFrame(
        {"model": "net", "query_split": "test", "variant": ["flat", "hnsw"], "type": ["flat", "hnsw"], "value": [0, 8], "recall_at_10": [1.0, 0.9]}
    )  # fmt: skip
    timings = table[["model", "query_split", "variant"]].assign(queries_per_second=speeds)
    figure = recall_against_speed(table, timings, {"net": "Net"}, "test")
    low, high = figure.axes[0].get_xlim()
    save(figure, tmp_path / "speeds.svg", tmp_path / "speeds.pdf")
    assert figures_unfit_for_print(tmp_path) == {}
    shown = [
        text.get_text()
        for place, text in zip(
            figure.axes[0].get_xticks(), figure.axes[0].get_xticklabels(), strict=True
        )
        if low <= place <= high
    ]
    assert set(marks) <= set(shown) and not [each for each in shown if "$" in each], shown


def test_one_bit_compares_queries_around_the_mean_of_the_index():
    """Embeddings in a narrow cone: what they have in common said nothing and outweighed the
    rest."""
    random = np.random.default_rng(3)
    vectors = 0.1 * random.standard_normal((400, 64)) + random.choice([-1, 1], 64)
    queries = reduction.unit_rows(vectors[:60] + 0.02 * random.standard_normal((60, 64)))
    vectors = reduction.unit_rows(vectors)
    kept = reduction.stored(vectors, "binary")
    signs = np.where(vectors > vectors.mean(axis=0), 1.0, -1.0)
    by_hand = (signs @ (queries - vectors.mean(axis=0)).T).argmax(axis=0)
    asked = reduction.compared(queries, vectors, "binary")
    found = (kept @ asked.T).argmax(axis=0)
    assert (found == by_hand).mean() == 1
    assert (found == np.arange(60)).mean() > 0.95
    assert ((kept @ queries.T).argmax(axis=0) == np.arange(60)).mean() < 0.8
    np.testing.assert_array_equal(reduction.compared(queries, vectors, "int8"), queries)
