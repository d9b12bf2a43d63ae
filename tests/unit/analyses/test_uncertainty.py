"""Bootstrap by patient: a plain loop, SciPy, data whose spread is known, and what the tables
say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from radcbir.analyses.uncertainty import compute
from radcbir.analyses.uncertainty.compute import (
    METRICS,
    bootstrap,
    interval,
    mean_rank,
    resampled_means,
    share_first,
)


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


def by_loop(values, answered, labels, clusters, resamples, seed):
    """The same draws, one query at a time: micro and macro of one metric of one model."""
    random, count = np.random.default_rng(seed), clusters.max() + 1
    micro, macro = [], []
    for _ in range(resamples):
        taken, by_class = [], {}
        for cluster in random.integers(0, count, count):
            for query in np.flatnonzero(clusters == cluster):
                if answered[query]:
                    taken.append(values[query])
                    by_class.setdefault(labels[query], []).append(values[query])
        micro.append(np.mean(taken))
        macro.append(np.mean([np.mean(each) for each in by_class.values()]))
    return np.array(micro), np.array(macro)


@pytest.mark.parametrize("block", [7, 50])
def test_resampled_means_equal_a_plain_loop_whatever_the_blocks(monkeypatch, block):
    monkeypatch.setattr(compute, "RESAMPLES_PER_BLOCK", block)
    random = np.random.default_rng(1)
    # The rare class 2 lies in one patient, so that some resamples lack it.
    clusters = np.repeat(np.arange(9), [1, 5, 2, 2, 7, 1, 3, 4, 5])
    labels = np.where(clusters == 3, 2, np.arange(30) % 2)
    values, answered = random.random((30, 2, 3)), random.random((30, 2)) < 0.8
    micro, macro = resampled_means(values, answered, labels, clusters, 40, 5)
    assert micro.shape == macro.shape == (40, 2, 3)
    for model in range(2):
        for metric in range(3):
            expected = by_loop(
                values[:, model, metric], answered[:, model], labels, clusters, 40, 5
            )
            np.testing.assert_allclose(micro[:, model, metric], expected[0], rtol=1e-12)
            np.testing.assert_allclose(macro[:, model, metric], expected[1], rtol=1e-12)


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


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(8)
    clusters, answered = np.repeat(np.arange(80), 3), np.ones((240, 1), dtype=bool)
    # 200 experiments side by side, as metrics of one model: patients of mixed ease, half of all
    # queries are hits.
    ease = np.clip(random.normal(0.5, 0.2, (80, 200)), 0, 1)[clusters]
    hits = (random.random((240, 200)) < ease).astype(float)
    low, high = interval(
        resampled_means(hits[:, None], answered, np.zeros(240, dtype=int), clusters, 1000, 0)[0]
    )
    held = ((low <= 0.5) & (high >= 0.5)).mean()
    assert 0.90 <= held <= 0.985


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
    assert (differences[["difference", "low", "high"]].to_numpy() == 0).all()
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
    assert not bootstrap(tables, patients, 100, 1)[0]["low"].equals(first[0]["low"])


def test_the_interval_is_that_of_percentiles():
    low, high = interval(np.arange(1001.0)[:, None])
    assert (low[0], high[0]) == pytest.approx((25, 975))
