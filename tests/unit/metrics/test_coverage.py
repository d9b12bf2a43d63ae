"""How often each kind of interval contains the truth, and how often a family of tests has a wrong
verdict, at 5, 10, 30 and 100 patients of unequal size. The truth is known, the draws are seeded.

`tests/benchmarks/simulate_intervals.py` has more cases. docs/statistics.md says what follows.
"""

import numpy as np
import pytest
from scipy import stats
from simulated_patients import answers, ease, models_of_truths, sizes

from radcbir.analyses.confidence.measures import area_under_roc
from radcbir.analyses.subgroups.compute import Answers, _against_others, _gap, _groups
from radcbir.metrics.intervals import (
    Side,
    average,
    compared,
    difference_interval,
    drawn_signs,
    least_error,
    swapped,
)

PATIENTS = (5, 10, 30, 100)

DRAWS, EACH = 12, 50
"""Sizes of patients are drawn so often; each draw serves for so many experiments side by side."""


def contained(low, high, truth):
    """Whether intervals contain the truth, of those that are given."""
    low, high = np.atleast_1d(low), np.atleast_1d(high)
    return ((low <= truth + 1e-9) & (truth - 1e-9 <= high))[np.isfinite(low)].tolist()


def enough(held, least):
    """Whether as many intervals contain the truth as should, but for three binomial standard errors."""
    return len(held) > 50 and np.mean(held) >= least - 3 * np.sqrt(least * (1 - least) / len(held))


def of_averages(patients, truth):
    random, held = np.random.default_rng([patients, int(1000 * truth)]), []
    for _ in range(DRAWS):
        found = average(*answers(random, patients, "lognormal", truth, EACH))
        held += contained(*found.interval(), truth)
    return held


def of_differences(patients, truths, width=difference_interval):
    random, held = np.random.default_rng([patients, *(int(1000 * each) for each in truths)]), []
    for _ in range(DRAWS):
        values, cluster = models_of_truths(random, patients, "lognormal", truths, EACH)
        found = average(values[:, 0] - values[:, 1], cluster)
        ends = width(found.value, found.moves, found.effective)
        held += contained(*ends, truths[0] - truths[1])
    return held


AREAS = {1: 0.7602, 3: 0.9831}
"""Areas under the curve where right hits lie so far above wrong ones, both with variance 1, half of
it shared by a patient's hits: Phi(distance / sqrt(2))."""


def of_areas(patients, distance):
    random, held = np.random.default_rng([patients, distance]), []
    for _ in range(200):
        cluster = np.repeat(np.arange(patients), sizes(random, patients, "lognormal"))
        right = random.random(len(cluster)) < 0.5
        if right.all() or not right.any():
            continue
        shift = random.normal(0, np.sqrt(0.5), patients)[cluster]
        chance = distance * right + shift + random.normal(0, np.sqrt(0.5), len(cluster))
        found = area_under_roc(chance, right, cluster)
        held += contained(found.low, found.high, AREAS[distance])
    return held


def groups_of(random, patients, truths):
    """Answers of groups of so many patients with these shares of right answers, and who is in which."""
    group = np.repeat(np.arange(len(patients)), patients)
    cluster = np.repeat(np.arange(sum(patients)), sizes(random, sum(patients), "lognormal"))
    chance = ease(random, np.asarray(truths)[group], None)[cluster]
    value = (random.random(len(cluster)) < chance).astype(float)
    return Answers(value, np.zeros(len(cluster), dtype=int), cluster), group[cluster]


def of_groups(patients, truths):
    """The group of ``patients``, and another one of three times as many."""
    random = np.random.default_rng([patients, *(int(1000 * each) for each in truths)])
    held = []
    for _ in range(120):
        given, group = groups_of(random, (patients, 3 * patients), truths)
        cells, _ = _against_others(given, group == 0)
        held += contained(cells["difference_low"], cells["difference_high"], truths[0] - truths[1])
    return held


@pytest.mark.parametrize("patients", PATIENTS)
@pytest.mark.parametrize(("truth", "least"), [(0.5, 0.95), (0.9, 0.92), (0.03, 0.88), (0.97, 0.88)])
def test_the_interval_of_a_share(patients, truth, least):
    assert enough(of_averages(patients, truth), least)


@pytest.mark.parametrize("patients", PATIENTS)
@pytest.mark.parametrize(
    ("truths", "least"),
    [((0.7, 0.7), 0.95), ((0.7, 0.6), 0.94), ((0.97, 0.97), 0.95), ((0.99, 0.95), 0.91), ((0.05, 0.02), 0.93)],
)  # fmt: skip
def test_the_interval_of_a_paired_difference(patients, truths, least):
    assert enough(of_differences(patients, truths), least)


@pytest.mark.parametrize("patients", PATIENTS)
@pytest.mark.parametrize(("distance", "least"), [(1, 0.93), (3, 0.88)])
def test_the_interval_of_an_area_under_the_curve(patients, distance, least):
    assert enough(of_areas(patients, distance), least)


@pytest.mark.parametrize("patients", PATIENTS)
@pytest.mark.parametrize(
    ("truths", "least"),
    [((0.7, 0.7), 0.95), ((0.7, 0.6), 0.94), ((0.97, 0.97), 0.92), ((0.99, 0.95), 0.95), ((0.95, 0.99), 0.86)],
)  # fmt: skip
def test_the_interval_of_the_difference_of_two_groups(patients, truths, least):
    assert enough(of_groups(patients, truths), least)


def plain(difference, moves, effective):
    """Student's t on the standard error alone."""
    half = stats.t.ppf(0.975, effective - 1) * np.sqrt((moves**2).sum(axis=0))
    return difference - half, difference + half


def test_the_simulation_tells_a_difference_whose_interval_is_too_narrow():
    assert not enough(of_differences(10, (0.99, 0.95), plain), 0.91)
    assert not enough(of_differences(30, (0.99, 0.97), plain), 0.91)


def seldom(wrong, count):
    """Whether at most 5 % are wrong, but for three binomial standard errors."""
    return wrong / count <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / count)


@pytest.mark.parametrize("truth", [0.7, 0.97])
@pytest.mark.parametrize("patients", [10, 30, 100])
def test_a_family_of_models_that_are_equally_good_is_seldom_told_apart(patients, truth):
    """Of five models no pair may differ, by the maximum test."""
    random, wrong, count = np.random.default_rng([patients, int(100 * truth)]), 0, 0
    one, other = np.triu_indices(5, 1)
    for _ in range(5):
        values, cluster = models_of_truths(random, patients, "lognormal", [truth] * 5, 40)
        found = average(values.reshape(len(cluster), -1), cluster)
        (drawn,) = drawn_signs([found.totals], 300, 1)
        p = swapped(found.totals.reshape(-1, 5, 40), drawn.reshape(-1, 5, 40), one, other)
        wrong, count = wrong + (p <= 0.05).any(axis=0).sum(), count + 40
    assert seldom(wrong, count)


@pytest.mark.parametrize(
    ("patients", "truth"),
    [((20, 20, 20), 0.7), ((10, 30, 100), 0.7), ((20, 200), 0.97), ((10, 30, 100), 0.97), ((10, 100), 0.9)],
)  # fmt: skip
def test_a_family_of_groups_that_are_alike_is_seldom_told_apart(patients, truth):
    """Holm's adjustment over the groups, and Bonferroni's over their pairs, also where a small group
    is all right."""
    random, count = np.random.default_rng([*patients, int(100 * truth)]), 40
    names, groups, gaps = np.array(["a", "b", "c"][: len(patients)]), 0, 0
    for _ in range(count):
        given = groups_of(random, patients, [truth] * len(patients))
        rows = _groups(*given, names, 1)
        groups += rows["verdict"].isin(["less often", "more often"]).any()
        gaps += _gap(*given, names, rows)["verdict"] == "apart"
    assert seldom(groups, count)
    assert seldom(gaps, count)


# --- by hand: what was too narrow


def test_ten_patients_for_whom_two_models_agree_do_not_prove_that_they_always_do():
    zero = np.zeros((10, 1))
    low, high = difference_interval(np.zeros(1), zero, 10.0)
    half = stats.t.ppf(0.975, 9) * np.sqrt(2) / 12
    assert (low[0], high[0]) == pytest.approx((-half, half))
    # Of 10 patients none differs: with probability 2.5 % up to 1 - 0.025^(1/10) = 31 % would.
    assert half == pytest.approx(1 - 0.025 ** (1 / 10), abs=0.05)


def test_a_difference_that_one_patient_makes_rests_on_that_patient():
    found = average(np.eye(10)[:, :1], np.arange(10))  # one patient of ten, all for one model
    low, high = difference_interval(found.value, found.moves, found.effective)
    # His move is (1 - 0.1) / 10, enlarged by sqrt(10 / 9) for what he takes away from it himself.
    move = 0.09 * np.sqrt(10 / 9)
    squared = 0.9 * 0.1 / 9 + 2 * (10 * move / 12) ** 2
    half = stats.t.ppf(0.975, 9) * np.sqrt(squared)
    assert (low[0], high[0]) == pytest.approx((0.1 - half, 0.1 + half))


def test_a_difference_that_many_patients_make_has_the_textbook_interval():
    values = np.random.default_rng(0).normal(0, 0.01, (30, 1))
    found = average(values, np.arange(30))
    low, high = difference_interval(found.value, found.moves, found.effective)
    half = stats.t.ppf(0.975, 29) * stats.sem(values[:, 0])
    assert (low[0], high[0]) == pytest.approx((values.mean() - half, values.mean() + half))


def test_six_patients_who_are_all_right_are_not_better_than_nine_of_ten():
    """By chance 6 of 6 are right in 53 of 100 such groups: 0.9^6."""
    all_right = Side(1.0, np.zeros(106), 6.0)
    values = np.repeat([1.0, 0.0], [90, 10])
    moves = np.append(np.zeros(6), (values - 0.9) / 100)
    low, high, p = compared(all_right, Side(0.9, moves, 100.0))
    assert p > 0.3
    assert low < 0 < high
    # Half the score interval of 6 of 6, over the quantile of t.
    squared = stats.t.ppf(0.975, 5) ** 2
    assert least_error(1.0, 0.0, 6.0) == pytest.approx(
        squared / 6 / (1 + squared / 6) / 2 / np.sqrt(squared)
    )


def test_a_difference_in_the_middle_has_the_textbook_interval():
    """Two groups of 20 patients with one query each: no patient is on both sides."""
    random = np.random.default_rng(1)
    values = random.random((2, 20)) * 0.6 + 0.2
    moves = np.zeros((2, 40))
    moves[0, :20], moves[1, 20:] = (values - values.mean(axis=1, keepdims=True)) / 20
    sides = [Side(float(values[each].mean()), moves[each], 20.0) for each in (0, 1)]
    low, high, p = compared(*sides)
    error = np.sqrt((moves**2).sum() * 40 / 39)
    difference = values[0].mean() - values[1].mean()
    half = stats.t.ppf(0.975, 19) * error
    assert (low, high) == pytest.approx((difference - half, difference + half))
    assert p == pytest.approx(2 * stats.t.sf(abs(difference) / error, 19))
    assert compared(*sides, tests=3)[2] == pytest.approx(min(1, 3 * p))
