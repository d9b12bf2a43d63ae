"""Floor and ceiling: random neighbors simulated, an oracle that is evaluated like a model, and
figures by hand."""

import numpy as np
import pandas as pd
import pytest

from radcbir.metrics.chance_and_oracle import bounds, chance_metrics, oracle_metrics
from radcbir.metrics.per_query import RankedLists
from radcbir.metrics.registry import query_metrics


@pytest.mark.parametrize(
    ("relevant", "index", "k"), [(3, 20, 10), (14, 20, 10), (1, 12, 10), (7, 8, 12)]
)
def test_the_floor_is_what_shuffled_indexes_give_on_average(relevant, index, k):
    random = np.random.default_rng([relevant, index])
    draws = 40_000
    right = np.zeros((draws, index), dtype=bool)
    right[:, :relevant] = True
    lists = random.permuted(right, axis=1)[:, :k]
    relevance = np.zeros((draws, k), dtype=bool)
    relevance[:, : lists.shape[1]] = lists
    simulated = query_metrics(
        RankedLists(relevance, np.full(draws, min(k, index)), np.full(draws, relevant))
    )
    exact = chance_metrics(np.array([relevant]), np.array([index]), k)
    assert set(exact) == set(simulated) - {"r_precision_truncated"}
    for name, value in exact.items():
        spread = max(simulated[name].std() / np.sqrt(draws), 1e-9)
        assert value[0] == pytest.approx(simulated[name].mean(), abs=4.5 * spread, nan_ok=True), (
            name
        )


def test_floor_by_hand():
    values = chance_metrics(np.array([1, 0, 2]), np.array([4, 4, 4]), 10)
    assert values["precision_at_1"].tolist()[0] == 1 / 4
    assert values["reciprocal_rank"][0] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert values["average_precision"][0] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    # Two right ones of four: the places are 12, 13, 14, 23, 24, 34.
    assert values["reciprocal_rank"][2] == pytest.approx((3 * 1 + 2 / 2 + 1 / 3) / 6)
    assert values["hit_rate_at_1"][2] == pytest.approx(1 / 2)
    assert all(np.isnan(each[1]) for each in values.values())


def test_the_oracle_is_limited_by_the_class_size_alone():
    values = oracle_metrics(np.array([4, 50, 0]), np.array([60, 60, 60]), 20)
    assert values["plain_precision_at_10"].tolist()[:2] == [0.4, 1.0]
    for name in (
        "precision_at_10",
        "r_precision",
        "average_precision",
        "ndcg",
        "reciprocal_rank",
        "hit_rate_at_1",
    ):
        assert values[name][:2] == pytest.approx([1, 1]), name
    assert np.isnan(values["ndcg"][2])


def test_bounds_average_over_queries_and_classes_and_leave_own_patients_out():
    rows = [
        (0, "train", "a", "p0"),
        (1, "train", "a", "p1"),
        (2, "train", "a", "p2"),
        (3, "train", "b", "p3"),
    ]
    rows += [
        (4, "test", "a", "p0"),
        (5, "test", "a", "q"),
        (6, "test", "b", "q"),
        (7, "test", "c", "q"),
    ]
    catalog = pd.DataFrame(rows, columns=["id", "split", "label", "patient_id"])
    table = bounds(catalog, "train", ["test"], 3).set_index(
        ["model", "neighbors", "metric", "average"]
    )["value"]
    assert table["chance", "all", "precision_at_1", "micro"] == pytest.approx(
        (3 / 4 + 3 / 4 + 1 / 4) / 3
    )
    assert table["chance", "all", "precision_at_1", "macro"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    # Query 4 is of the patient of image 0: two of three are right for it.
    assert table["chance", "other_patients", "precision_at_1", "micro"] == pytest.approx(
        (2 / 3 + 3 / 4 + 1 / 4) / 3
    )
    assert table["oracle", "all", "plain_precision_at_3", "micro"] == pytest.approx(
        (1 + 1 + 1 / 3) / 3
    )
    assert table["oracle", "all", "precision_at_3", "macro"] == 1
