"""Levels, conditional P@k and outcomes, worked by hand on lists of labels."""

import numpy as np
import pandas as pd
import plain_intervals
import pytest

from radcbir.analyses.levels.compute import OUTCOMES, evaluate_levels
from radcbir.analyses.levels.conditional import is_normal, of_models
from radcbir.metrics.evaluation import evaluate

NORMAL, EDEMA, HERNIA = "XR/chest/No Finding", "XR/chest/Edema", "XR/chest/Hernia"
HAND, LUNG, KNEE = "XR/hand/Fracture", "CT/chest/Edema", "MR/knee/Tear"

# The index: 4 normal, 2 edema, 1 hernia (7 of XR/chest), 1 hand, 1 CT, 2 knees: 11 images.
INDEX = dict(enumerate([NORMAL] * 4 + [EDEMA] * 2 + [HERNIA] + [HAND, LUNG] + [KNEE] * 2))
QUERIES = {100: EDEMA, 101: NORMAL, 102: KNEE, 103: EDEMA, 104: "US/liver/Cyst"}
LISTS = {
    100: [4, 0, 7, 8, 5],  # edema; normal; hand; edema in CT; edema
    101: [6, 0, 1, 9, 2],  # hernia; normal; normal; knee; normal
    102: [9, 10, 0, 7, 8],
    103: [9, 7, 8, 10, 3],  # the one neighbor of XR/chest stands last, and is normal
    104: [0, 1, 2, 3, 4],  # no index image of its kind at all
}


@pytest.fixture(scope="module")
def catalog():
    images = [(each, "train", label) for each, label in INDEX.items()]
    images += [(each, "test", label) for each, label in QUERIES.items()]
    table = pd.DataFrame(images, columns=["id", "split", "label"]).assign(patient_id=None)
    # Columns of the catalog may say otherwise; the levels are those of the label.
    return table.assign(modality="any", region="where")


def neighbors(lists):
    rows = [
        (query, rank, each, 0.5)
        for query, found in lists.items()
        for rank, each in enumerate(found, 1)
    ]
    return pd.DataFrame(rows, columns=["query", "rank", "neighbor", "score"])


@pytest.fixture(scope="module")
def tables(catalog):
    return evaluate_levels(neighbors(LISTS), catalog, catalog["id"].to_numpy(), "train", "test", 5)


def test_a_neighbor_is_right_level_by_level(tables):
    table = tables["precision"]
    found = table[(table["definition"] == "capped") & (table["k"] == 1)].set_index(
        ["average", "level"]
    )
    # First neighbors: edema for edema; hernia for normal (modality and region right); knee for
    # knee; knee for edema.
    expected = {
        "modality": 3 / 4,
        "region": 3 / 4,
        "modality_region": 3 / 4,
        "finding": 2 / 4,
        "label": 2 / 4,
    }
    for level, value in expected.items():
        assert found.loc[("micro", level), "value"] == pytest.approx(value), level
        assert found.loc[("micro", level), "queries"] == 4, (
            "the query of another modality has no answer"
        )
    # By modality: XR 2 of 3, MR 1 of 1. By label: edema 1 of 2, normal 0, knee 1.
    assert found.loc[("macro", "modality"), "value"] == pytest.approx((2 / 3 + 1) / 2)
    assert found.loc[("macro", "label"), "value"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    # Chance is the share of the index: finding "Edema" also stands in CT.
    assert found.loc[("micro", "label"), "chance"] == pytest.approx((2 + 4 + 2 + 2) / 4 / 11)
    assert found.loc[("micro", "finding"), "chance"] == pytest.approx((3 + 4 + 2 + 3) / 4 / 11)
    assert found.loc[("macro", "modality"), "chance"] == pytest.approx((8 / 11 + 2 / 11) / 2)


def test_each_level_has_an_interval(catalog):
    """Four answered queries of four patients; without patients each image counts as one."""
    found = evaluate_levels(neighbors(LISTS), catalog, catalog["id"].to_numpy(), "train", "test", 5)
    table = found["precision"].query("definition == 'capped' and average == 'micro' and k == 1")
    for row in table.itertuples():
        assert (row.low, row.high) == pytest.approx(plain_intervals.of_share(row.value, 4))
        assert row.effective_patients == pytest.approx(4)
    assert found["precision"].query("k in [2, 3, 4]")["low"].isna().all()


def test_region_counts_whatever_the_modality(tables):
    table = tables["precision"]
    at_5 = table[
        (table["definition"] == "plain") & (table["k"] == 5) & (table["average"] == "micro")
    ]
    values = at_5.set_index("level")["value"]
    # Of each list: chest images for the three chest queries, knees for the knee.
    assert values["region"] == pytest.approx((4 / 5 + 4 / 5 + 2 / 5 + 2 / 5) / 4)
    assert values["modality_region"] == pytest.approx((3 / 5 + 4 / 5 + 2 / 5 + 1 / 5) / 4)


def nobody(catalog):
    return catalog.set_index("id")["patient_id"]


def conditional(tables, catalog):
    return of_models({"net": tables["per_query"]}, nobody(catalog))


def rows(tables, catalog, condition, k):
    table = conditional(tables, catalog)
    return table[(table["condition"] == condition) & (table["k"] == k)].set_index("group")


def test_the_finding_given_the_region_among_neighbors(tables, catalog):
    found = rows(tables, catalog, "among_neighbors", 5)
    # 100: edema 2 of the 3 in XR/chest; 101: 3 of 4; 103: 0 of 1; knees and livers have one
    # finding: not asked.
    every = found.loc["all"]
    assert every["micro"] == pytest.approx((2 / 3 + 3 / 4 + 0) / 3)
    assert every["macro"] == pytest.approx(((2 / 3 + 0) / 2 + 3 / 4) / 2)
    assert every["chance"] == pytest.approx((2 / 7 + 4 / 7 + 2 / 7) / 3)
    assert every["chance_macro"] == pytest.approx((2 / 7 + 4 / 7) / 2)
    assert every["lift"] == pytest.approx(every["micro"] / every["chance"])
    assert every[["queries", "queries_without_value", "queries_not_asked"]].tolist() == [3, 0, 2]
    # At k = 1 the query 103 has no neighbor of its region.
    first = rows(tables, catalog, "among_neighbors", 1).loc["all"]
    assert first["micro"] == pytest.approx((1 + 0) / 2)
    assert first[["queries", "queries_without_value"]].tolist() == [2, 1]
    assert first["chance"] == pytest.approx((2 / 7 + 4 / 7) / 2), "the prior of the same queries"


def test_the_finding_when_the_index_is_cut_down_to_the_region(tables, catalog):
    first = rows(tables, catalog, "within_region", 1).loc["all"]
    assert first["micro"] == pytest.approx((1 + 0 + 0) / 3) and first["queries"] == 3
    # k = 5: n = R = 2 edemas, 4 normals. 100: edema, normal. 101: hernia, 3 normal. 103 lists one
    # of two: unknown.
    fifth = rows(tables, catalog, "within_region", 5).loc["all"]
    assert fifth["micro"] == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert fifth[["queries", "queries_without_value", "queries_not_asked"]].tolist() == [2, 1, 2]


def test_within_the_region_equals_a_search_of_the_region(catalog):
    """Deep lists, cut down to a region, against lists of the region's images alone."""
    random = np.random.default_rng(3)
    labels = np.array([NORMAL, EDEMA, HERNIA, HAND, "XR/hand/Normal", LUNG])
    index = pd.DataFrame(
        {"id": range(80), "split": "train", "label": labels[random.integers(0, 6, 80)]}
    )
    asked = pd.DataFrame(
        {"id": range(100, 130), "split": "test", "label": labels[random.integers(0, 6, 30)]}
    )
    catalog = pd.concat([index, asked]).assign(patient_id=None, modality=None, region=None)
    vectors = random.standard_normal((80, 4))
    wanted = random.standard_normal((30, 4))
    order = np.argsort(-wanted @ vectors.T, axis=1)
    deep = neighbors(dict(zip(asked["id"], order, strict=True)))
    found = evaluate_levels(deep, catalog, catalog["id"].to_numpy(), "train", "test", 80)
    region = index["label"].str.rpartition("/")[0].to_numpy()
    values = []
    for row, label in zip(order, asked["label"], strict=True):
        inside = [each for each in row if region[each] == label.rpartition("/")[0]]
        relevant = (index["label"] == label).sum()
        if relevant < len(inside):
            cut = min(10, relevant)
            values.append(np.mean([index["label"][each] == label for each in inside[:cut]]))
    assert rows(found, catalog, "within_region", 10).loc["all", "micro"] == pytest.approx(
        np.mean(values)
    )
    assert rows(found, catalog, "within_region", 10).loc["all", "queries"] == len(values) > 20


def test_a_list_that_is_too_short_is_completed_from_the_vectors():
    """The value of short lists with the images' vectors is that of lists as deep as the index."""
    random = np.random.default_rng(8)
    labels = np.array([NORMAL, EDEMA, HERNIA, HAND, "XR/hand/Normal", LUNG])
    ids = np.r_[0:80, 100:130]
    catalog = pd.DataFrame(
        {
            "id": ids,
            "split": np.where(ids < 100, "train", "test"),
            "label": labels[random.integers(0, 6, len(ids))],
            "patient_id": [None if each == 7 else f"p{each % 25}" for each in ids],
            "modality": None,
            "region": None,
        }
    )
    points = random.standard_normal((len(ids), 4)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[5] = points[4]  # a tie
    place = dict(zip(ids, points, strict=True))
    scores = points[80:] @ points[:80].T
    order = np.lexsort((np.broadcast_to(np.arange(80), scores.shape), -scores), axis=1)

    def table(depth, **given):
        lists = neighbors(dict(zip(ids[80:], order[:, :depth], strict=True)))
        found = evaluate_levels(lists, catalog, ids, "train", "test", min(depth, 10), **given)
        return conditional(found, catalog).query("condition == 'within_region'")

    deep = evaluate_levels(
        neighbors(dict(zip(ids[80:], order, strict=True))), catalog, ids, "train", "test", 80
    )
    deep = conditional(deep, catalog).query("condition == 'within_region'")
    completed = table(16, vectors=lambda wanted: np.array([place[each] for each in wanted]))
    pd.testing.assert_frame_equal(
        completed.reset_index(drop=True), deep.reset_index(drop=True), rtol=1e-12
    )
    short = table(16)
    assert (short["queries_without_value"] > 0).any(), "otherwise nothing was completed"
    assert (completed["queries_without_value"] == 0).all()


def test_models_are_compared_over_the_queries_that_all_answered():
    """One model answers a hard query and an easy one, the other only the easy one: both are right
    there. The first one's own average is lower; the compared figures are equal."""
    labels = {1: NORMAL, 2: EDEMA, 3: NORMAL, 4: NORMAL}
    values = {
        "both": {1: 1.0, 2: 0.0, 3: 1.0, 4: 0.0},
        "easy": {1: 1.0, 2: np.nan, 3: 1.0, 4: 0.0},
    }
    tables = {
        model: pd.DataFrame(
            {
                "query_split": "test",
                "neighbors": "all",
                "query": list(labels),
                "label": list(labels.values()),
                "asked": True,
                "chance": [0.5, 0.25, 0.5, 0.5],
                "among_neighbors_1": list(found.values()),
                "within_region_1": list(found.values()),
            }
        )
        for model, found in values.items()
    }
    patients = pd.Series({1: "a", 2: "b", 3: "c", 4: "d"})
    found = of_models(tables, patients).query("kind == 'all' and condition == 'among_neighbors'")
    found = found.set_index("model")
    for model in values:
        assert found.loc[model, "micro"] == pytest.approx(2 / 3)
        assert found.loc[model, "chance"] == pytest.approx(1 / 2)
        assert found.loc[model, "queries"] == 3
        assert found.loc[model, "effective_patients"] == pytest.approx(3)
        ends = found.loc[model, "low"], found.loc[model, "high"]
        assert ends == pytest.approx(plain_intervals.of_share(2 / 3, 3))
    assert found.loc["both", "own_micro"] == pytest.approx(2 / 4)
    assert found.loc["both", "own_queries"] == 4
    assert found.loc["easy", ["own_queries", "queries_without_value"]].tolist() == [3, 1]


def test_normal_and_pathological_findings_are_told_apart(tables, catalog):
    found = rows(tables, catalog, "among_neighbors", 5)
    assert found.loc["normal", "micro"] == pytest.approx(3 / 4)
    assert found.loc["pathological", "micro"] == pytest.approx((2 / 3 + 0) / 2)
    assert found.loc["XR/chest", "queries"] == 3
    assert is_normal(pd.Series(["normal", "Abnormal", " No Finding"])).tolist() == [
        True,
        False,
        True,
    ]
    unnamed = catalog.assign(label=catalog["label"].str.replace("No Finding", "Clear"))
    found = evaluate_levels(neighbors(LISTS), unnamed, unnamed["id"].to_numpy(), "train", "test", 5)
    assert "normal" not in set(conditional(found, unnamed)["group"])


def test_outcomes_tell_anatomy_from_pathology(tables):
    table = tables["outcomes"]
    shares = table[(table["kind"] == "all")].pivot_table(
        index="k", columns="outcome", values="share"
    )
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.loc[1].to_dict() == {
        "full_hit": 2 / 4, "other_finding": 1 / 4, "other_region": 0, "other_modality": 1 / 4
    }  # fmt: skip
    # 100: 2 hits, 1 normal, 1 hand, 1 CT. 101: 3, 1, 0, 1. 102: 2, 0, 0, 3. 103: 0, 1, 1, 3.
    np.testing.assert_allclose(
        shares.loc[5, list(OUTCOMES)],
        np.array([2 + 3 + 2 + 0, 1 + 1 + 0 + 1, 1 + 0 + 0 + 1, 1 + 1 + 3 + 3]) / 20,
    )
    normal = table[(table["group"] == "normal") & (table["k"] == 1)].set_index("outcome")["share"]
    assert normal["other_finding"] == 1


def test_the_query_s_own_patient_is_left_out(catalog):
    own = catalog.assign(patient_id=catalog["id"].map({100: "p", 4: "p", 0: "q"}))
    lists = {query: [*found, 1][:6] for query, found in LISTS.items() if query in (100, 101)}
    lists[101] = lists[101][:5]
    found = evaluate_levels(neighbors(lists), own, own["id"].to_numpy(), "train", "test", 5)
    first = found["outcomes"].query("k == 1 and kind == 'all' and neighbors == 'other_patients'")
    # Query 100 loses its edema and finds a normal one; of its label one image is left.
    assert first.set_index("outcome")["share"].to_dict()["other_finding"] == 1
    table = found["precision"].query(
        "neighbors == 'other_patients' and level == 'label' and average == 'micro'"
    )
    assert table["chance"].iloc[0] == pytest.approx((1 / 10 + 4 / 11) / 2)


def test_full_label_precision_is_that_of_the_metrics(tables, catalog):
    plain = evaluate(
        neighbors(LISTS), catalog, catalog["id"].to_numpy(), "train", "test", 5
    ).precision
    table = tables["precision"][tables["precision"]["level"] == "label"]
    for name in ("definition", "average", "k", "value", "queries", "classes"):
        assert table[name].tolist() == plain[name].tolist(), name
