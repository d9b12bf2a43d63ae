"""Figures of the analyses: they hold the numbers of their tables, and survive tables with little in
them."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from radcbir.analyses.index_size.figure import index_size_figure
from radcbir.analyses.levels.compute import evaluate_levels
from radcbir.analyses.levels.conditional import of_models
from radcbir.analyses.levels.figure import conditional_figure, levels_figure, outcomes_figure
from radcbir.analyses.order import best_first
from radcbir.analyses.summary import Given
from radcbir.analyses.uncertainty.compute import METRICS, bootstrap
from radcbir.analyses.uncertainty.figure import difference_matrix, forest_plot
from radcbir.cards.model_card import names_and_controls
from radcbir.metrics.chance_and_oracle import bounds
from radcbir.report.sections import figure as number
from radcbir.report.sections import section
from radcbir.report.style import model_styles, save

NAMES = {"net": "Net", "floor": "floor"}


@pytest.fixture(scope="module", params=["many patients", "one patient", "one model"])
def resampled(request):
    """Intervals, differences and ranks of two splits, their bounds, and the models' names."""
    random, ids = np.random.default_rng(0), np.arange(40)
    names = {"net": "Net"} if request.param == "one model" else NAMES
    patients = ids * 0 if request.param == "one patient" else ids // 2
    table = pd.DataFrame(
        {"query_split": np.where(ids < 20, "val", "test"), "neighbors": "all", "query": ids}
    )
    table = table.assign(label="CT/a/x", relevant_in_index=3)
    tables = {
        name: table.assign(**{metric: random.random(40) for metric in METRICS}) for name in names
    }
    catalog = table.rename(columns={"query": "id", "query_split": "split"}).assign(patient_id=None)
    index = pd.DataFrame(
        {
            "id": range(50, 60),
            "split": "train",
            "label": ["CT/a/x", "CT/a/y"] * 5,
            "patient_id": None,
        }
    )
    floor = bounds(pd.concat([catalog[index.columns], index]), "train", ["val", "test"], 10)
    return *bootstrap(tables, pd.Series(patients.astype(str), index=ids), 100, 0), floor, names


def test_the_forest_stands_in_the_order_of_the_first_metric(resampled):
    intervals, _, ranks, floor, names = resampled
    figure = forest_plot(intervals, ranks, floor, names, ["floor"])
    axis = figure.axes[0]
    here = intervals[
        (intervals["query_split"] == "val") & (intervals["metric"] == "precision_at_1")
    ]
    here = here[here["average"] == "micro"].sort_values("value")
    assert [each.get_text() for each in axis.get_yticklabels()] == [
        names[each] for each in here["model"]
    ]
    points = [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1]
    assert points == pytest.approx(here["value"].tolist())
    plt.close(figure)


def test_the_difference_matrix_is_row_minus_column(resampled):
    differences, names = resampled[1], resampled[4]
    figure = difference_matrix(differences, names, [])
    texts = [each.get_text() for each in figure.axes[0].texts]
    if len(names) == 1:
        assert texts == ["one model: nothing to compare"]
    else:
        value = (
            100
            * differences.query("query_split == 'val' and metric == 'precision_at_1'")[
                "difference"
            ].iloc[0]
        )
        assert texts == [f"{each:+.1f}".replace("-", "−") for each in (value, -value)]
    plt.close(figure)


@pytest.mark.parametrize(
    ("count", "panels_in_a_row", "numbers"), [(8, 2, 56), (20, 1, 380), (30, 1, 0)]
)
def test_numbers_in_the_difference_matrix_fit_their_cells(count, panels_in_a_row, numbers):
    names = {f"net{each:02d}": f"Net {each}" for each in range(count)}
    rows = [
        ("test", "all", "precision_at_1", average, one, other, -0.512, "undecided")
        for average in ("micro", "macro")
        for one, other in combinations(names, 2)
    ]
    columns = [
        "query_split",
        "neighbors",
        "metric",
        "average",
        "model",
        "other",
        "difference",
        "verdict",
    ]
    figure = difference_matrix(pd.DataFrame(rows, columns=columns), names, [])
    figure.draw_without_rendering()
    first, second = figure.axes[:2]
    beside = abs(first.get_position().y0 - second.get_position().y0) < 0.01
    assert beside == (panels_in_a_row == 2)
    assert len(first.texts) == numbers
    cell = first.get_window_extent().width / count
    assert all(each.get_window_extent().width < cell for each in first.texts)
    plt.close(figure)


@pytest.fixture(scope="module", params=["two findings", "one finding"])
def levelled(request):
    second = "CT/a/y" if request.param == "two findings" else "MR/b/z"
    labels = ["CT/a/x", second] * 6
    catalog = pd.DataFrame(
        {"id": range(12), "split": ["train"] * 8 + ["test"] * 4, "label": labels}
    )
    catalog = catalog.assign(patient_id=None, modality=None, region=None)
    rows = [(query, rank, rank - 1, 0.5) for query in range(8, 12) for rank in range(1, 4)]
    neighbors = pd.DataFrame(rows, columns=["query", "rank", "neighbor", "score"])
    tables = evaluate_levels(neighbors, catalog, np.arange(12), "train", "test", 3)
    values = tables.pop("per_query")
    patients = catalog.set_index("id")["patient_id"]
    return {"conditional": of_models(dict.fromkeys(NAMES, values), patients)} | {
        name: pd.concat([each.assign(model=model) for model in NAMES])
        for name, each in tables.items()
    }


def test_figures_of_levels_are_drawn_with_a_small_k_and_without_anything_to_ask(levelled, tmp_path):
    drawn = {
        "precision": levels_figure, "conditional": conditional_figure,
        "outcomes": outcomes_figure,
    }  # fmt: skip
    for name, draw in drawn.items():
        for copy in ("a", "b"):
            save(draw(levelled[name], NAMES, ["floor"]), tmp_path / f"{name}-{copy}.svg")
        assert (tmp_path / f"{name}-a.svg").read_bytes() == (
            tmp_path / f"{name}-b.svg"
        ).read_bytes()
    titles = [
        axis.get_title(loc="left") for axis in levels_figure(levelled["precision"], NAMES, []).axes
    ]
    assert titles == ["P@1, queries: test", "P@3, queries: test"]
    widths = [
        each.get_width()
        for each in outcomes_figure(levelled["outcomes"], NAMES, []).axes[0].patches
    ]
    assert sum(widths) == pytest.approx(2), "the bars of two models, each 100 %"


def test_curves_over_index_size_hold_the_means_of_the_draws():
    rows = [
        (
            "net",
            "test",
            "all",
            share,
            seed,
            images,
            "precision_at_1",
            "micro",
            "all",
            share / 2 + seed / 10,
        )
        for share, images in ((0.1, 10), (1, 100))
        for seed in (0, 1)
    ]
    columns = [
        "model",
        "query_split",
        "neighbors",
        "share",
        "seed",
        "index_images",
        "metric",
        "average",
        "counting",
        "value",
    ]
    figure = index_size_figure(pd.DataFrame(rows, columns=columns), NAMES, ["floor"])
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [10, 100])
    np.testing.assert_allclose(line.get_ydata(), [0.1, 0.55])
    plt.close(figure)


def test_models_stand_in_the_order_of_p_at_1_and_keep_their_colors():
    cards = {
        name: {"name": name.upper(), "loader": "control" if name == "floor" else "timm"}
        for name in ("low", "high", "same", "floor", "none")
    }
    values = {"low": 0.2, "high": 0.9, "same": 0.9, "floor": 0.5, "none": None}
    rows = [
        (split, neighbors, "precision_at_1", average, name, value if wanted else 1 - (value or 0))
        for split in ("val", "test")
        for neighbors in ("all", "other_patients")
        for average in ("micro", "macro")
        for name, value in values.items()
        for wanted in [(split, neighbors, average) == ("test", "all", "micro")]
    ]
    columns = ["query_split", "neighbors", "metric", "average", "model", "common_value"]
    order = best_first(cards, pd.DataFrame(rows, columns=columns), "test")
    assert order == ["high", "same", "floor", "low", "none"]
    names, controls = names_and_controls(cards, order)
    assert list(names.values()) == ["HIGH", "SAME", "FLOOR", "LOW", "NONE"]
    assert model_styles(names, controls) == model_styles(list(cards), controls)
    frame = pd.DataFrame({"model": ["low", "low", "high"], "value": [0.1, 0.2, 0.3]})
    shown = Given("findings", cards, order=order).shown
    table = section("", "", frame, [("value", "value", "", number)], shown)
    texts = [[cell["text"] for cell in row["cells"]] for row in table["rows"]]
    assert texts == [["HIGH", "0.300"], ["LOW", "0.100"], ["LOW", "0.200"]]
