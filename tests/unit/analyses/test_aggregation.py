"""Ways to compare units: by hand, against plain Python, and in tables, figure and page."""

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from plain_aggregation import plain_scores

from radcbir.analyses import registry
from radcbir.analyses.aggregation import scores as module
from radcbir.analyses.aggregation.compute import aggregation
from radcbir.analyses.aggregation.scores import WAYS, Slices, scores_by_way
from radcbir.analyses.summary import Given, summarise
from radcbir.metrics.evaluation import evaluate
from radcbir.report.render import render
from radcbir.retrieval import fused


def at(*degrees):
    """Vectors of length one in the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def of(*units):
    """Units of slices at the given degrees."""
    sizes = [len(each) for each in units]
    return Slices(at(*chain.from_iterable(units)), np.cumsum([0, *sizes[:-1]]))


def all_scores(queries, index, own=None, near=module.NEAR):
    own = np.zeros((len(queries.starts), len(index.starts)), bool) if own is None else own
    parts = [each for _, each in scores_by_way(queries, index, own, near)]
    return {way: np.concatenate([each[way].score for each in parts]) for way in WAYS}


def cos(degrees):
    return np.cos(np.radians(degrees))


def test_scores_by_hand():
    """A query of slices at 0 and 90 degrees. A has slices at 0 and 60, B at 40, C at 180."""
    found = all_scores(of([0, 90]), of([0, 60], [40], [180]), near=2)
    # The slice at 0 finds A (0) and B (40), that at 90 finds A (60 is 30 away) and B (50 away).
    assert found["freq"].tolist() == [[2, 2, -np.inf]]
    np.testing.assert_allclose(found["max"], [[1, cos(40), -np.inf]], atol=1e-6)
    sums = [[1 + cos(30), cos(40) + cos(50), -np.inf]]
    np.testing.assert_allclose(found["sum"], sums, atol=1e-6)
    late = [[(1 + cos(30)) / 2, (cos(40) + cos(50)) / 2, (-1 + 0) / 2]]
    np.testing.assert_allclose(found["late_interaction"], late, atol=1e-6)
    # Means at 45, and at 30, 40 and 180.
    np.testing.assert_allclose(found["mean"], [[cos(15), cos(5), cos(135)]], atol=1e-6)
    fusion = [[1 / 62 + 1 / 61, 1 / 61 + 1 / 62, 2 / 63]]
    np.testing.assert_allclose(found["fusion"], fusion, atol=1e-12)


def test_ranks_are_fused_as_those_of_models():
    assert module.RANK_CONSTANT == fused.RANK_CONSTANT


def test_equal_numbers_of_near_slices_are_ordered_by_their_sum():
    [(_, found)] = scores_by_way(of([0]), of([30], [10], [90]), np.zeros((1, 3), bool), 2)
    assert found["freq"].score.tolist() == [[1, 1, -np.inf]]
    assert found["freq"].order().tolist() == [[1, 0, 2]]


def test_slices_of_the_own_patient_are_never_near():
    own = np.array([[True, False, False]])
    found = all_scores(of([0]), of([0, 1], [20], [50]), own, near=2)
    assert found["freq"].tolist() == [[-np.inf, 1, 1]]
    assert all(found[way][0, 0] == -np.inf for way in WAYS)
    np.testing.assert_allclose(found["fusion"][0, 1:], [2 / 61, 2 / 62])


@pytest.mark.parametrize("numbers", [1 << 25, 40])
def test_scores_are_those_of_plain_python(monkeypatch, numbers):
    """Units of 1 to 5 slices in 6 dimensions, in one block and in many."""
    monkeypatch.setattr(module, "NUMBERS_PER_BLOCK", numbers)
    monkeypatch.setattr(module, "UNITS_PER_BLOCK", 3)
    random = np.random.default_rng(0)

    def drawn(units):
        sizes = random.integers(1, 6, units)
        vectors = random.normal(size=(sizes.sum(), 6))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Slices(vectors.astype(np.float32), np.cumsum(sizes) - sizes)

    queries, index = drawn(8), drawn(9)
    lists = dict(enumerate(np.split(index.vectors, index.starts[1:])))
    found = all_scores(queries, index, near=4)
    for query, rows in enumerate(np.split(queries.vectors, queries.starts[1:])):
        for way, plain in plain_scores(list(rows), lists, near=4).items():
            values = [plain.get(unit, -np.inf) for unit in lists]
            if way == "freq":
                values = [each if each == -np.inf else each[0] for each in values]
            np.testing.assert_allclose(found[way][query], values, atol=1e-5, err_msg=way)


@pytest.fixture(scope="module")
def drawn():
    """60 units of 20 patients with 1 to 4 slices; units of a label lie around one direction."""
    random = np.random.default_rng(1)
    labels = np.arange(60) % 3
    catalog = pd.DataFrame(
        {
            "id": np.arange(60) + 100,
            "split": np.where(np.arange(60) < 36, "train", "test"),
            "label": np.array(["CT/a/x", "CT/a/y", "CT/b/z"])[labels],
            "modality": "CT",
            "region": np.array(["a", "a", "b"])[labels],
            "patient_id": [f"p{each % 20}" for each in range(60)],
        }
    )
    sizes = random.integers(1, 5, 60)
    centers = random.normal(size=(3, 8))
    vectors = np.repeat(centers[labels], sizes, axis=0) + random.normal(size=(sizes.sum(), 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return catalog, Slices(vectors.astype(np.float32), np.cumsum(sizes) - sizes)


def test_the_mean_has_the_figures_of_the_retrieval_metrics(drawn):
    """Patients are shared by the splits: their units are excluded in both."""
    catalog, slices = drawn
    ids = catalog["id"].to_numpy()
    table = aggregation(catalog, ids, slices, "train", ["test"], 36)
    index, asked = ids[:36], ids[36:]
    pooled = module.pooled_vectors(slices.vectors, slices.starts, "mean")
    order = np.argsort(-pooled[36:] @ pooled[:36].T, axis=1, kind="stable")
    neighbors = pd.DataFrame(
        {
            "query": np.repeat(asked, 36),
            "rank": np.tile(np.arange(1, 37), 24),
            "neighbor": index[order].ravel(),
        }
    )
    known = evaluate(neighbors, catalog, ids, "train", "test", 36).summary
    known = known[known["neighbors"] == "other_patients"]
    of_mean = table[table["way"] == "mean"].merge(known, on=["metric", "average"])
    assert len(of_mean) == 8
    np.testing.assert_allclose(of_mean["value_x"], of_mean["value_y"])
    assert (of_mean["queries_x"] == of_mean["queries_y"]).all()


def test_intervals_and_differences_hold_their_values(drawn):
    catalog, slices = drawn
    table = aggregation(catalog, catalog["id"].to_numpy(), slices, "train", ["test"], 36)
    assert len(table) == 7 * 4 * 2 and list(table["way"].unique()) == list(WAYS)
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"] + 1e-12).all()
    others = table[table["way"] != "mean"]
    base = table[table["way"] == "mean"].set_index(["metric", "average"])["value"]
    expected = (
        others["value"].to_numpy()
        - base.loc[list(zip(others["metric"], others["average"], strict=True))].to_numpy()
    )
    np.testing.assert_allclose(others["difference"], expected)
    assert (others["difference_low"] <= others["difference"]).all()
    assert table.loc[table["way"] == "mean", "difference"].isna().all()
    assert table["effective_patients"].iloc[0] == pytest.approx(24**2 / (4 * 4 + 16 * 1))


def test_units_with_several_labels_neither_ask_nor_are_found(drawn):
    catalog, slices = drawn
    some = catalog.copy()
    some.loc[[0, 40], "label"] = None
    table = aggregation(some, some["id"].to_numpy(), slices, "train", ["test"], 36)
    assert table["queries"].unique().tolist() == [23]
    assert table["index_units"].unique().tolist() == [35]


def test_figure_and_page_hold_the_numbers_of_the_table(drawn, tmp_path):
    catalog, slices = drawn
    table = aggregation(catalog, catalog["id"].to_numpy(), slices, "train", ["test"], 36)
    counts = tmp_path / "counts.csv"
    counts.write_text(
        "dataset,split,units,images,smallest,median,largest,mixed_labels,images_left_out\n"
        "ct,train,36,1234,1,2,4,5,6\n"
    )
    card = {"name": "Net", "loader": "timm"}
    given = Given(
        "volumes",
        {"net": card},
        {"aggregation": table.assign(model="net")},
        files={"counts": [str(counts)]},
    )
    made = summarise("aggregation", given)
    axis = made.figures["aggregation"].axes[0]
    drawn_at = {line.get_xdata()[0] for line in axis.get_lines() if len(line.get_xdata()) == 1}
    first = table[(table["metric"] == "precision_at_1") & (table["average"] == "micro")]
    assert drawn_at == set(first["value"])
    assert [each.get_text() for each in axis.get_yticklabels()] == list(WAYS.values())[::-1]
    analysis = registry()["aggregation"]
    render(analysis.template, tmp_path / "page.html", **made.page)
    page = (tmp_path / "page.html").read_text()
    assert "1,234" in page and f"{first['value'].iloc[-1]:.3f}" in page
    assert all(name in page for name in WAYS.values())


def test_adapted_models_and_experiments_of_images_have_no_ways():
    project = SimpleNamespace(
        cards={"net": {"loader": "timm"}, "lda": {"loader": "adapted"}},
        experiments={"a": {"unit": "series"}, "b": {"unit": "image"}},
        searched_models=lambda experiment: ["net", "lda"],
    )
    analysis = registry()["aggregation"]
    assert analysis.models(project, "a") == ["net"]
    assert analysis.without(project, "a") == "" and "images are" in analysis.without(project, "b")
