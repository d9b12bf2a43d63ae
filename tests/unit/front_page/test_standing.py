"""The order of models and what the verdicts allow, from tables made by hand."""

import math

import pandas as pd
import pytest

from radcbir.front_page.errors import errors_of, kind_in_words
from radcbir.front_page.experiment import own_patient_drop, patients_in_both, seen_in_training
from radcbir.front_page.standing import BEST, UNDECIDED, UNKNOWN, WORSE, standing

FIGURE = {"query_split": "test", "neighbors": "all", "metric": "precision_at_1", "average": "micro"}
CARDS = {
    "net": {"name": "Net", "loader": "timm"},
    "old": {"name": "Old", "loader": "timm"},
    "thumb": {"name": "Thumb", "loader": "control"},
}


def table(rows):
    return pd.DataFrame([FIGURE | row for row in rows])


def summary(**shares):
    """`net` rejected ten of its misses: its own average is above that of the common queries."""
    return table(
        {
            "model": name, "value": share + (0.2 if name == "net" else 0), "common_value": share, "queries": 90,
            "common_queries": 80, "queries_without_relevant": 4, "lacking_queries": 10 if name == "net" else 0,
            "index_images": 300, "classes": 7,
        }
        for name, share in shares.items()
    )  # fmt: skip


BOUNDS = table([{"model": "chance", "value": 0.1}, {"model": "oracle", "value": 0.9}])


def intervals(**effective):
    return table(
        {"model": name, "common_low": 0.4, "common_high": 0.6, "clusters": 20, "effective_clusters": 17.5, "resampled": "patient"}
        for name in CARDS
    )  # fmt: skip


def test_the_order_is_that_of_the_common_queries():
    found = standing("test", CARDS, summary(net=0.6, old=0.7, thumb=0.1), BOUNDS)
    assert [each.slug for each in found.models] == ["old", "net", "thumb"]
    assert [each.share for each in found.models] == [0.7, 0.6, 0.1]
    assert [each.control for each in found.models] == [False, False, True]
    assert [each.lacking for each in found.models] == [0, 10, 0]
    assert (found.queries, found.chance, found.ceiling) == (80, 0.1, 0.9)
    assert not found.has_intervals
    assert {each.against_best for each in found.models[1:]} == {UNKNOWN}
    assert all(each.ranks is None and math.isnan(each.low) for each in found.models)


def test_verdicts_give_the_ranks_that_are_possible():
    differences = table(
        [
            {"model": "net", "other": "old", "verdict": "undecided"},
            {"model": "net", "other": "thumb", "verdict": "better"},
            {"model": "old", "other": "thumb", "verdict": "undecided"},
        ]
    )
    ranks = table(
        {"model": name, "first": first}
        for name, first in (("net", 0.8), ("old", 0.2), ("thumb", 0))
    )
    given = summary(net=0.7, old=0.6, thumb=0.1), BOUNDS, intervals(), differences, ranks
    found = standing("test", CARDS, *given)
    assert [each.against_best for each in found.models] == [BEST, UNDECIDED, WORSE]
    # One model is worse than net, so net is first or second; thumb is second or third.
    assert [each.ranks for each in found.models] == [(1, 2), (1, 3), (2, 3)]
    assert [each.first for each in found.models] == [0.8, 0.2, 0]
    assert (found.models[0].low, found.models[0].high) == (0.4, 0.6)
    assert (found.patients, found.effective, found.unit) == (20, 17.5, "patient")


def test_too_few_patients_give_no_verdict():
    differences = table([{"model": "net", "other": "old", "verdict": "too few patients"}])
    cards = {name: CARDS[name] for name in ("net", "old")}
    given = summary(net=0.7, old=0.6), BOUNDS, intervals(), differences, None
    found = standing("test", cards, *given)
    assert [each.ranks for each in found.models] == [None, None]
    assert [each.against_best for each in found.models] == [BEST, UNKNOWN]


A, B, C, D = "CT/head/one", "CT/head/two", "CT/leg/one", "CT/head/one/more"


@pytest.fixture
def images(tmp_path):
    rows = [(1, "train", A), (2, "train", B), (3, "train", C), (4, "train", None)]
    rows += [(10 + each, "test", A) for each in range(5)] + [
        (20, "test", C),
        (21, "test", "US/a/b"),
    ]
    catalog = pd.DataFrame(rows, columns=["id", "split", "label"])
    catalog["path"] = [f"{each}.png" for each in catalog["id"]]
    catalog = catalog.assign(dataset="d", patient_id=[f"p{each % 9}" for each in catalog["id"]])
    first = {10: 1, 11: 2, 12: 2, 13: 2, 14: 3, 20: 1, 21: 1}
    scores = {10: 0.9, 11: 0.5, 12: 0.7, 13: 0.6, 14: 0.4, 20: 0.3, 21: 0.2}
    lists = [(query, 1, near, scores[query]) for query, near in first.items()]
    # The nearest image of query 11 has several labels: the next one counts.
    lists = [each for each in lists if each[0] != 11] + [(11, 1, 4, 0.8), (11, 2, 2, 0.5)]
    neighbors = pd.DataFrame(lists, columns=["query", "rank", "neighbor", "score"])
    neighbors.to_parquet(tmp_path / "neighbors.parquet")
    per_query = pd.DataFrame(
        {
            "query_split": "test", "neighbors": "all", "query": list(first),
            "relevant_in_index": [1] * 6 + [0], "precision_at_1": [1.0, 0, 0, 0, 0, 0, float("nan")],
        }
    )  # fmt: skip
    return per_query, tmp_path / "neighbors.parquet", catalog


def test_the_commonest_errors_come_first_with_a_middling_example(images):
    found = errors_of(*images, "test")
    assert found.count == 5
    assert found.same_region == pytest.approx(3 / 5)
    assert [(each.label, each.found, each.count) for each in found.typical] == [
        (A, B, 3),
        (A, C, 1),
        (C, A, 1),
    ]
    # Scores .7, .6, .5: the example is the middle one.
    assert found.typical[0].query == ("d", "13.png")
    assert found.typical[0].neighbor == ("d", "2.png")
    assert kind_in_words(found.typical[0]) == {"where": "CT head", "is": "one", "found": "two"}
    assert kind_in_words(found.typical[1]) == {
        "where": "another region or modality",
        "is": "CT head one",
        "found": "CT leg one",
    }
    assert errors_of(*images, "val").count == 0
    assert len(errors_of(*images, "test", shown=2).typical) == 2


def test_what_else_the_warnings_need(images):
    assert patients_in_both(images[2], "train", "test") == 4  # p1 to p4
    assert patients_in_both(images[2].assign(patient_id=None), "train", "test") == 0
    rows = summary(net=0.6, old=0.5, thumb=0.1)
    both = pd.concat([rows, rows.assign(neighbors="other_patients", value=rows["value"] - 0.25)])
    assert own_patient_drop(both, "test", "net") == pytest.approx(0.25)
    assert math.isnan(own_patient_drop(rows, "test", "net"))
    statuses = {"net": {"a": "seen", "b": "unknown"}, "old": {"a": "not seen"}}
    assert seen_in_training(statuses, CARDS) == [("Net", ["a"])]
