"""Bootstrap by patient: a plain loop, SciPy, data whose spread is known, and what the tables
say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from radcbir.analyses.uncertainty.compute import METRICS, bootstrap, mean_rank, share_first


def queries(patients, images, models, seed=0, spread=0.3):
    """Per-query tables of patients with ``images`` queries each, alike within a patient, and the
    patients by id."""
    random = np.random.default_rng(seed)
    ids = np.arange(patients * images) + 1000
    patient = np.repeat(np.arange(patients), images)
    ease = random.normal(0.5, spread, patients)[patient]
    tables = {}
    for model, shift in models.items():
        hits = (random.random(len(ids)) < np.clip(ease + shift, 0, 1)).astype(float)
        table = dict.fromkeys(METRICS, hits)
        tables[model] = pd.DataFrame(
            {
                "query_split": "test",
                "neighbors": "all",
                "query": ids,
                "label": np.where(ids % 3 == 0, "a", "b"),
            }
            | {"relevant_in_index": 5}
            | table
        )
    return tables, pd.Series([f"p{each}" for each in patient], index=ids)


def test_intervals_agree_with_scipy_over_patients():
    tables, patients = queries(60, 5, {"net": 0.1})
    intervals, _, _ = bootstrap(tables, patients, 4000, 3)
    row = intervals[
        (intervals["metric"] == "precision_at_1") & (intervals["average"] == "micro")
    ].iloc[0]
    hits = tables["net"]["precision_at_1"].to_numpy().reshape(60, 5).sum(axis=1)
    peer = stats.bootstrap(
        (hits, np.full(60, 5)), lambda hits, sizes, axis=-1: hits.sum(axis=axis) / sizes.sum(axis=axis),
        paired=True, vectorized=True, n_resamples=4000, method="percentile", rng=9,
    )  # fmt: skip
    assert (row["low"], row["high"]) == pytest.approx(tuple(peer.confidence_interval), abs=0.012)
    assert row["value"] == pytest.approx(tables["net"]["precision_at_1"].mean(), abs=1e-12)
    assert (row["resampled"], row["clusters"], row["queries"]) == ("patient", 60, 300)


def test_images_of_one_patient_are_not_independent():
    """Ten images that are all alike tell as much as one: by image the interval would be sqrt(10)
    times too narrow."""
    tables, patients = queries(50, 10, {"net": 0}, spread=10)
    by_patient = bootstrap(tables, patients, 1000, 0)[0].iloc[0]
    by_image = bootstrap(tables, patients.where(patients == "nobody"), 1000, 0)[0].iloc[0]
    assert by_image["resampled"] == "image" and by_image["clusters"] == 500
    ratio = (by_patient["high"] - by_patient["low"]) / (by_image["high"] - by_image["low"])
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)
    assert by_patient["value"] == by_image["value"]


def test_patients_that_are_partly_known_are_said_to_be():
    tables, patients = queries(4, 3, {"net": 0})
    patients.iloc[:3] = None
    row = bootstrap(tables, patients, 100, 0)[0].iloc[0]
    assert (row["resampled"], row["clusters"]) == ("patient, or image where unknown", 6)


def test_a_difference_is_model_minus_other_on_the_same_resamples():
    tables, patients = queries(40, 4, {"good": 0, "bad": 0})
    for metric in METRICS:  # wrong wherever the good one is, and for ten further patients
        tables["bad"][metric] = tables["good"][metric] * (np.arange(160) >= 40)
    _, differences, ranks = bootstrap(tables, patients, 500, 1)
    row = differences[
        (differences["metric"] == "precision_at_1") & (differences["average"] == "micro")
    ].iloc[0]
    assert (row["model"], row["other"]) == ("good", "bad")
    expected = tables["good"]["precision_at_1"].mean() - tables["bad"]["precision_at_1"].mean()
    assert row["difference"] == pytest.approx(expected, abs=1e-12) and expected > 0
    assert row["low"] > 0 and row["distinguishable"]
    assert row["verdict"] == "better" and row["p_adjusted"] <= 0.05
    first = ranks[(ranks["metric"] == "precision_at_1") & (ranks["average"] == "micro")].set_index(
        "model"
    )["first"]
    assert first["good"] == 1 and first["bad"] == 0


def test_a_paired_difference_is_surer_than_two_intervals():
    """Two models that differ on few patients: their intervals overlap, the interval of the
    difference leaves 0 out."""
    tables, patients = queries(100, 2, {"one": 0, "other": 0}, spread=0.5)
    for metric in METRICS:
        tables["other"][metric] = np.where(np.arange(200) % 12 == 0, 0.0, tables["one"][metric])
    intervals, differences, _ = bootstrap(tables, patients, 500, 2)
    one, other = (
        intervals[intervals["metric"] == "precision_at_1"]
        .groupby("model", sort=False)
        .first()
        .itertuples()
    )
    assert other.high > one.low
    assert differences.iloc[0]["distinguishable"]


def test_equal_models_share_the_first_rank_and_differ_by_nothing():
    tables, patients = queries(20, 2, {"one": 0})
    for metric in METRICS:  # figures that binary fractions cannot hold
        tables["one"][metric] = tables["one"][metric] / 3 + 0.1
    tables |= {"twin": tables["one"].copy(), "third": tables["one"].copy()}
    _, differences, ranks = bootstrap(tables, patients, 200, 0)
    assert (differences["difference"] == 0).all()
    # Twenty patients for whom they agree do not prove that they always do.
    half = stats.t.ppf(0.975, 19) * np.sqrt(2) / 22
    micro = differences[differences["average"] == "micro"]
    np.testing.assert_allclose(micro["high"], half)
    np.testing.assert_allclose(differences["low"], -differences["high"])
    assert not differences["distinguishable"].any()
    assert ranks["first"].to_numpy() == pytest.approx(1 / 3) and (ranks["mean_rank"] == 2).all()


def test_ranks_by_hand():
    drawn = np.array([[0.3, 0.2, 0.1], [0.3, 0.3, 0.1], [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(share_first(drawn), [0.5, 1 / 6, 1 / 3])
    expected = [stats.rankdata(-row) for row in drawn]
    np.testing.assert_allclose(mean_rank(drawn), np.mean(expected, axis=0))


def test_models_are_paired_on_the_queries_that_all_answered():
    tables, patients = queries(10, 3, {"all": 0, "fewer": 0, "unanswered": 0})
    tables["fewer"] = tables["fewer"].iloc[4:].copy()
    lone = tables["unanswered"].index[-1]
    tables["unanswered"].loc[lone, "relevant_in_index"] = 0
    tables["unanswered"].loc[lone, list(METRICS)] = np.nan
    intervals, differences, ranks = bootstrap(tables, patients, 200, 0)
    assert intervals.groupby("model", sort=False)["queries"].first().tolist() == [30, 26, 29]
    pair = differences[(differences["model"] == "all") & (differences["other"] == "fewer")].iloc[0]
    assert (pair["queries"], pair["model_only"], pair["other_only"]) == (25, 5, 1)
    expected = tables["all"]["ndcg"].iloc[4:29].mean() - tables["fewer"]["ndcg"].iloc[:25].mean()
    assert pair["difference"] == pytest.approx(expected, abs=1e-12)
    assert (ranks["queries"] == 25).all()
    assert intervals[["value", "low", "high"]].notna().all(axis=None)


def test_one_patient_gives_no_interval_and_an_unknown_metric_no_value():
    tables, patients = queries(1, 6, {"one": 0, "other": 0})
    intervals, differences, ranks = bootstrap(tables, patients, 100, 0)
    assert intervals["value"].notna().all() and intervals[["low", "high"]].isna().all(axis=None)
    assert not differences["distinguishable"].any() and ranks["first"].isna().all()
    tables, patients = queries(5, 4, {"one": 0})
    tables["one"].loc[3, "hit_rate_at_10"] = np.nan  # a list too short to tell
    intervals = bootstrap(tables, patients, 100, 0)[0].set_index("metric")
    assert intervals.loc["hit_rate_at_10", ["value", "low", "high"]].isna().all(axis=None)
    assert intervals.drop(index="hit_rate_at_10")["low"].notna().all()


def test_the_order_of_rows_changes_nothing_and_the_seed_does():
    tables, patients = queries(30, 3, {"one": 0, "other": 0.1})
    shuffled = {model: table.sample(frac=1, random_state=4) for model, table in tables.items()}
    first, again = (
        bootstrap(tables, patients, 100, 0),
        bootstrap(shuffled, patients.sample(frac=1, random_state=1), 100, 0),
    )
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
    other_seed = bootstrap(tables, patients, 100, 1)
    assert other_seed[0].equals(first[0]), "nothing is drawn for an interval"
    assert not other_seed[1]["p_adjusted"].equals(first[1]["p_adjusted"])


def planted(patients, misses):
    """Two models on ``patients`` with five queries each: equal but that the first lacks the ten
    queries that the other one misses where it would miss them, too."""
    tables, known = queries(patients, 5, {"picky": 0})
    hits = np.ones(patients * 5)
    hits[misses] = 0
    for metric in METRICS:
        tables["picky"][metric] = hits
    tables["whole"] = tables["picky"].copy()
    return tables, known


def test_the_best_is_judged_on_the_queries_that_all_answered():
    """A model that rejects ten of its misses has the higher figure of its own, and the lower one
    on the same queries."""
    tables, patients = planted(40, np.arange(0, 200, 4))
    kept = np.ones(200, dtype=bool)
    kept[np.arange(0, 40, 4)] = False
    picky = tables["picky"].iloc[kept].copy()
    for metric in METRICS:
        picky.loc[picky.index[1:8], metric] = 0.0
    tables["picky"] = picky
    intervals, differences, ranks = bootstrap(tables, patients, 200, 0)
    chosen = (intervals["metric"] == "precision_at_1") & (intervals["average"] == "micro")
    own = intervals[chosen].set_index("model")
    assert own.loc["picky", "value"] > own.loc["whole", "value"] == 0.75
    assert own.loc["picky", "common_value"] < own.loc["whole", "common_value"]
    assert own["queries"].to_dict() == {"picky": 190, "whole": 200}
    assert own["lacking_queries"].to_dict() == {"picky": 10, "whole": 0}
    assert own["common_queries"].tolist() == [190, 190]
    expected = tables["whole"]["precision_at_1"].to_numpy()[kept].mean()
    assert own.loc["whole", "common_value"] == pytest.approx(expected)
    assert (own["common_low"] < own["common_value"]).all()
    first = ranks[(ranks["metric"] == "precision_at_1") & (ranks["average"] == "micro")]
    assert first.set_index("model")["first"]["whole"] > 0.9
    pair = differences[(differences["metric"] == "precision_at_1")].iloc[0]
    difference = own.loc["picky", "common_value"] - own.loc["whole", "common_value"]
    assert pair["difference"] == pytest.approx(difference)


@pytest.mark.parametrize(
    ("patients", "caution", "verdict"),
    [(2, "no interval", "too few patients"), (5, "no verdict", "too few patients"),
     (8, "few patients", "better"), (45, "", "better")],
)  # fmt: skip
def test_few_patients_give_a_warning_no_verdict_and_no_interval(patients, caution, verdict):
    """However clear it looks: one model is right always, the other never."""
    tables, known = planted(patients, [])
    for metric in METRICS:
        tables["whole"][metric] = 0.0
    intervals, differences, ranks = bootstrap(tables, known, 500, 0)
    assert set(intervals["caution"]) == {caution}
    assert set(differences["verdict"]) == {verdict}
    assert intervals["effective_clusters"].iloc[0] == pytest.approx(patients)
    assert intervals["low"].isna().all() == (patients == 2)
    assert ranks["first"].isna().all() == (patients < 6)


def test_where_all_are_right_the_interval_is_not_a_point():
    tables, known = planted(10, [])
    row = bootstrap(tables, known, 100, 0)[0].iloc[0]
    assert row["value"] == row["high"] == 1
    assert row["low"] == pytest.approx(10 / (10 + stats.t.ppf(0.975, 9) ** 2))


def test_a_split_without_any_answer_has_neither_interval_nor_verdict():
    tables, known = planted(6, [])
    for table in tables.values():
        table["relevant_in_index"] = 0
    intervals, differences, ranks = bootstrap(tables, known, 100, 0)
    assert intervals[["value", "low", "high"]].isna().all(axis=None)
    assert set(intervals["caution"]) == {"no interval"} and (intervals["queries"] == 0).all()
    assert set(differences["verdict"]) == {"too few patients"} and ranks["first"].isna().all()
