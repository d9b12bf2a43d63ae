"""Splits by patient: right in their sizes label by label, alike in every run, kept when others come."""

import numpy as np
import pandas as pd
import pytest

from radcbir.datasets.splits import drawn_splits

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def names(count, start="p"):
    return pd.Series([f"{start}{number}" for number in range(count)])


def sizes(splits):
    return [int((splits == name).sum()) for name in SHARES]


@pytest.mark.parametrize(
    ("patients", "expected"),
    [(1, [1, 0, 0]), (2, [1, 0, 1]), (3, [2, 0, 1]), (10, [7, 1, 2]), (15, [11, 1, 3])],
)
@pytest.mark.parametrize("seed", range(5))
def test_few_patients_are_split_by_their_shares(patients, expected, seed):
    assert sizes(drawn_splits(names(patients), SHARES, seed)) == expected


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("count", [30, 100, 400, 3000])
def test_many_patients_are_split_within_the_slack(seed, count):
    bounds = np.cumsum(sizes(drawn_splits(names(count), SHARES, seed)))[:2]
    assert (np.abs(bounds - count * np.array([0.7, 0.8])) <= max(1, 0.04 * count)).all()
    assert min(sizes(drawn_splits(names(count), SHARES, seed))) > 0


def test_labels_are_each_in_every_split_and_the_total_is_right():
    patients = pd.concat([names(7, f"c{label}p") for label in range(31)], ignore_index=True)
    labels = [[f"XR/chest/{number // 7}"] for number in range(len(patients))]
    found = drawn_splits(patients, SHARES, 0, labels)
    table = pd.crosstab([each[0] for each in labels], found)
    # 7 patients are 4.9, 0.7 and 1.4
    assert table["train"].isin([4, 5]).all() and table["test"].isin([1, 2]).all()
    assert sizes(found) == pytest.approx([217 * 0.7, 217 * 0.1, 217 * 0.2], abs=1)
    small = pd.concat([names(3, f"c{label}p") for label in range(30)], ignore_index=True)
    labels = [[f"XR/chest/{number // 3}"] for number in range(90)]
    assert sizes(drawn_splits(small, SHARES, 0, labels)) == [63, 9, 18]


def test_all_images_of_a_patient_share_a_split_whatever_the_order_of_rows():
    patients = pd.Series([f"p{number % 40}" for number in range(200)])
    labels = [[f"XR/a/{number % 3}"] if number % 7 else [] for number in range(200)]
    found = drawn_splits(patients, SHARES, 1, labels)
    assert found.groupby(patients).nunique().max() == 1
    turned = drawn_splits(patients[::-1], SHARES, 1, labels[::-1])
    assert turned.sort_index().equals(found)
    assert not drawn_splits(patients, SHARES, 2, labels).equals(found)


def test_who_comes_later_moves_hardly_anyone():
    """Twice the patients: of thirty two move on average, of a thousand nobody does."""
    for count, moved in ((30, 3), (300, 2.5), (1000, 0)):
        changes = [
            (drawn_splits(names(count), SHARES, seed) != drawn_splits(names(2 * count), SHARES, seed)[:count]).sum()
            for seed in range(20)
        ]  # fmt: skip
        assert np.mean(changes) <= moved
    # more images of known patients, with the labels they have, move nobody at all
    patients = names(40)
    labels = [[f"XR/a/{number % 4}"] for number in range(40)]
    before = drawn_splits(patients, SHARES, 0, labels)
    after = drawn_splits(pd.concat([patients, patients[:20]]), SHARES, 0, labels + labels[:20])
    assert after[:40].tolist() == before.tolist()
