"""Intervals and verdicts: simulations of which the truth is known, plain loops, figures by hand.

``tests/benchmarks/simulate_intervals.py`` prints the same simulations for many more cases.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_patients import answers, answers_by_class, equal_models

from radcbir.metrics.intervals import (
    average,
    caution,
    class_means,
    difference_interval,
    drawn_signs,
    multiple,
    patients_as_clusters,
    score_interval,
    swapped,
)

EXPERIMENTS = 2000

DRAWS_OF_SIZES = 20
"""Sizes of patients are drawn so often; each draw serves for as many experiments side by side."""


def tolerance(share, experiments=EXPERIMENTS):
    """Three binomial standard errors of a share."""
    return 3 * np.sqrt(share * (1 - share) / experiments)


def coverage(make, truth):
    """How often the interval of the average holds the truth, among those that are given."""
    held = []
    for _ in range(DRAWS_OF_SIZES):
        low, high = average(*make(EXPERIMENTS // DRAWS_OF_SIZES)).interval()
        given = np.isfinite(low)
        held += ((low <= truth) & (truth <= high))[given].tolist()
    return np.mean(held)


@pytest.mark.parametrize("kind", ["equal", "lognormal"])
@pytest.mark.parametrize("truth", [0.7, 0.9])
@pytest.mark.parametrize("patients", [6, 10, 20, 50, 100])
def test_intervals_hold_the_truth_as_often_as_they_say(patients, truth, kind):
    random = np.random.default_rng([patients, int(10 * truth), len(kind)])
    found = coverage(lambda count: answers(random, patients, kind, truth, count), truth)
    least = 0.94 if kind == "equal" and truth == 0.7 else 0.92
    assert least - tolerance(least) <= found


def percentile_coverage(patients, truth, kind):
    """The same for the plain percentile interval of the cluster bootstrap."""
    random, held = np.random.default_rng(3), []
    for _ in range(20):
        values, cluster = answers(random, patients, kind, truth, 20)
        drawn = random.multinomial(patients, np.full(patients, 1 / patients), 400)
        sums = np.zeros((patients, 20))
        np.add.at(sums, cluster, values)
        means = drawn @ sums / (drawn @ np.bincount(cluster))[:, None]
        low, high = np.quantile(means, [0.025, 0.975], axis=0)
        held += ((low <= truth) & (truth <= high)).tolist()
    return np.mean(held)


def test_the_simulation_tells_an_interval_that_is_too_narrow():
    assert percentile_coverage(10, 0.9, "lognormal") < 0.92 - tolerance(0.92, 400)


@pytest.mark.parametrize("kind", ["equal", "lognormal"])
@pytest.mark.parametrize(
    "patients",
    [[1] * 13 + [2] * 8 + [3] * 5 + [5] * 3 + [10] * 2, [3] * 4, [1] * 8, [10] * 10, [1, 9, 30]],
    ids=["13 of 31 classes with one", "4 with 3", "8 with one", "10 with 10", "1, 9, 30"],
)
def test_macro_averages_keep_all_classes_and_hold_the_truth(patients, kind):
    random = np.random.default_rng([sum(patients), len(kind)])
    truths = np.linspace(0.65, 0.95, len(patients))
    found = coverage(
        lambda count: answers_by_class(random, patients, truths, kind, count), truths.mean()
    )
    assert 0.92 - tolerance(0.92) <= found


MODELS_ALIKE = 400


def wrong_verdicts(patients, kind, truth, macro, adjusted=True):
    """How often at least one of eight equally good models is called different from another."""
    random, wrong = np.random.default_rng([patients, len(kind), int(10 * truth)]), 0
    for _ in range(8):
        values, cluster = equal_models(random, patients, kind, truth, MODELS_ALIKE // 8)
        models, experiments = values.shape[1:]
        classes = random.integers(0, 5, len(cluster)) if macro else None
        found = average(values.reshape(len(cluster), -1), cluster, classes)
        totals, moves = (
            each.reshape(-1, models, experiments) for each in (found.totals, found.moves)
        )
        one, other = np.triu_indices(models, 1)
        if adjusted:
            (drawn,) = drawn_signs([found.totals], 400, 1)
            different = swapped(totals, drawn.reshape(-1, models, experiments), one, other) <= 0.05
        else:
            difference = (
                found.value.reshape(models, -1)[one] - found.value.reshape(models, -1)[other]
            )
            ends = [
                difference_interval(
                    difference[pair], moves[:, left] - moves[:, right], found.effective
                )
                for pair, (left, right) in enumerate(zip(one, other, strict=True))
            ]
            different = np.array([(low > 0) | (high < 0) for low, high in ends])
        wrong += different.any(axis=0).sum()
    return wrong / MODELS_ALIKE


@pytest.mark.parametrize("macro", [False, True], ids=["micro", "macro"])
@pytest.mark.parametrize(
    ("patients", "kind", "truth"),
    [(8, "equal", 0.7), (20, "equal", 0.7), (20, "lognormal", 0.9), (100, "lognormal", 0.7)],
)
def test_eight_equal_models_are_seldom_told_apart(patients, kind, truth, macro):
    assert wrong_verdicts(patients, kind, truth, macro) <= 0.05 + tolerance(0.05, MODELS_ALIKE)


def test_without_adjustment_they_often_are():
    assert wrong_verdicts(20, "equal", 0.7, False, adjusted=False) > 0.3


@pytest.mark.parametrize("kind", ["equal", "lognormal"])
@pytest.mark.parametrize("patients", [8, 20, 60])
def test_intervals_of_differences_hold_the_truth(patients, kind):
    random, held = np.random.default_rng([patients, len(kind)]), []
    for _ in range(DRAWS_OF_SIZES):
        values, cluster = equal_models(random, patients, kind, 0.8, 50, models=2)
        found = average(values.reshape(len(cluster), -1), cluster)
        value, moves = found.value.reshape(2, -1), found.moves.reshape(-1, 2, 50)
        low, high = difference_interval(
            value[0] - value[1], moves[:, 0] - moves[:, 1], found.effective
        )
        held += ((low <= 0) & (high >= 0))[np.isfinite(low)].tolist()
    assert 0.94 - tolerance(0.94, 1000) <= np.mean(held)


def test_a_real_difference_is_found():
    """Of eight models one errs twice as often: its pairs differ, the others do not."""
    random = np.random.default_rng(2)
    values, cluster = equal_models(random, 80, "equal", 0.8, 1)
    values[:, 0] *= random.random((len(cluster), 1)) < 0.75
    found = average(values[:, :, 0], cluster)
    (drawn,) = drawn_signs([found.totals], 1000, 0)
    one, other = np.triu_indices(8, 1)
    p = swapped(found.totals[:, :, None], drawn[:, :, None], one, other)[:, 0]
    assert (p[one == 0] <= 0.05).all() and (p[one > 0] > 0.05).all()


# --- by hand and by a second implementation


def test_equal_patients_give_the_textbook_standard_error():
    random = np.random.default_rng(0)
    values = random.random((30, 4))  # ten patients with three queries each
    found = average(values, np.repeat(np.arange(10), 3))
    means = values.reshape(10, 3, 4).mean(axis=1)
    np.testing.assert_allclose(found.value, means.mean(axis=0))
    np.testing.assert_allclose(found.error, stats.sem(means, axis=0))
    np.testing.assert_allclose(found.totals.sum(axis=0), found.value)
    assert found.effective == pytest.approx(10)


def test_the_error_of_a_macro_average_is_that_of_independent_classes():
    random = np.random.default_rng(1)
    values, classes = random.random((21, 1)), np.repeat([0, 1, 2], [12, 6, 3])
    clusters = np.concatenate([np.repeat(np.arange(6), 2), np.arange(6, 12), np.arange(12, 15)])
    found = average(values, clusters, classes)
    errors = [
        stats.sem(values[:12].reshape(6, 2).mean(axis=1)),
        stats.sem(values[12:18, 0]),
        stats.sem(values[18:, 0]),
    ]
    assert found.error[0] == pytest.approx(np.sqrt(np.square(errors).sum()) / 3)
    means = [values[classes == each].mean() for each in range(3)]
    assert found.value[0] == pytest.approx(np.mean(means))
    # Shares in the average: 1/18 each of six patients, 1/18 of six, 1/9 of three.
    assert found.effective == pytest.approx(1 / (12 / 18**2 + 3 / 9**2))
    assert found.lone_classes == 0


def test_unequal_patients_by_hand():
    # Patient 0 has three queries, all right; patient 1 has one, wrong.
    found = average(np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([0, 0, 0, 1]))
    assert found.value[0] == 0.75
    assert found.effective == pytest.approx(16 / 10)
    # Deviations 0.25 and -0.75; what is left of their variance: 1 - 2 s + (9 + 1) / 16.
    left = np.array([1 - 6 / 4 + 10 / 16, 1 - 2 / 4 + 10 / 16])
    moves = np.array([0.75 * 0.25, 0.25 * -0.75]) / np.sqrt(left)
    np.testing.assert_allclose(found.moves[:, 0], moves)
    assert np.isnan(found.interval()).all(), "1.6 effective patients are no 3"


def test_the_interval_by_hand_and_where_nobody_errs():
    low, high = score_interval(np.array([0.8, 1.0]), np.array([0.1, 0.0]), np.array([10.0, 10.0]))
    squared = stats.t.ppf(0.975, 9) ** 2
    # Wilson: the shares p with (0.8 - p)^2 = t^2 p (1 - p) / n, n = 0.16 / 0.01.
    roots = np.roots([1 + squared / 16, -(2 * 0.8 + squared / 16), 0.64])
    assert sorted(roots) == pytest.approx([low[0], high[0]])
    assert (low[1], high[1]) == pytest.approx((10 / (10 + squared), 1))


def test_a_class_with_one_patient_counts_and_has_the_spread_of_others():
    values = np.array([[0.2], [0.6], [0.4], [1.0]])
    found = average(values, np.arange(4), np.array([0, 0, 0, 1]))
    assert found.value[0] == pytest.approx((0.4 + 1) / 2) and found.lone_classes == 1
    # Its distance from the mean of both classes, 0.3 sqrt(2), is larger than the others' 0.2.
    assert found.error[0] == pytest.approx(np.sqrt(0.2**2 / 3 + 0.3**2 * 2) / 2)
    values[3] = 0.4  # now the patients' deviation in the other class is larger: 0.2
    found = average(values, np.arange(4), np.array([0, 0, 0, 1]))
    assert found.error[0] == pytest.approx(np.sqrt(0.2**2 / 3 + 0.2**2) / 2)


def test_a_patient_in_several_classes_moves_them_together():
    """Two classes, each patient with the same value in both: as sure as one class, not surer."""
    random = np.random.default_rng(4)
    values = random.random((9, 1))
    both = average(np.tile(values, (2, 1)), np.tile(np.arange(9), 2), np.repeat([0, 1], 9))
    assert both.error[0] == pytest.approx(average(values, np.arange(9)).error[0])
    assert both.effective == pytest.approx(9)


def test_standard_errors_agree_with_resampled_patients():
    """The spread of plain bootstrap means, micro and macro, with patients of all sizes."""
    random = np.random.default_rng(5)
    sizes = random.integers(1, 9, 150)
    cluster = np.repeat(np.arange(150), sizes)
    ease = random.random(150)[cluster]
    values = (random.random(len(cluster)) < ease).astype(float)
    classes = (cluster % 7 == 0).astype(int)
    means = {"micro": [], "macro": []}
    rows = [np.flatnonzero(cluster == each) for each in range(150)]
    for _ in range(1500):
        taken = np.concatenate([rows[each] for each in random.integers(0, 150, 150)])
        means["micro"].append(values[taken].mean())
        means["macro"].append(
            np.mean([values[taken][classes[taken] == each].mean() for each in (0, 1)])
        )
    micro = average(values[:, None], cluster).error[0]
    macro = average(values[:, None], cluster, classes).error[0]
    assert micro == pytest.approx(np.std(means["micro"]), rel=0.08)
    assert macro == pytest.approx(np.std(means["macro"]), rel=0.08)


def test_class_intervals_are_those_of_each_class_alone():
    random = np.random.default_rng(6)
    cluster, classes = random.integers(0, 12, 80), random.integers(0, 3, 80)
    values = random.random((80, 2))
    found = class_means(values, cluster, classes)
    low, high = found.intervals()
    for code in range(3):
        alone = average(values[classes == code], cluster[classes == code])
        np.testing.assert_allclose(found.value[code], alone.value)
        np.testing.assert_allclose((low[code], high[code]), alone.interval())
        assert found.effective[code] == pytest.approx(alone.effective)
        assert found.patients[code] == len(np.unique(cluster[classes == code]))


def test_adjusted_p_is_the_share_of_all_swaps_that_reach_as_far():
    """Six patients, three models: all 64 ways to change sides, one after the other."""
    random = np.random.default_rng(7)
    totals = random.normal(0, 1, (6, 3, 1)) + np.array([0, 0.2, 2.5])[:, None]
    one, other = np.triu_indices(3, 1)
    pairs = totals[:, one, 0] - totals[:, other, 0]
    scale = np.sqrt((pairs**2).sum(axis=0))
    observed = np.abs(pairs.sum(axis=0)) / scale
    largest = [
        (np.abs(np.array(signs) @ pairs) / scale).max()
        for signs in itertools.product([1, -1], repeat=6)
    ]
    exact = np.mean(np.array(largest)[:, None] >= observed - 1e-9, axis=0)
    (drawn,) = drawn_signs([totals[:, :, 0]], 20_000, 0)
    found = swapped(totals, drawn[:, :, None], one, other)[:, 0]
    np.testing.assert_allclose(found, exact, atol=0.012)
    assert exact.min() <= 0.05 < exact.max(), "the case tells a difference from none"


def test_five_patients_are_too_few_for_any_verdict_of_swaps():
    totals = np.zeros((5, 2, 1))
    totals[:, 0] = 1  # one model is right wherever the other is wrong
    (drawn,) = drawn_signs([totals[:, :, 0]], 4000, 0)
    p = swapped(totals, drawn[:, :, None], np.array([0]), np.array([1]))
    assert p[0, 0] == pytest.approx(2 / 2**5, abs=0.012) and p[0, 0] > 0.05


def test_drawn_signs_do_not_cost_memory_per_patient_and_add_up(monkeypatch):
    monkeypatch.setattr(multiple, "PATIENTS_PER_BLOCK", 4)
    rows = np.random.default_rng(8).random((11, 2))
    once, twice = drawn_signs([rows, 2 * rows], 300, 5)
    np.testing.assert_allclose(twice, 2 * once)
    reachable = {
        round(float(np.array(signs) @ rows[:, 0]), 9)
        for signs in itertools.product([1, -1], repeat=11)
    }
    assert {round(each, 9) for each in once[:, 0]} <= reachable
    assert once.mean(axis=0) == pytest.approx([0, 0], abs=4 * np.sqrt((rows**2).sum() / 300))


# --- little to go by


@pytest.mark.parametrize(
    ("effective", "expected"),
    [(0, "no interval"), (2.9, "no interval"), (1 / (3 * (1 / 3) ** 2), "no verdict"),
     (5.9, "no verdict"), (6, "few patients"), (39.9, "few patients"), (40, "")],
)  # fmt: skip
def test_what_few_patients_do_not_allow(effective, expected):
    assert caution(effective) == expected


def test_no_query_one_patient_and_unknown_values_give_no_interval():
    empty = average(np.zeros((0, 2)), np.zeros(0, dtype=int), None, 3)
    assert np.isnan(empty.value).all() and np.isnan(empty.interval()).all()
    assert empty.effective == 0 and empty.totals.shape == (3, 2)
    one = average(np.array([[1.0], [0.0]]), np.array([0, 0]), np.array([0, 1]))
    assert one.value[0] == 0.5 and np.isnan(one.interval()).all()
    unknown = average(np.array([[1.0, 1.0], [np.nan, 0.0], [0.0, 0.0]]), np.arange(3))
    low, high = unknown.interval()
    assert np.isnan((low[0], high[0], unknown.value[0])).all() and low[1] < 1 / 3 < high[1]


def test_patients_that_are_partly_known():
    codes, unit = patients_as_clusters(pd.Series(["a", None, "b", "a", None]))
    assert len(set(codes)) == 4 and codes[0] == codes[3] and unit.startswith("patient, or image")
    assert patients_as_clusters(pd.Series([None, None]))[1] == "image"
    assert patients_as_clusters(pd.Series(["a", "a"]))[0].tolist() == [0, 0]
