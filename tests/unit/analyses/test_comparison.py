"""Averages over the queries that all models answered, and the page that shows them."""

import numpy as np
import pandas as pd
import pytest

from radcbir.analyses.comparison import model_table
from radcbir.analyses.comparison.common_queries import compared as shown_groups
from radcbir.analyses.comparison.common_queries import with_common_groups, with_common_queries
from radcbir.metrics.evaluation import evaluate
from radcbir.report.render import render

LABELS = {0: "a", 1: "a", 2: "b", 3: "b", 10: "a", 11: "a", 12: "b", 13: "c"}


def images():
    """The catalog. The region of the query 12 is not known."""
    catalog = pd.DataFrame(
        {"id": LABELS.keys(), "label": LABELS.values(), "modality": "CT", "region": "x"}
    )
    catalog["region"] = catalog["region"].where(catalog["id"] != 12, None)
    catalog["split"] = np.where(catalog["id"] < 10, "train", "test")
    return catalog.assign(patient_id=None)


def evaluated(lists, embedded):
    """The evaluation of one model from its neighbors by query."""
    catalog = images()
    rows = [
        (query, rank, neighbor)
        for query, found in lists.items()
        for rank, neighbor in enumerate(found, 1)
    ]
    neighbors = pd.DataFrame(rows, columns=["query", "rank", "neighbor"])
    return evaluate(neighbors, catalog, np.array(embedded), "train", "test", 2)


@pytest.fixture
def evaluations(tmp_path):
    """Two models: ``picky`` lacks the query 11, which it would miss, and the index image 3. Their
    evaluations, and the paths of their metrics of single queries."""
    found = {
        "picky": evaluated({10: [0, 1], 12: [2, 0], 13: [0, 1]}, [0, 1, 2, 10, 12, 13]),
        "whole": evaluated({10: [0, 1], 11: [2, 0], 12: [2, 3], 13: [0, 1]}, list(LABELS)),
    }
    paths = {}
    for model, evaluation in found.items():
        paths[model] = tmp_path / f"{model}.parquet"
        evaluation.per_query.to_parquet(paths[model])
    return found, paths


@pytest.fixture
def compared(evaluations):
    found, paths = evaluations
    tables = [each.summary.assign(model=model) for model, each in found.items()]
    return with_common_queries(pd.concat(tables, ignore_index=True), paths)


def test_common_averages_by_hand(compared):
    rows = compared.set_index(["metric", "average", "model"]).sort_index()
    own = rows["value"].loc["precision_at_1", "micro"]
    common = rows["common_value"].loc["precision_at_1", "micro"]
    # On its own, picky is right for both queries that have an answer; whole for two of three.
    assert own.to_dict() == pytest.approx({"picky": 1, "whole": 2 / 3})
    assert common.to_dict() == {"picky": 1, "whole": 1}
    assert rows["common_value"].loc["plain_precision_at_1", "macro"].to_dict() == common.to_dict()
    # P@10 of query 12: one of one for picky (it lacks image 3), two of two for whole.
    assert rows["common_value"].loc["precision_at_10", "macro", "whole"] == 1
    assert set(compared["common_queries"]) == {2}
    lacks = compared.groupby("model")[["lacking_queries", "lacking_index_images"]].first()
    assert lacks.to_numpy().tolist() == [[1, 1], [0, 0]]
    assert (
        len(compared) == compared.groupby("model").size().sum() == 2 * len(rows.loc[:, :, "whole"])
    )


def test_groups_are_compared_on_common_queries_by_hand(evaluations):
    found, paths = evaluations
    by_group = pd.concat(
        [each.by_group.assign(model=model) for model, each in found.items()], ignore_index=True
    )
    table = with_common_groups(by_group, paths, images())
    pd.testing.assert_frame_equal(table[by_group.columns], by_group)
    rows = table.set_index(["model", "level", "group"])
    # Of label a, whole is right for 10 and wrong for 11, which picky lacks.
    assert rows.loc[("whole", "label", "a"), "precision_at_1"] == 0.5
    own = ["common_precision_at_1", "common_queries"]
    for model in found:
        assert rows.loc[(model, "label", "a"), own].tolist() == [1, 1]
        assert rows.loc[(model, "modality", "CT"), own].tolist() == [1, 2]
        assert rows.loc[(model, "region", "x"), own].tolist() == [1, 1]
        assert rows.loc[(model, "modality_region", "CT/unknown"), own].tolist() == [1, 1]
        assert rows.loc[(model, "label", "c"), "common_queries"] == 0, "no index image of c"
        assert np.isnan(rows.loc[(model, "label", "c"), "common_precision_at_1"])
    assert table[["common_low", "common_high"]].isna().all(axis=None), "fewer than three patients"
    shown = shown_groups(table).set_index(["model", "level", "group"])
    assert shown.loc[("whole", "label", "a"), ["precision_at_1", "queries"]].tolist() == [1, 1]


def test_where_all_models_answered_the_same_the_common_figures_are_their_own(tmp_path):
    random = np.random.default_rng(0)
    catalog = pd.DataFrame({"id": range(60), "label": [f"CT/x/{each % 3}" for each in range(60)]})
    catalog = catalog.assign(modality="CT", region=["x", "y"] * 30, split="test")
    catalog.loc[catalog["id"] < 20, "split"] = "train"
    catalog["patient_id"] = [f"p{each // 4}" for each in range(60)]
    paths, tables = {}, []
    for model in ("one", "two"):
        rows = [
            (query, rank, neighbor)
            for query in range(20, 60)
            for rank, neighbor in enumerate(random.permutation(20)[:5], 1)
        ]
        neighbors = pd.DataFrame(rows, columns=["query", "rank", "neighbor"])
        found = evaluate(neighbors, catalog, np.arange(60), "train", "test", 5)
        paths[model] = tmp_path / model
        found.per_query.to_parquet(paths[model])
        tables.append(found.by_group.assign(model=model))
    table = with_common_groups(pd.concat(tables, ignore_index=True), paths, catalog)
    assert table["common_low"].notna().sum() > 10
    for common, own in (
        ("common_precision_at_1", "precision_at_1"),
        ("common_low", "precision_at_1_low"),
        ("common_high", "precision_at_1_high"),
        ("common_queries", "queries"),
    ):
        np.testing.assert_allclose(table[common], table[own], atol=1e-12)


def test_models_without_a_query_in_common_have_no_common_average(tmp_path):
    tables, paths = [], {}
    for model, query in (("one", 10), ("other", 12)):
        evaluation = evaluated({query: [0, 2]}, [0, 1, 2, 3, query])
        paths[model] = tmp_path / f"{model}.parquet"
        evaluation.per_query.to_parquet(paths[model])
        tables.append(evaluation.summary.assign(model=model))
    table = with_common_queries(pd.concat(tables, ignore_index=True), paths)
    assert table["common_value"].isna().all() and (table["common_queries"] == 0).all()
    assert (table["lacking_queries"] == 1).all()


def test_the_page_says_what_a_model_lacks_and_shows_its_own_figure(compared, tmp_path):
    cards = {
        name: {"name": name, "loader": "timm", "architecture": "x", "dimension": 2}
        for name in ("picky", "whole")
    }
    render(
        "analyses/comparison/models.html.j2", tmp_path / "models.html", title="Models",
        index_split="train", index_images=4, k=2, index_note="", uncertain=False,
        columns=model_table.model_columns(compared),
        splits=model_table.model_table(compared, cards), cards=model_table.card_table(cards),
    )  # fmt: skip
    page = (tmp_path / "models.html").read_text()
    assert "lacks 1 query and 1 index image" in page
    assert "own 0.667" in page and "over the 2 queries that all models answered" in page
