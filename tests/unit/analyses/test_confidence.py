"""The chance that a hit is right: features and measures by hand and against scikit-learn, fits on
patients that they have not seen, and what is said where there is too little."""

import html
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_neighbors import made
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from radcbir.analyses import registry
from radcbir.analyses.confidence import measures
from radcbir.analyses.confidence.compute import benchmark, evaluate_confidence
from radcbir.analyses.confidence.features import FEATURES, hit_features
from radcbir.analyses.confidence.fit import FITS, chosen, fitted, out_of_fold
from radcbir.analyses.confidence.stored import (
    chance_right,
    in_ten,
    is_unlike,
    probability,
    rated,
    read_stored,
    write_stored,
)
from radcbir.analyses.summary import Given, summarise
from radcbir.core.tables import read_csv, write_csv
from radcbir.report.render import render
from radcbir.report.style import save

# --- features
# --------------------------------------------------------------------------------------------------


def test_features_by_hand():
    found = hit_features(np.array([[0.9, 0.8, 0.3]]), np.array([[0, 1, 0]]), np.array([0.25, 0.75]))
    table = dict(zip(FEATURES, found[0].T, strict=True))
    assert table["score"].tolist() == [0.9, 0.8, 0.3]
    assert table["log_rank"] == pytest.approx(np.log([1, 2, 3]))
    assert table["gap_to_first"] == pytest.approx([0, 0.1, 0.6])
    assert table["gap_to_next"] == pytest.approx([0.1, 0.5, 0])
    assert table["agreement"] == pytest.approx([2 / 3, 1 / 3, 2 / 3])
    assert table["weighted_agreement"] == pytest.approx([1.2 / 2, 0.8 / 2, 1.2 / 2])
    assert table["density"] == pytest.approx([2 / 3] * 3)
    assert table["log_prior"] == pytest.approx(np.log([0.25, 0.75, 0.25]))


def test_negative_scores_weigh_nothing_and_no_positive_score_weighs_alike():
    place = FEATURES.index("weighted_agreement")
    labels, priors = np.array([[0, 1, 1]]), np.array([0.5, 0.5])
    mixed = hit_features(np.array([[0.5, 0.5, -0.4]]), labels, priors)
    assert mixed[0, :, place] == pytest.approx([0.5, 0.5, 0.5])
    negative = hit_features(np.array([[-0.1, -0.2, -0.4]]), labels, priors)
    assert negative[0, :, place] == pytest.approx([1 / 3, 2 / 3, 2 / 3])


# --- what is stored
# --------------------------------------------------------------------------------------------------

STORED = {
    "depth": 2, "index_images": 4, "queries": 9, "patients": 7, "unit": "patient", "priors": {"a": 0.5, "b": 0.5},
    "chance": {"thresholds": [0.2, 0.6], "values": [0.1, 0.9]}, "set": {"alpha": 0.1, "size": None},
    "unlike": {"best": 0.5, "mean": 0.4},
}  # fmt: skip


def test_a_chance_by_hand():
    assert chance_right(STORED, np.array([0.7, 0.4, 0.3]), ["a", "b", "a"]) == pytest.approx(
        [0.9, 0.5, np.nan], nan_ok=True
    )
    logistic = {"center": [0.5] + [0] * 7, "scale": [0.1] + [1] * 7, "coefficients": [2] + [0] * 7}
    logistic["intercept"] = 1.0
    # (0.6 - 0.5) / 0.1 * 2 + 1 = 3; (0.45 - 0.5) / 0.1 * 2 + 1 = 0
    found = chance_right(STORED | {"chance": logistic}, np.array([0.6, 0.45]), ["a", "b"])
    assert found == pytest.approx([1 / (1 + np.exp(-3)), 0.5])


@pytest.mark.parametrize(
    ("changes", "scores", "labels"),
    [
        ({}, [0.7], ["a"]),
        ({}, [0.7, 0.6], ["a", "elsewhere"]),
        ({}, [0.7, np.nan], ["a", "b"]),
        ({"chance": None}, [0.7, 0.6], ["a", "b"]),
    ],
    ids=["too few hits", "a label the index does not have", "no scores", "no fit"],
)
def test_nothing_is_said_where_nothing_is_known(changes, scores, labels):
    assert np.isnan(chance_right(STORED | changes, np.array(scores), labels)).all()


def test_a_query_below_either_limit_is_unlike_the_benchmark():
    assert is_unlike(STORED, np.array([0.49, 0.48, 0.9])) is True
    assert is_unlike(STORED, np.array([0.55, 0.2])) is True, "the mean is 0.375"
    assert is_unlike(STORED, np.array([0.55, 0.3])) is False
    assert is_unlike(STORED, np.array([0.1])) is None
    assert is_unlike(STORED | {"unlike": None}, np.array([0.1, 0.1])) is None


def test_hits_without_exactly_one_label_are_passed_over():
    found = rated(STORED, np.array([0.9, 0.6, 0.8, 0.2]), [None, "a", None, "b"])
    assert found.chance == pytest.approx([np.nan, 0.9, np.nan, 0.1], nan_ok=True)
    assert found.unlike is False, "best 0.6, mean 0.4"


def test_a_query_that_is_unlike_the_benchmark_has_no_chances():
    found = rated(STORED, np.array([0.4, 0.3]), ["a", "b"])
    assert found.unlike is True
    assert np.isnan(found.chance).all()
    assert rated(STORED | {"unlike": None}, np.array([0.4, 0.3]), ["a", "b"]).chance[0] > 0


def test_chances_in_words():
    assert [in_ten(each) for each in (0.0, 0.04, 0.58, 0.96, 1.0, np.nan)] == [
        "fewer than 1 of 10", "fewer than 1 of 10", "about 6 of 10", "more than 9 of 10", "more than 9 of 10", "",
    ]  # fmt: skip


# --- measures
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hits():
    """Chances with ties that tell something, of patients of unequal size."""
    random = np.random.default_rng(1)
    chance = np.round(random.random(400), 2)
    return chance, random.random(400) < chance, random.integers(0, 40, 400) ** 2 // 40


def test_area_and_brier_score_are_those_of_scikit_learn(hits):
    chance, right, clusters = hits
    area = measures.area_under_roc(chance, right, clusters)
    assert area.value == pytest.approx(roc_auc_score(right, chance))
    brier = measures.of_mean((chance - right) ** 2, clusters)
    assert brier.value == pytest.approx(brier_score_loss(right, chance))
    assert area.low < area.value < area.high
    assert brier.low < brier.value < brier.high


def test_influences_on_the_area_are_those_of_leaving_one_out(hits):
    chance, right, _ = hits
    area, above, below = measures.area_and_influence(chance[right], chance[~right])
    influence = np.empty(len(chance))
    influence[right], influence[~right] = above, below
    assert abs(influence.sum()) < 1e-9
    kept = ~np.eye(len(chance), dtype=bool)[:25]
    without = [roc_auc_score(right[each], chance[each]) for each in kept]
    assert influence[:25] == pytest.approx(area - np.array(without), abs=2e-5)


def test_intervals_by_patient_contain_the_truth():
    """Hits of one patient share a shift of their chances: the area is 0.76 over the patients, and its
    interval is right in about 95 % of draws."""
    random, covered, naive = np.random.default_rng(0), 0, 0
    truth = 0.7602  # of a normal difference: Phi(1 / sqrt(2)), two of variance 1
    for _ in range(300):
        clusters = np.repeat(np.arange(40), 6)
        right = random.random(240) < 0.5
        shift = random.normal(0, np.sqrt(0.5), 40)[clusters]
        chance = right + shift + random.normal(0, np.sqrt(0.5), 240)
        found = measures.area_under_roc(chance, right, clusters)
        covered += found.low <= truth <= found.high
        alone = measures.area_under_roc(chance, right, np.arange(240))
        naive += alone.high - alone.low < found.high - found.low
    assert 275 <= covered <= 297
    assert naive > 200, "patients make the interval wider"


def test_calibration_error_by_hand():
    # Bins of 1/15: 0.1 is in the second (0.0667, 0.1333], 0.95 in the last.
    chance = np.array([0.1, 0.1, 0.1, 0.1, 0.95, 0.95])
    right = np.array([0, 0, 1, 0, 1, 1], dtype=bool)
    found = measures.expected_calibration_error(chance, right, np.arange(6))
    assert found.value == pytest.approx((4 * abs(0.25 - 0.1) + 2 * 0.05) / 6)


def test_what_is_left_wrong_by_hand():
    chance = np.array([0.2, 0.9, 0.5, 0.5])
    right = np.array([False, True, True, False])
    order, risk = measures.risks(chance, right)
    assert order[0] == 1
    assert order[-1] == 0
    # The two of 0.5 count as half wrong each: 0, 0.5 / 2, 1 / 3, 2 / 4.
    assert risk == pytest.approx([0, 0.25, 1 / 3, 0.5])
    area = measures.area_under_risk(chance, right, np.arange(4))
    assert area.value == pytest.approx((0 + 0.25 + 1 / 3 + 0.5) / 4)
    half = measures.right_among_surest(chance, right, np.arange(4), 0.5)
    assert half.value == pytest.approx(0.75)
    assert measures.right_among_surest(chance, right, np.arange(4), 1).value == pytest.approx(0.5)


def test_the_area_of_risk_is_a_weighted_mean_with_an_interval(hits):
    chance, right, clusters = hits
    found = measures.area_under_risk(chance, right, clusters)
    _, risk = measures.risks(chance, right)
    assert found.value == pytest.approx(risk.mean())
    assert found.low < found.value < found.high
    sure = measures.right_among_surest(chance, right, clusters, 0.5)
    assert sure.value == pytest.approx(1 - risk[199])
    assert sure.low < sure.value < sure.high


# --- fits
# --------------------------------------------------------------------------------------------------


def simulated(informative, patients=30, each=40, seed=0):
    """Hits that are right by the logit of one feature (the score, or the agreement)."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(patients * each, len(FEATURES)))
    logit = 2 * features[:, FEATURES.index(informative)]
    right = random.random(len(logit)) < 1 / (1 + np.exp(-logit))
    return features, right, np.repeat(np.arange(patients), each)


def test_the_logistic_fit_is_that_of_scikit_learn():
    features, right, _ = simulated("agreement")
    features = features * np.arange(1, 9) + 5
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10)).fit(features, right)
    expected = model.predict_proba(features)[:, 1]
    assert probability(fitted("logistic", features, right), features) == pytest.approx(
        expected, abs=1e-4
    )


def test_the_simplest_fit_is_taken_that_no_other_one_beats():
    for informative, best in (("score", "score"), ("agreement", "logistic")):
        features, right, clusters = simulated(informative)
        chances = out_of_fold(features, right, clusters)
        assert chosen(chances, right, clusters) == best
    lower = measures.of_mean((chances["both"] - right) ** 2, clusters).value
    assert abs(lower - measures.of_mean((chances["logistic"] - right) ** 2, clusters).value) < 0.01


@pytest.mark.parametrize("patients", [8, 40])
def test_no_chance_comes_from_the_patient_itself(patients):
    """Each patient has its own score, and is right always or never: what was learned of it would give
    its answers away."""
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(patients), 20)
    own, truth = random.normal(size=patients), np.arange(patients) % 2 == 0
    features = np.zeros((len(clusters), len(FEATURES)))
    features[:, 0] = own[clusters]
    right = truth[clusters]
    seen = probability(fitted("score", features, right), features)
    unseen = out_of_fold(features, right, clusters)["score"]
    assert roc_auc_score(right, seen) > 0.55
    assert roc_auc_score(right, unseen) < 0.5


def test_a_fold_that_has_seen_right_hits_only_gives_a_constant():
    features, _, clusters = simulated("score", patients=6, each=10)
    right = clusters != 0
    chances = out_of_fold(features, right, clusters)
    for kind in FITS:
        assert (chances[kind][:10] == 1).all()


# --- a whole model
# --------------------------------------------------------------------------------------------------


def evaluated(found, alpha=0.1, vectors=True, k=20, cosines=True):
    given = benchmark({"test": found.neighbors}, found.catalog, found.ids, "train", k)
    return evaluate_confidence(given, alpha, found.vectors if vectors else None, cosines)


@pytest.fixture(scope="module")
def model():
    found = made(patients=60)
    return found, *evaluated(found)


def test_chances_are_what_they_say_and_tell_right_hits(model):
    _, tables, stored = model
    rows = tables["confidence"]
    own = rows[rows["chosen"]].set_index("measure")
    assert own.loc["auc", "value"] > 0.7
    assert own.loc["ece", "value"] < 0.05
    assert own.loc["right_of_surest_half", "value"] > own.loc["right", "value"] + 0.1
    assert own.loc["risk_at_80", "value"] < 1 - own.loc["right", "value"]
    assert (own["low"] < own["value"]).all()
    assert (own["value"] < own["high"]).all()
    assert (rows["patients"] == 60).all()
    assert tables["risk_coverage"]["risk"].iloc[-1] == pytest.approx(1 - own.loc["right", "value"])
    assert tables["risk_coverage"]["risk"].iloc[79] == pytest.approx(own.loc["risk_at_80", "value"])
    assert stored["patients"] == 60
    assert stored["queries"] == 300
    assert stored["priors"] == dict.fromkeys(stored["priors"], pytest.approx(1 / 6))


def test_the_stored_file_rates_hits_as_the_fit_does(model, tmp_path):
    found, _, stored = model
    write_stored(tmp_path / "fitted.json", stored)
    assert json.loads((tmp_path / "fitted.json").read_text()) == stored
    again = read_stored(tmp_path / "fitted.json")
    label = found.catalog.set_index("id")["label"]
    chances, right = [], []
    for query, rows in found.neighbors.groupby("query"):
        names = label.loc[rows["neighbor"]]
        chance = chance_right(again, rows["score"].to_numpy(), list(names))
        assert np.isnan(chance[10:]).all()
        chances.append(chance[:10])
        right.append((names == label[query]).to_numpy()[:10])
    chances, right = np.concatenate(chances), np.concatenate(right)
    assert chances.mean() == pytest.approx(right.mean(), abs=0.01), "a fit has the mean of its data"
    assert roc_auc_score(right, chances) > 0.7


def test_hits_of_the_own_patient_are_left_out():
    """A copy of each query in the index, of the same patient: it is the first hit of all lists, and
    changes nothing."""
    found = made(patients=12)
    tables, stored = evaluated(found)
    queries = found.catalog[found.catalog["split"] == "test"]
    copies = queries.assign(id=queries["id"] + 5000, split="train")
    found.catalog = pd.concat([found.catalog, copies], ignore_index=True)
    found.ids, found.rows = (
        np.concatenate([found.ids, copies["id"]]),
        np.concatenate([found.rows, found.rows[: len(copies)]]),
    )
    first = pd.DataFrame(
        {"query": queries["id"], "rank": 0, "neighbor": copies["id"].to_numpy(), "score": 1.0}
    )
    both = pd.concat([first, found.neighbors]).sort_values(["query", "rank"], ignore_index=True)
    found.neighbors = both.assign(rank=both["rank"] + 1)
    # Copies of the queries' labels are in equal parts, as the index was: the priors stay.
    again, stored_again = evaluated(found)
    pd.testing.assert_frame_equal(tables["confidence"], again["confidence"])
    assert stored_again["chance"] == stored["chance"]
    assert stored_again["unlike"] == stored["unlike"]


def relabelled(found, label):
    return found.catalog.assign(label=label, labels=[[each] for each in label])


def bad(kind):
    """Made-up neighbors in which something is lacking, and the sentence that says so."""
    size = {"too few queries": 3, "one patient": 1}.get(kind, 8)
    found = made(patients=size, per_patient=40 if kind == "one patient" else 5)
    catalog = found.catalog
    test = (catalog["split"] == "test").to_numpy()
    if kind == "no patients":
        found.catalog = catalog.assign(patient_id=None)
    if kind == "one class":
        found.catalog = relabelled(found, ["XR/chest/0"] * len(catalog))
    if kind == "all right":
        # A list has images of its query's label and no others.
        label = catalog.set_index("id")["label"]
        table = found.neighbors.assign(own=label.loc[found.neighbors["query"]].to_numpy())
        right = {name: ids.to_list() for name, ids in catalog[~test].groupby("label")["id"]}
        table["neighbor"] = [
            right[own][rank - 1] for own, rank in zip(table["own"], table["rank"], strict=True)
        ]
        found.neighbors = table
    if kind == "none right":
        label = catalog.set_index("id")["label"]
        table = found.neighbors.assign(own=label.loc[found.neighbors["query"]].to_numpy())
        wrong = {
            name: catalog.loc[~test & (catalog["label"] != name), "id"].to_list()
            for name in set(label)
        }
        table["neighbor"] = [
            wrong[own][rank - 1] for own, rank in zip(table["own"], table["rank"], strict=True)
        ]
        found.neighbors = table
    if kind == "no answer":
        found.catalog = relabelled(found, np.where(test, "XR/chest/none", catalog["label"]))
    if kind == "no scores":
        found.neighbors = found.neighbors.assign(score=np.float32("nan"))
    return found


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (
            "no patients",
            "No patient is known: an image without one counts as a patient of its own.",
        ),
        ("one patient", "The queries are of one patient. A chance needs at least 6."),
        ("one class", "All index images have the same label, so that every hit is right."),
        ("all right", "All hits are right, so that there is nothing to tell apart."),
        ("none right", "No hit is right, so that there is nothing to tell apart."),
        ("too few queries", "There are 15 queries. A chance needs at least 20."),
        ("no answer", "No query has an index image of its label."),
        ("no scores", "The neighbors have no scores, so that nothing tells sure hits from others."),
    ],
)
def test_what_is_lacking_is_a_sentence_in_table_and_page(kind, sentence, tmp_path):
    tables, stored = evaluated(bad(kind))
    assert set(tables["confidence"]["remark"]) == {sentence}
    assert (stored["chance"] is None) == (kind != "no patients")
    write_stored(tmp_path / "fitted.json", stored)
    stacked = {}
    for name, table in tables.items():
        write_csv(table, tmp_path / f"{name}.csv")
        stacked[name] = read_csv(tmp_path / f"{name}.csv").assign(model="net")
    card = {"name": "Net", "loader": "timm"}
    found = summarise("confidence", Given("findings", {"net": card}, stacked, {"alpha": 0.1}))
    save(found.figures["reliability"], tmp_path / "reliability.svg")
    plt.close(found.figures["risk_coverage"])
    render(registry()["confidence"].template, tmp_path / "page.html", **found.page)
    text = html.unescape((tmp_path / "page.html").read_text())
    assert sentence in text
    if kind != "no patients":
        drawn = (tmp_path / "reliability.svg").read_text()
        assert all(word in drawn for word in sentence.split())


def test_other_things_that_are_lacking_are_sentences_too():
    found = made(patients=8)
    tables, stored = evaluated(found)
    [sets] = tables["sets"].to_dict("records")
    assert sets["remark"] == "The queries are of 8 patients. For 90 % at least 9 are needed."
    assert np.isnan(sets["size"])
    assert stored["set"] == {"alpha": 0.1, "size": None}
    assert set(tables["unlike"]["remark"]) == {
        "There are 40 queries. The first percentile needs at least 100."
    }
    assert stored["unlike"] is None
    tables, _ = evaluated(made(patients=30, noise=3), k=1)
    assert (
        tables["sets"]["remark"].item()
        == "A list of 1 is not enough for 90 %: ask for a larger `k`."
    )
    tables, stored = evaluated(made(patients=30), vectors=False, cosines=False)
    assert stored["unlike"] is None
    assert "no similarities" in tables["unlike"]["remark"].iloc[0]
    assert stored["chance"] is not None
