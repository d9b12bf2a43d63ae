"""kNN classification and its metrics: worked by hand, against a plain loop, scikit-learn and
torchmetrics."""

import numpy as np
import pandas as pd
import plain_intervals
import pytest
from sklearn import metrics as sklearn_metrics

from radcbir.analyses.knn_classification.compute import classify_by_neighbors
from radcbir.core.errors import InputError
from radcbir.metrics import votes as votes_module
from radcbir.metrics.calibration import calibration_error, reliability
from radcbir.metrics.classification import METRICS, classification_metrics, from_probabilities
from radcbir.metrics.votes import best_k, vote_weights, voted_predictions, voting_curve


def random_lists(seed=0, queries=90, k=12, classes=6, ragged=False):
    """Neighbor labels, labels and scores: mostly the right class, some lists shorter than others
    where ``ragged``."""
    random = np.random.default_rng(seed)
    labels = random.choice(
        classes, queries, p=np.arange(classes, 0, -1) / (classes * (classes + 1) / 2)
    )
    labels[:classes] = np.arange(classes)
    neighbors = np.where(
        random.random((queries, k)) < 0.45,
        labels[:, None],
        random.integers(classes, size=(queries, k)),
    )
    if ragged:
        neighbors[np.arange(k) >= random.integers(1, k + 1, queries)[:, None]] = -1
    scores = np.sort(random.uniform(0.3, 1, (queries, k)).astype(np.float32), axis=1)[:, ::-1]
    return neighbors.astype(np.int32), labels, scores


def slow_votes(neighbors, k, classes, weights=None, at_most=None, ties="nearest"):
    """Probabilities and predictions, query by query."""
    probabilities, predicted = np.zeros((len(neighbors), classes)), []
    for query, found in enumerate(neighbors):
        count = min(k, (found >= 0).sum(), *([] if at_most is None else [at_most[query]]))
        voting = found[:count]
        for rank, each in enumerate(voting):
            probabilities[query, each] += 1 if weights is None else weights[query, rank]
        probabilities[query] /= probabilities[query].sum()
        tied = np.flatnonzero(probabilities[query] == probabilities[query].max())
        predicted.append(
            next(each for each in voting if each in tied) if ties == "nearest" else tied[0]
        )
    return probabilities, np.array(predicted)


def sklearn_values(labels, probabilities, predicted):
    """The metrics by scikit-learn, macro averages over the classes that have queries."""
    present = np.unique(labels)
    truth = np.eye(probabilities.shape[1])[labels]
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    return {
        ("roc_auc", "micro"): sklearn_metrics.roc_auc_score(truth.ravel(), probabilities.ravel()),
        ("roc_auc", "macro"): np.mean(
            [
                sklearn_metrics.roc_auc_score(truth[:, each], probabilities[:, each])
                for each in present
            ]
        ),
        ("f1", "micro"): sklearn_metrics.f1_score(labels, predicted, average="micro"),
        ("f1", "macro"): sklearn_metrics.f1_score(labels, predicted, **macro),
        ("precision", "macro"): sklearn_metrics.precision_score(labels, predicted, **macro),
        ("recall", "macro"): sklearn_metrics.recall_score(labels, predicted, **macro),
        ("accuracy", "micro"): sklearn_metrics.accuracy_score(labels, predicted),
        ("balanced_accuracy", "macro"): sklearn_metrics.balanced_accuracy_score(labels, predicted),
    }


def listed(predictions, classes):
    """The listed values as a matrix."""
    matrix = np.zeros((len(predictions.labels), classes))
    matrix[predictions.entry_query, predictions.entry_class] = predictions.entry_value
    return matrix


# --- metrics
# --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("lone", [False, True])
def test_metrics_of_probabilities_equal_scikit_learns(lone):
    random = np.random.default_rng(3)
    labels = random.integers(2 if lone else 0, 7, 300)  # with `lone`, two classes have no query
    probabilities = np.round(
        random.dirichlet(np.ones(7), 300) + 0.2 * np.eye(7)[labels], 2
    )  # rounded: many ties
    found = classification_metrics(from_probabilities(probabilities, labels), 7)
    expected = sklearn_values(labels, probabilities, probabilities.argmax(axis=1))
    assert list(found) == METRICS
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_metrics_by_hand():
    # Three classes; the third has no query, but is called once.
    probabilities = np.array([[0.6, 0.4, 0.0], [0.5, 0.2, 0.3], [0.3, 0.3, 0.4], [0.1, 0.9, 0.0]])
    found = classification_metrics(from_probabilities(probabilities, np.array([0, 0, 1, 1])), 3)
    assert found["accuracy", "micro"] == found["f1", "micro"] == 3 / 4
    assert found["recall", "macro"] == found["balanced_accuracy", "macro"] == (1 + 1 / 2) / 2
    assert found["precision", "macro"] == 1
    assert found["f1", "macro"] == pytest.approx((1 + 2 / 3) / 2)
    # Class 0: .6 and .5 over .3 and .1. Class 1: .3 and .9 against .4 and .2: three of four pairs
    # in order.
    assert found["roc_auc", "macro"] == pytest.approx((1 + 3 / 4) / 2)


def test_queries_that_are_not_counted_change_nothing():
    random = np.random.default_rng(1)
    probabilities, labels = random.dirichlet(np.ones(4), 50), random.integers(4, size=50)
    labels_with_gaps = np.where(np.arange(50) % 3 == 0, -1, labels)
    kept = labels_with_gaps >= 0
    found = classification_metrics(from_probabilities(probabilities, labels_with_gaps), 4)
    assert found == classification_metrics(from_probabilities(probabilities[kept], labels[kept]), 4)


def test_one_class_has_no_roc_auc_and_no_query_has_nothing():
    found = classification_metrics(
        from_probabilities(np.array([[1.0], [1.0]]), np.array([0, 0])), 1
    )
    assert found["accuracy", "micro"] == 1
    assert np.isnan(found["roc_auc", "macro"])
    assert np.isnan(found["roc_auc", "micro"])
    nothing = classification_metrics(from_probabilities(np.array([[0.5, 0.5]]), np.array([-1])), 2)
    assert np.isnan(list(nothing.values())).all()


# --- votes
# ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", ["nearest", "first_class"])
def test_every_k_equals_a_loop_over_queries(ragged, weighted, ties):
    neighbors, labels, scores = random_lists(ragged=ragged)
    weights = vote_weights(scores) if weighted else None
    curve = voting_curve(neighbors, labels, range(1, 13), 6, weights=weights, ties=ties)
    values = curve.set_index(["k", "metric", "average"])["value"]
    everything = voted_predictions(neighbors, labels, range(1, 13), weights=weights, ties=ties)
    for k, predictions in everything:
        plain = None if weights is None else np.exp(scores.astype(float) / 0.07)
        probabilities, predicted = slow_votes(neighbors, k, 6, plain, ties=ties)
        matrix = listed(predictions, 6)
        np.testing.assert_allclose(
            matrix / matrix.sum(axis=1, keepdims=True), probabilities, atol=1e-12
        )
        np.testing.assert_array_equal(predictions.predicted, predicted)
        np.testing.assert_allclose(predictions.confidence, probabilities.max(axis=1), atol=1e-12)
        for (metric, average), value in sklearn_values(labels, probabilities, predicted).items():
            assert values[k, metric, average] == pytest.approx(value, abs=1e-12), (
                k,
                metric,
                average,
            )


def test_votes_in_several_blocks_are_the_same(monkeypatch):
    neighbors, labels, _ = random_lists(1, ragged=True)
    whole = voting_curve(neighbors, labels, range(1, 13), 6)
    monkeypatch.setattr(votes_module, "QUERIES_PER_BLOCK", 7)
    pd.testing.assert_frame_equal(voting_curve(neighbors, labels, range(1, 13), 6), whole)


def test_ties_go_to_the_nearest_neighbor_or_to_the_first_class():
    neighbors = np.array([[2, 1, 1, 2], [1, 0, 2, 0]])

    def predicted(k, ties):
        found = dict(voted_predictions(neighbors, np.zeros(2, int), range(1, 5), ties=ties))
        return found[k].predicted.tolist()

    assert [predicted(k, "nearest") for k in (1, 2, 3, 4)] == [[2, 1], [2, 1], [1, 1], [2, 0]]
    assert [predicted(k, "first_class") for k in (1, 2, 3, 4)] == [[2, 1], [1, 0], [1, 0], [1, 0]]
    with pytest.raises(ValueError, match="settled by 'nearest' or 'first_class'"):
        predicted(1, "random")


def test_a_grid_of_k_gives_what_every_k_gives():
    neighbors, labels, scores = random_lists(2)
    every = voting_curve(neighbors, labels, range(1, 13), 6, weights=vote_weights(scores))
    some = voting_curve(neighbors, labels, [1, 5, 12], 6, weights=vote_weights(scores))
    pd.testing.assert_frame_equal(some, every[every["k"].isin([1, 5, 12])].reset_index(drop=True))


def test_k_beyond_the_list_uses_what_there_is():
    neighbors, labels, _ = random_lists(4, k=3)
    curve = voting_curve(neighbors, labels, [3, 50], 6).set_index(["k", "metric", "average"])[
        "value"
    ]
    assert curve[50].tolist() == curve[3].tolist()


def test_all_hits_and_no_hits():
    labels = np.array([0, 1, 2, 0])
    hits = voting_curve(np.repeat(labels[:, None], 3, axis=1), labels, [1, 3], 3)
    assert set(hits.loc[hits["metric"] != "calibration_error", "value"]) == {1.0}
    assert set(hits.loc[hits["metric"] == "calibration_error", "value"]) == {0.0}
    misses = voting_curve(np.repeat((labels[:, None] + 1) % 3, 3, axis=1), labels, [1, 3], 3)
    values = misses.set_index(["k", "metric", "average"])["value"][3]
    assert values["accuracy", "micro"] == values["f1", "macro"] == values["precision", "macro"] == 0
    assert values["calibration_error", "micro"] == 1


def test_weighted_votes_prefer_a_near_neighbor_to_two_far_ones():
    neighbors, scores = np.array([[0, 1, 1]]), np.array([[0.9, 0.8, 0.8]], np.float32)
    _, (_, weighted) = voted_predictions(
        neighbors, np.array([0]), [1, 3], weights=vote_weights(scores)
    )
    _, (_, plain) = voted_predictions(neighbors, np.array([0]), [1, 3])
    share = 1 / (1 + 2 * np.exp(-0.1 / 0.07))
    assert (weighted.predicted[0], plain.predicted[0]) == (0, 1)
    assert weighted.confidence[0] == pytest.approx(share, abs=1e-6)


# --- the reference's two defects, as switches
# ------------------------------------------------------------------------


def test_capping_votes_by_the_true_class_leaks_it():
    """Two queries with the same neighbors and different labels get different probabilities, as in
    the reference."""
    neighbors = np.array([[0, 1, 1, 1, 1]] * 2)
    labels, index_images = np.array([0, 1]), np.array([1, 4])
    ((_, honest),) = voted_predictions(neighbors, labels, [5])
    ((_, leaking),) = voted_predictions(neighbors, labels, [5], at_most=index_images[labels])
    assert honest.predicted.tolist() == [1, 1]
    assert leaking.predicted.tolist() == [0, 1]
    assert leaking.confidence.tolist() == [1.0, 0.75]


@pytest.mark.parametrize("weighted", [False, True])
def test_capped_votes_equal_a_loop(weighted):
    neighbors, labels, scores = random_lists(5)
    at_most = np.array([12, 7, 5, 3, 2, 1])[labels]
    weights = vote_weights(scores) if weighted else None
    curve = voting_curve(
        neighbors, labels, [1, 4, 12], 6, weights=weights, at_most=at_most, ties="first_class"
    )
    values = curve.set_index(["k", "metric", "average"])["value"]
    for k in (1, 4, 12):
        probabilities, predicted = slow_votes(neighbors, k, 6, weights, at_most, "first_class")
        for (metric, average), value in sklearn_values(labels, probabilities, predicted).items():
            assert values[k, metric, average] == pytest.approx(value, abs=1e-12), (
                k,
                metric,
                average,
            )


def curve_of(**values):
    return pd.DataFrame(
        [("f1", "micro", int(k[1:]), value) for k, value in values.items()]
        + [("f1", "macro", 1, 0.99)],
        columns=["metric", "average", "k", "value"],
    )


def test_the_smallest_k_of_the_best_is_chosen():
    assert best_k(curve_of(k1=0.5, k2=0.7, k3=0.7, k4=0.6)) == 2
    assert best_k(curve_of(k5=0.5, k10=0.7, k20=0.9)) == 20


def test_one_neighbor_less_and_none_where_one_was_best():
    assert best_k(curve_of(k1=0.5, k2=0.6, k3=0.7), one_less=True) == 2
    none = best_k(curve_of(k1=0.9, k2=0.6), one_less=True)
    assert none == 0
    neighbors, labels, _ = random_lists()
    assert voting_curve(neighbors, labels, [none], 6)["value"].isna().all()


def test_nothing_to_choose_from():
    with pytest.raises(ValueError, match="no k has a micro F1"):
        best_k(curve_of(k1=np.nan))


# --- calibration
# ----------------------------------------------------------------------------------------------------


def test_reliability_by_hand():
    confidence, right = (
        np.array([0.0, 0.5, 0.6, 1.0, 1.0]),
        np.array([False, True, False, True, False]),
    )
    table = reliability(confidence, right, bins=2)
    assert table["queries"].tolist() == [2, 3]  # a bin holds its upper edge, so 0.5 is in the first
    assert table["accuracy"].tolist() == [0.5, pytest.approx(1 / 3)]
    assert table["confidence"].tolist() == [0.25, pytest.approx(2.6 / 3)]
    assert calibration_error(table) == pytest.approx(2 / 5 * 0.25 + 3 / 5 * (2.6 - 1) / 3)


def test_shares_of_votes_fall_on_the_edge_of_a_bin_exactly():
    for k in range(1, 200):
        shares = np.arange(k + 1) / k
        table = reliability(shares, np.ones(k + 1, bool))
        expected = np.bincount(
            [max(-(-15 * votes // k), 1) for votes in range(k + 1)], minlength=16
        )[1:]
        assert table["queries"].tolist() == expected.tolist()


def test_calibration_error_equals_torchmetrics():
    torch, calibration = (
        pytest.importorskip("torch"),
        pytest.importorskip("torchmetrics.functional.classification"),
    )
    random = np.random.default_rng(8)
    probabilities, labels = random.dirichlet(np.ones(5) / 2, 400), random.integers(5, size=400)
    found = classification_metrics(from_probabilities(probabilities, labels), 5)[
        "calibration_error", "micro"
    ]
    expected = calibration.multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(labels), num_classes=5, n_bins=15, norm="l1"
    )
    assert found == pytest.approx(float(expected), abs=1e-6)  # torchmetrics bins in float32
    assert found > 0.1


# --- one model on an experiment
# -------------------------------------------------------------------------------------


def an_experiment(val_labels="ab", patients=True):
    """Twelve index images of two labels, val and test queries, every list complete; a test query of
    an unknown label."""
    random = np.random.default_rng(6)
    rows = [(each, "train", "ab"[each % 2], f"p{each // 2}") for each in range(12)]
    rows += [(100 + each, "val", val_labels[each % 2], f"v{each}") for each in range(8)]
    rows += [
        (200 + each, "test", "abc"[each % 3 if each < 3 else each % 2], f"p{each}")
        for each in range(8)
    ]
    catalog = pd.DataFrame(rows, columns=["id", "split", "label", "patient_id"])
    catalog["label"] = "XR/chest/" + catalog["label"]
    catalog = catalog.assign(
        modality="XR", region="chest", patient_id=catalog["patient_id"] if patients else None
    )
    tables = {}
    for split in ("val", "test"):
        queries = catalog.loc[catalog["split"] == split, "id"]
        lists = [
            pd.DataFrame(
                {
                    "query": query,
                    "rank": np.arange(1, 13, dtype=np.int32),
                    "neighbor": random.permutation(12),
                }
            )
            for query in queries
        ]
        score = np.float32(np.tile(np.linspace(0.9, 0.5, 12), len(queries)))
        tables[split] = pd.concat(lists, ignore_index=True).assign(score=score)
    return tables, catalog, catalog["id"].to_numpy()


def test_k_is_chosen_on_the_validation_split_and_tested_on_the_others():
    tables, catalog, embedded = an_experiment()
    found = classify_by_neighbors(tables, catalog, embedded, "train", "val", 7, 20)
    assert set(found.chosen["query_split"]) == {"test"}
    assert set(found.chosen["selected_on"]) == {"val"}
    assert set(found.chosen["neighbors"]) == {"all", "other_patients"}
    keys = ["neighbors", "votes"]
    for (neighbors, votes), part in found.chosen.groupby(keys):
        here = found.curve[
            (found.curve["neighbors"] == neighbors) & (found.curve["votes"] == votes)
        ]
        assert set(part["k"]) == {best_k(here[here["query_split"] == "val"])}
        test = here[(here["query_split"] == "test") & here["k"].isin(part["k"])]
        assert part["value"].tolist() == test["value"].tolist()
    assert set(found.chosen["queries"]) == {7}
    assert set(found.chosen["queries_without_relevant"]) == {1}
    assert set(found.curve["k"]) == set(range(1, 8))
    for _, bins in found.reliability.groupby(keys):
        assert bins["queries"].sum() == 7
    errors = found.chosen[found.chosen["metric"] == "calibration_error"].set_index(keys)["value"]
    for key, bins in found.reliability.groupby(keys):
        assert errors[key] == pytest.approx(calibration_error(bins))


def test_accuracy_and_recall_have_an_interval_by_patient():
    tables, catalog, embedded = an_experiment()
    found = classify_by_neighbors(tables, catalog, embedded, "train", "val", 7, 20).chosen
    accuracy = found[found["metric"] == "accuracy"]
    assert len(accuracy) == 4
    for row in accuracy.itertuples():
        # Seven answered queries of seven patients.
        assert (row.low, row.high) == pytest.approx(plain_intervals.of_share(row.value, 7))
        assert row.effective_patients == pytest.approx(7)
    ends = found.set_index(["metric", "average"])[["low", "high"]].notna().all(axis=1)
    with_ends = {("f1", "micro"), ("accuracy", "micro"), ("recall", "macro"), ("balanced_accuracy", "macro")}  # fmt: skip
    assert set(ends.index[ends]) == with_ends
    # Two patients: the same values, and no interval.
    two = catalog.assign(patient_id=catalog["patient_id"].where(catalog["split"] != "test", "one"))
    two.loc[two["id"] == 200, "patient_id"] = "two"
    found = classify_by_neighbors(tables, two, embedded, "train", "val", 7, 20).chosen
    assert found["low"].isna().all() and found["high"].isna().all()


def test_who_chose_k_is_told_and_a_choice_of_few_is_marked():
    tables, catalog, embedded = an_experiment()
    asked = catalog.set_index("id").loc[tables["val"]["query"].unique()]
    patients = asked["patient_id"].nunique()
    found = classify_by_neighbors(tables, catalog, embedded, "train", "val", 7, 20)
    assert (
        found.chosen["chosen_by"].str.startswith(f"validation split, {patients} patients, ").all()
    )
    one = catalog.assign(patient_id=catalog["patient_id"].where(catalog["split"] != "val", "one"))
    found = classify_by_neighbors(tables, one, embedded, "train", "val", 7, 20)
    assert found.chosen["chosen_by"].str.startswith("validation split, 1 patient, ").all()
    assert found.chosen["doubt"].str.startswith("1 patient").all()


def test_without_a_validation_split_k_is_fixed():
    tables, catalog, embedded = an_experiment(patients=False)
    del tables["val"]
    found = classify_by_neighbors(tables, catalog, embedded, "train", None, 7, 5)
    assert set(found.chosen["k"]) == {5}
    assert set(found.chosen["selected_on"]) == {"fixed"}
    assert set(found.chosen["neighbors"]) == {"all"}
    beyond = classify_by_neighbors(tables, catalog, embedded, "train", None, 50, 20)
    assert set(beyond.chosen["k"]) == {12}, "the index holds twelve images"
    assert set(beyond.chosen["chosen_by"]) == {"fixed (20, but there are 12 neighbors)"}


def test_scores_that_are_no_cosines_weigh_no_votes():
    tables, catalog, embedded = an_experiment()
    tables = {split: table.assign(score=np.float32(np.nan)) for split, table in tables.items()}
    found = classify_by_neighbors(tables, catalog, embedded, "train", "val", 7, 20, weighted=False)
    for table in (found.curve, found.chosen, found.reliability):
        assert set(table["votes"]) == {"equal"}
    assert found.chosen["value"].notna().all()


def test_a_validation_split_without_known_labels_cannot_choose():
    tables, catalog, embedded = an_experiment(val_labels="xy")
    with pytest.raises(InputError, match="'val' cannot choose k"):
        classify_by_neighbors(tables, catalog, embedded, "train", "val", 7, 20)
