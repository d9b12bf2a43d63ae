"""Metrics: worked by hand, against a slow second implementation, and against scikit-learn."""

import math

import numpy as np
import pandas as pd
import plain_intervals
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from radcbir.core.errors import InputError
from radcbir.metrics import lists as lists_module
from radcbir.metrics.evaluation import GROUP_METRICS, concatenate, evaluate
from radcbir.metrics.lists import Images, labelled_lists, ranked_lists, relevant_in_index
from radcbir.metrics.per_query import (
    RankedLists,
    average_precision,
    capped_precision,
    first_hit_rank,
    hit_rate,
    ndcg,
    plain_precision,
    r_precision,
    r_precision_truncated,
    reciprocal_rank,
)
from radcbir.metrics.registry import averaged_name, query_metrics


def catalog_of(*rows):
    """Rows of id, split, label and, where given, patient."""
    table = pd.DataFrame(
        [(*row, None)[:4] for row in rows], columns=["id", "split", "label", "patient_id"]
    )
    parts = table["label"].str.split("/", n=2, expand=True)
    return table.assign(modality=parts[0], region=parts[1])


def table_of(lists):
    """The neighbor table of query -> neighbor ids."""
    rows = [
        (query, rank, each)
        for query, found in lists.items()
        for rank, each in enumerate(found, start=1)
    ]
    return pd.DataFrame(rows, columns=["query", "rank", "neighbor"]).astype({"rank": np.int32})


def value(table, **where):
    """The one value of a tidy table."""
    found = table
    for column, wanted in where.items():
        found = found[found[column] == wanted]
    assert len(found) == 1, found
    return found["value"].iloc[0]


def curve(evaluation, definition, average, neighbors="all"):
    table = evaluation.precision
    chosen = (
        (table["definition"] == definition)
        & (table["average"] == average)
        & (table["neighbors"] == neighbors)
    )
    assert table.loc[chosen, "k"].tolist() == list(range(1, chosen.sum() + 1))
    return table.loc[chosen, "value"].tolist()


def relevance(*rows):
    return np.array([[character == "+" for character in row] for row in rows])


# --- metrics of one query, by hand
# ----------------------------------------------------------------------------------


def test_capped_precision_cuts_the_list_at_the_number_of_relevant_images():
    lists, relevant = relevance("+-+-+", "-++--", "+++++", "-----"), np.array([2, 3, 90, 4])
    # R = 2: from k = 2 on the list is "+-". R = 3: from k = 3 on it is "-++".
    expected = {
        1: [1, 0, 1, 0],
        2: [1 / 2, 1 / 2, 1, 0],
        3: [1 / 2, 2 / 3, 1, 0],
        5: [1 / 2, 2 / 3, 1, 0],
    }
    for k, values in expected.items():
        np.testing.assert_allclose(capped_precision(lists, relevant, k), values, rtol=1e-15)
    # Beyond K = 5 what is known is known: the first three are cut before, or not; R = 90 would need
    # rank 6.
    np.testing.assert_array_equal(capped_precision(lists, relevant, 6), [1 / 2, 2 / 3, np.nan, 0])


def test_plain_precision_divides_by_k_and_ends_with_the_list():
    lists, relevant, retrieved = relevance("+-+-+", "+----"), np.array([3, 1]), np.array([5, 3])
    np.testing.assert_allclose(plain_precision(lists, retrieved, relevant, 3), [2 / 3, 1 / 3])
    np.testing.assert_array_equal(plain_precision(lists, retrieved, relevant, 4), [2 / 4, np.nan])
    np.testing.assert_array_equal(plain_precision(lists, retrieved, relevant, 6), [np.nan, np.nan])


def test_rank_metrics_by_hand():
    lists, relevant = relevance("+-+-", "---+", "++++", "----"), np.array([3, 1, 50, 2])
    np.testing.assert_allclose(r_precision(lists, relevant), [2 / 3, 0, 1, 0])
    np.testing.assert_array_equal(r_precision_truncated(lists, relevant), [0, 0, 1, 0])
    np.testing.assert_allclose(average_precision(lists, relevant), [(1 + 2 / 3) / 3, 1 / 4, 1, 0])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    np.testing.assert_allclose(ndcg(lists, relevant), [(1 + 1 / 2) / ideal, 1 / math.log2(5), 1, 0])
    np.testing.assert_allclose(reciprocal_rank(lists, relevant), [1, 1 / 4, 1, 0])
    np.testing.assert_array_equal(first_hit_rank(lists), [1, 4, 1, 0])
    np.testing.assert_array_equal(hit_rate(lists, relevant, 1), [1, 0, 1, 0])
    np.testing.assert_array_equal(hit_rate(lists, relevant, 4), [1, 1, 1, 0])
    np.testing.assert_array_equal(hit_rate(lists, relevant, 5), [np.nan] * 4)


def test_a_query_without_relevant_images_has_no_metric():
    lists = RankedLists(relevance("---"), np.array([3]), np.array([0]))
    values = query_metrics(lists)
    assert len(values) > 10
    assert all(np.isnan(each).all() for each in values.values())


def test_average_precision_and_ndcg_agree_with_scikit_learn_on_complete_rankings():
    rng = np.random.default_rng(4)
    lists = rng.random((60, 25)) < rng.random((60, 1))
    lists[:, 0] |= ~lists.any(axis=1)
    relevant, falling = lists.sum(axis=1), -np.arange(25.0)
    expected = [average_precision_score(row, falling) for row in lists]
    np.testing.assert_allclose(average_precision(lists, relevant), expected, rtol=1e-12)
    expected = [ndcg_score(row[None].astype(float), falling[None]) for row in lists]
    np.testing.assert_allclose(ndcg(lists, relevant), expected, rtol=1e-12)


def test_average_precision_of_a_cut_list_is_scikit_learns_times_the_share_that_was_found():
    rng = np.random.default_rng(5)
    lists = rng.random((60, 10)) < 0.4
    lists[:, 0] = True
    hits, relevant = lists.sum(axis=1), lists.sum(axis=1) + rng.integers(0, 30, 60)
    expected = (
        [average_precision_score(row, -np.arange(10.0)) for row in lists]
        * hits
        / np.minimum(relevant, 10)
    )
    np.testing.assert_allclose(average_precision(lists, relevant), expected, rtol=1e-12)


# --- lists
# ----------------------------------------------------------------------------------------------------------


def test_rows_become_lists_with_padding_and_without_own_patients():
    offsets, right = np.array([0, 3, 8]), np.array([1, 0, 1, 1, 0, 1, 0, 1], dtype=bool)
    own = np.array([0, 0, 0, 1, 0, 1, 0, 0], dtype=bool)
    lists = ranked_lists(offsets, right, None, np.array([2, 3]), 4)
    assert lists.relevance.tolist() == relevance("+-+-", "+-+-").tolist()
    assert lists.retrieved.tolist() == [3, 4]
    lists = ranked_lists(offsets, right, own, np.array([2, 1]), 4)
    assert lists.relevance.tolist() == relevance("+-+-", "--+-").tolist()
    assert lists.retrieved.tolist() == [3, 3]
    assert lists.relevant.tolist() == [2, 1]


def test_relevant_images_are_counted_with_and_without_those_of_the_patient():
    query_labels, index_labels = np.array([0, 0, 1, 2, 5]), np.array([0, 0, 0, 1, 1, 3])
    query_patients, index_patients = np.array([7, -1, 8, 7, 8]), np.array([7, 7, -1, 8, 7, 8])
    assert relevant_in_index(query_labels, index_labels).tolist() == [3, 3, 2, 0, 0]
    others = relevant_in_index(query_labels, index_labels, query_patients, index_patients)
    assert others.tolist() == [1, 3, 1, 0, 0]
    strangers = relevant_in_index(query_labels, index_labels, query_patients, np.full(6, -1))
    assert strangers.tolist() == [3, 3, 2, 0, 0]


# --- evaluation, by hand
# --------------------------------------------------------------------------------------------

EDEMA, HERNIA, NORMAL, LUNG = (
    "XR/chest/Edema",
    "XR/chest/Hernia",
    "XR/chest/Normal",
    "CT/lung/Nodule",
)


@pytest.fixture
def worked():
    """Six index images, one more without an embedding; Hernia alone in the index, Nodule only among
    the queries.

    Capped P@k with k = 1, 2, 3 (R: Edema 3, Normal 2, Hernia 1): query 1 Edema  +-+ : 1, 1/2, 2/3
    query 2 Edema  --- : 0, 0, 0 query 3 Normal ++- : 1, 1, 1 (cut at 2) query 4 Hernia -+- : 0, 0,
    0 (cut at 1)     query 5 Nodule: no relevant image
    """
    catalog = catalog_of(
        (10, "train", EDEMA), (11, "train", EDEMA), (12, "train", EDEMA), (13, "train", NORMAL), (14, "train", NORMAL),
        (15, "train", HERNIA), (16, "train", HERNIA), (17, "val", EDEMA),
        (1, "test", EDEMA), (2, "test", EDEMA), (3, "test", NORMAL), (4, "test", HERNIA), (5, "test", LUNG),
        (6, "test", EDEMA),
    )  # fmt: skip
    neighbors = table_of(
        {1: [10, 13, 11], 2: [13, 14, 15], 3: [13, 14, 10], 4: [10, 15, 11], 5: [10, 11, 12]}
    )
    embedded = np.array([10, 11, 12, 13, 14, 15, 17, 1, 2, 3, 4, 5])
    return evaluate(neighbors, catalog, embedded, "train", "test", 3)


def test_micro_and_macro_precision_by_hand(worked):
    assert curve(worked, "capped", "micro") == pytest.approx(
        [2 / 4, 1.5 / 4, (2 / 3 + 1) / 4], rel=1e-15
    )
    # Edema's mean counts once, as Normal's and Hernia's do.
    assert curve(worked, "capped", "macro") == pytest.approx(
        [1.5 / 3, 1.25 / 3, (1 / 3 + 1) / 3], rel=1e-15
    )
    assert curve(worked, "plain", "micro") == pytest.approx([2 / 4, 2 / 4, 5 / 12], rel=1e-15)
    assert curve(worked, "plain", "macro") == pytest.approx(
        [1.5 / 3, (1 / 4 + 1 + 1 / 2) / 3, (1 / 3 + 2 / 3 + 1 / 3) / 3], rel=1e-15
    )
    assert set(worked.precision["queries"]) == {4}
    assert set(worked.precision["classes"]) == {3}
    assert set(worked.precision["query_split"]) == {"test"}
    assert set(worked.precision["neighbors"]) == {"all"}


def test_summary_by_hand(worked):
    def micro(metric):
        return value(worked.summary, metric=metric, average="micro")

    assert micro("precision_at_1") == 2 / 4
    assert micro("precision_at_3") == pytest.approx((2 / 3 + 1) / 4)
    assert micro("plain_precision_at_3") == pytest.approx(5 / 12)
    assert micro("mean_average_precision") == pytest.approx(((1 + 2 / 3) / 3 + 0 + 1 + 1 / 2) / 4)
    assert micro("mean_reciprocal_rank") == pytest.approx((1 + 0 + 1 + 1 / 2) / 4)
    ideal_of_three, second = 1 + 1 / math.log2(3) + 1 / 2, 1 / math.log2(3)
    assert micro("ndcg") == pytest.approx((1.5 / ideal_of_three + 0 + 1 + second) / 4)
    assert micro("r_precision") == pytest.approx((2 / 3 + 0 + 1 + 0) / 4)
    assert micro("r_precision_truncated") == 0
    assert micro("hit_rate_at_1") == 2 / 4
    macro = value(worked.summary, metric="mean_reciprocal_rank", average="macro")
    assert macro == pytest.approx(((1 + 0) / 2 + 1 + 1 / 2) / 3)
    # k = 3 cannot tell what stands at rank 10; a capped list of 5 is known, since no class has more
    # than 3 images.
    assert np.isnan(micro("plain_precision_at_5"))
    assert np.isnan(micro("hit_rate_at_10"))
    assert micro("precision_at_10") == micro("precision_at_3")
    assert set(worked.summary["queries"]) == {4}
    assert set(worked.summary["queries_without_relevant"]) == {1}
    assert set(worked.summary["classes"]) == {3}
    ks = worked.summary.drop_duplicates("metric").set_index("metric")["k"]
    assert ks[["precision_at_5", "hit_rate_at_10", "ndcg", "r_precision"]].tolist() == [5, 10, 3, 3]


def test_groups_by_hand(worked):
    groups = worked.by_group.set_index(["level", "group"])
    assert groups.index.tolist() == [
        ("modality", "CT"), ("modality", "XR"),
        ("region", "chest"), ("region", "lung"),
        ("modality_region", "CT/lung"), ("modality_region", "XR/chest"),
        ("label", LUNG), ("label", EDEMA), ("label", HERNIA), ("label", NORMAL),
    ]  # fmt: skip
    edema, lone, absent = (
        groups.loc["label", EDEMA],
        groups.loc["label", HERNIA],
        groups.loc["label", LUNG],
    )
    counts = ["index_images", "queries", "queries_without_relevant"]
    assert edema[counts].tolist() == [3, 2, 0]
    assert edema["precision_at_1"] == 1 / 2
    assert edema["average_precision"] == pytest.approx((1 + 2 / 3) / 3 / 2)
    assert lone[counts].tolist() == [1, 1, 0]
    assert lone[["precision_at_1", "precision_at_10", "reciprocal_rank"]].tolist() == [0, 0, 1 / 2]
    assert absent[counts].tolist() == [0, 0, 1]
    assert absent[GROUP_METRICS].isna().all()
    assert groups.loc["modality", "XR"][counts].tolist() == [6, 4, 0]
    assert groups.loc["modality", "XR"]["precision_at_1"] == 2 / 4
    assert groups.loc["modality", "CT"][counts].tolist() == [0, 0, 1]


def test_groups_have_intervals(worked):
    """No patient is known: each image counts as one."""
    groups = worked.by_group.set_index(["level", "group"])
    ends = ["precision_at_1_low", "precision_at_1_high"]
    chest = groups.loc[("modality_region", "XR/chest")]
    assert chest[ends].tolist() == pytest.approx(plain_intervals.of_share(2 / 4, 4))
    assert chest["effective_patients"] == pytest.approx(4)
    edema = groups.loc[("label", EDEMA)]
    assert edema[ends].isna().all(), "two patients"
    assert edema["effective_patients"] == pytest.approx(2)
    assert groups.loc[("label", LUNG), [*ends, "effective_patients"]].isna().all()


def test_queries_by_hand(worked):
    queries = worked.per_query.set_index("query")
    assert queries.index.tolist() == [1, 2, 3, 4, 5]
    assert queries["label"].tolist() == [EDEMA, EDEMA, NORMAL, HERNIA, LUNG]
    assert queries["relevant_in_index"].tolist() == [3, 3, 2, 1, 0]
    assert queries["first_hit_rank"].isna().tolist() == [False, True, False, False, True]
    assert queries["first_hit_rank"].dropna().tolist() == [1, 1, 2]
    assert queries["precision_at_3"].tolist()[:4] == pytest.approx([2 / 3, 0, 1, 0])
    assert (
        queries.loc[5, ["precision_at_1", "average_precision", "reciprocal_rank", "hit_rate_at_1"]]
        .isna()
        .all()
    )


def test_an_index_smaller_than_k_ends_the_plain_curve():
    catalog = catalog_of(
        (10, "train", EDEMA), (11, "train", NORMAL), (1, "test", EDEMA), (2, "test", NORMAL)
    )
    result = evaluate(
        table_of({1: [10, 11], 2: [10, 11]}), catalog, np.array([10, 11, 1, 2]), "train", "test", 5
    )
    assert curve(result, "plain", "micro") == [1 / 2, 1 / 2]
    assert curve(result, "capped", "micro") == [1 / 2] * 5
    assert value(result.summary, metric="mean_reciprocal_rank", average="micro") == 3 / 4
    assert value(result.summary, metric="precision_at_5", average="micro") == 1 / 2
    assert np.isnan(value(result.summary, metric="plain_precision_at_3", average="micro"))
    assert value(result.summary, metric="hit_rate_at_5", average="micro") == 1


def test_all_hits_and_no_hits():
    catalog = catalog_of(
        *[(each, "train", EDEMA) for each in range(10, 22)],
        *[(each, "train", NORMAL) for each in range(30, 42)],
        (1, "test", EDEMA),
    )
    embedded = catalog["id"].to_numpy()
    averaged = [
        "precision_at_1",
        "precision_at_10",
        "plain_precision_at_10",
        "mean_average_precision",
        "ndcg",
    ]
    averaged += ["r_precision", "mean_reciprocal_rank", "hit_rate_at_1", "hit_rate_at_10"]
    for found, expected in ((range(10, 20), 1), (range(30, 40), 0)):
        result = evaluate(table_of({1: list(found)}), catalog, embedded, "train", "test", 10)
        summary = result.summary[result.summary["metric"].isin(averaged)]
        assert len(summary) == 2 * len(averaged)
        assert (summary["value"] == expected).all()
        assert (result.precision["value"] == expected).all()
        assert value(result.summary, metric="r_precision_truncated", average="micro") == 1


def test_queries_that_nothing_can_answer_are_counted_and_average_to_nothing():
    catalog = catalog_of((10, "train", EDEMA), (1, "test", NORMAL), (2, "test", NORMAL))
    result = evaluate(
        table_of({1: [10], 2: [10]}), catalog, np.array([10, 1, 2]), "train", "test", 1
    )
    assert result.summary["value"].isna().all()
    assert set(result.summary["queries"]) == {0}
    assert set(result.summary["queries_without_relevant"]) == {2}
    assert set(result.summary["classes"]) == {0}
    assert result.precision["value"].isna().all()
    assert len(result.precision) == 4
    assert result.by_group.set_index("group").loc[NORMAL, "queries_without_relevant"] == 2


def test_other_patients_by_hand():
    """Query 1 of patient a: images 10 and 11 are its own; R falls from 3 to 1. Query 2's patient is
    not known."""
    catalog = catalog_of(
        (10, "train", EDEMA, "a"), (11, "train", EDEMA, "a"), (12, "train", EDEMA, None), (13, "train", NORMAL, "b"),
        (14, "train", NORMAL, "c"), (1, "test", EDEMA, "a"), (2, "test", EDEMA, None), (3, "test", NORMAL, "b"),
    )  # fmt: skip
    neighbors = table_of({1: [10, 13, 11, 12], 2: [10, 13], 3: [13, 10, 14]})
    result = evaluate(neighbors, catalog, catalog["id"].to_numpy(), "train", "test", 2)
    per_query = result.per_query.set_index(["neighbors", "query"])
    assert per_query.loc["all", "relevant_in_index"].tolist() == [3, 3, 2]
    assert per_query.loc["all", "precision_at_3"].isna().tolist() == [True, True, False]
    assert per_query.loc["all", "precision_at_1"].tolist() == [1, 1, 1]
    assert per_query.loc["other_patients", "relevant_in_index"].tolist() == [1, 3, 1]
    assert per_query.loc["other_patients", "precision_at_1"].tolist() == [0, 1, 0]
    assert per_query.loc["other_patients", "first_hit_rank"].tolist() == [2, 1, 2]
    # all: +-, +-, +-; other patients: -+ (cut at 1), +-, -+ (cut at 1).
    assert curve(result, "capped", "micro") == pytest.approx([1, 1 / 2])
    assert curve(result, "capped", "micro", "other_patients") == pytest.approx(
        [1 / 3, (0 + 1 / 2 + 0) / 3]
    )
    assert curve(result, "plain", "micro", "other_patients") == pytest.approx([1 / 3, 1 / 2])
    assert curve(result, "capped", "macro", "other_patients") == pytest.approx(
        [1 / 4, (1 / 4 + 0) / 2]
    )


def test_a_query_whose_class_only_its_own_patient_has_is_counted_among_those_without():
    catalog = catalog_of(
        (10, "train", EDEMA, "a"), (11, "train", NORMAL, "b"), (1, "test", EDEMA, "a")
    )
    result = evaluate(table_of({1: [10, 11]}), catalog, np.array([1, 10, 11]), "train", "test", 1)
    assert value(result.summary, neighbors="all", metric="precision_at_1", average="micro") == 1
    other = result.summary[result.summary["neighbors"] == "other_patients"]
    assert other["value"].isna().all()
    assert set(other["queries_without_relevant"]) == {1}
    group = result.by_group.set_index(["neighbors", "group"]).loc["other_patients", EDEMA]
    assert group[["index_images", "queries", "queries_without_relevant"]].tolist() == [1, 0, 1]


def test_patients_that_are_known_but_not_shared_change_nothing():
    catalog = catalog_of((10, "train", EDEMA, "a"), (11, "train", NORMAL), (1, "test", EDEMA, "z"))
    result = evaluate(table_of({1: [10, 11]}), catalog, np.array([1, 10, 11]), "train", "test", 2)
    both = [
        result.precision[result.precision["neighbors"] == each]
        for each in ("all", "other_patients")
    ]
    pd.testing.assert_frame_equal(
        *(each.drop(columns="neighbors").reset_index(drop=True) for each in both), check_exact=True
    )
    unknown = catalog.assign(patient_id=[None, None, "z"])
    result = evaluate(table_of({1: [10, 11]}), unknown, np.array([1, 10, 11]), "train", "test", 2)
    assert set(result.precision["neighbors"]) == {"all"}


def test_query_splits_are_put_together():
    catalog = catalog_of((10, "train", EDEMA), (1, "val", EDEMA), (2, "test", NORMAL))
    embedded = np.array([1, 2, 10])
    both = concatenate(
        evaluate(table_of({query: [10]}), catalog, embedded, "train", split, 1)
        for query, split in ((1, "val"), (2, "test"))
    )
    assert both.per_query[["query_split", "query"]].to_numpy().tolist() == [["val", 1], ["test", 2]]
    assert value(both.summary, query_split="val", metric="precision_at_1", average="micro") == 1
    assert both.precision["query_split"].unique().tolist() == ["val", "test"]
    # A label that a split never asks for has no row there, though the index holds it.
    groups = both.by_group.loc[both.by_group["level"] == "label", ["query_split", "group"]]
    assert groups.to_numpy().tolist() == [["val", EDEMA], ["test", NORMAL]]


def test_tables_that_do_not_fit_together_are_refused():
    catalog = catalog_of(
        (10, "train", EDEMA, "a"), (11, "train", NORMAL, "b"), (1, "test", EDEMA, "a")
    )
    embedded = np.array([1, 10, 11])

    def refused(message, neighbors, k=1, catalog=catalog, embedded=embedded, error=ValueError):
        with pytest.raises(error, match=message):
            evaluate(
                table_of(neighbors) if isinstance(neighbors, dict) else neighbors,
                catalog,
                embedded,
                "train",
                "test",
                k,
            )

    refused("query split 'test' has no embedded image", {}, error=InputError)
    refused("query 10 is not an image of the split 'test'", {10: [11]})
    refused("query 77 is not an image of the split 'test'", {77: [11]})
    refused("neighbor 1 is not an embedded image of the index split", {1: [1]})
    refused("neighbor 11 is not an embedded image", {1: [11]}, embedded=np.array([1, 10]))
    refused("neighbor -1 is not an embedded image", {1: [-1]})
    refused(r"query 1 holds 1 neighbors \(all\)", {1: [10]}, k=2)
    refused(r"query 1 holds 0 neighbors \(other_patients\)", {1: [10]})
    refused("out of order", table_of({1: [10, 11]}).iloc[::-1])
    refused("out of order", pd.concat([table_of({1: [10, 11]})] * 2))
    refused("lists the image 10 twice", {1: [10]}, catalog=pd.concat([catalog, catalog.iloc[:1]]))
    with pytest.raises(ValueError, match="without a label"):
        Images(catalog.assign(label=[EDEMA, None, EDEMA]), embedded, "train")


# --- against a slow second implementation
# ---------------------------------------------------------------------------


def slow_lists(neighbors, catalog, embedded, k, other_patients):
    """Per query: its label, its hits by rank, and R; written without arrays."""
    images = catalog.set_index("id").to_dict("index")
    index = [
        each
        for each in images
        if images[each]["split"] == "train" and each in set(embedded.tolist())
    ]
    lists = {}
    for query in neighbors["query"].unique():
        own = images[query]

        def counts(image, own=own):
            same = (
                isinstance(own["patient_id"], str)
                and images[image]["patient_id"] == own["patient_id"]
            )
            return not (other_patients and same)

        found = [
            each for each in neighbors.loc[neighbors["query"] == query, "neighbor"] if counts(each)
        ][:k]
        hits = [images[each]["label"] == own["label"] for each in found]
        lists[query] = (
            own["label"],
            hits,
            sum(counts(each) and images[each]["label"] == own["label"] for each in index),
        )
    return lists


def slow_metrics(hits, relevant, k):
    def capped(cut):
        length = min(cut, relevant)
        return sum(hits[:length]) / length

    best = min(relevant, k)
    gains = [1 / math.log2(rank + 1) for rank in range(1, k + 1)]
    ranks = [rank for rank, hit in enumerate(hits, start=1) if hit]
    return {
        **{f"precision_at_{cut}": capped(cut) for cut in (1, 3, 5, 10)},
        **{
            f"plain_precision_at_{cut}": sum(hits[:cut]) / cut
            for cut in (1, 3, 5, 10)
            if cut <= len(hits)
        },
        "r_precision": sum(hits[:best]) / best,
        "r_precision_truncated": float(relevant > k),
        "average_precision": sum(sum(hits[:rank]) / rank for rank in ranks) / best,
        "ndcg": sum(gains[rank - 1] for rank in ranks) / sum(gains[:best]),
        "reciprocal_rank": 1 / ranks[0] if ranks else 0.0,
        **{f"hit_rate_at_{cut}": float(any(hits[:cut])) for cut in (1, 5, 10)},
    }


@pytest.mark.parametrize("index_size", [12, 150])
def test_every_table_agrees_with_a_slow_second_implementation(index_size, monkeypatch):
    monkeypatch.setattr(lists_module, "QUERIES_PER_BLOCK", 7)
    rng, k = np.random.default_rng(index_size), 15
    labels = [EDEMA, NORMAL, HERNIA, LUNG, "CT/abd/Normal", "MR/brain/Tumour", "MR/brain/Normal"]
    shares = np.array([40, 25, 2, 12, 15, 5, 1]) / 100
    patients = np.array([*(f"p{each}" for each in range(15)), None], dtype=object)
    rows = [
        (int(identity), split, labels[rng.choice(7, p=shares)], rng.choice(patients))
        for identity, split in zip(
            rng.permutation(10_000)[: index_size + 90],
            ["train"] * index_size + ["test"] * 80 + ["val"] * 10,
            strict=True,
        )
    ]
    catalog = catalog_of(*rows)
    embedded = rng.permutation(catalog["id"])[: int(0.9 * len(catalog))]
    index = catalog.loc[
        (catalog["split"] == "train") & catalog["id"].isin(embedded), "id"
    ].to_numpy()
    queries = catalog.loc[
        (catalog["split"] == "test") & catalog["id"].isin(embedded), "id"
    ].to_numpy()
    neighbors = table_of({query: rng.permutation(index) for query in queries})
    result = evaluate(neighbors, catalog, embedded, "train", "test", k)
    labels_in_index = catalog.loc[catalog["id"].isin(index), "label"].value_counts()

    for variant in ("all", "other_patients"):
        lists = slow_lists(neighbors, catalog, embedded, k, variant == "other_patients")
        answerable = {query: each for query, each in lists.items() if each[2] > 0}
        lone = len(lists) - len(answerable)
        assert len(answerable) > 0
        expected = pd.DataFrame(
            {query: slow_metrics(hits, r, k) for query, (_, hits, r) in answerable.items()}
        ).T
        shown = result.per_query[result.per_query["neighbors"] == variant].set_index("query")
        assert shown.index.tolist() == list(lists)
        assert shown["relevant_in_index"].tolist() == [r for _, _, r in lists.values()]
        for name in expected:
            np.testing.assert_allclose(
                shown[name].loc[list(answerable)], expected[name], rtol=1e-12, err_msg=name
            )
            assert shown[name].drop(list(answerable)).isna().all()

        by_class = expected.groupby([answerable[query][0] for query in expected.index]).mean()
        summary = result.summary[result.summary["neighbors"] == variant]
        assert set(summary["queries"]) == {len(answerable)}
        assert set(summary["queries_without_relevant"]) == {lone}
        assert set(summary["classes"]) == {len(by_class)}
        for name in expected:
            shown_name = averaged_name(name)
            whole = not expected[name].isna().any()
            for average, mean in (
                ("micro", expected[name].mean()),
                ("macro", by_class[name].mean()),
            ):
                got = value(summary, metric=shown_name, average=average)
                assert got == pytest.approx(mean, rel=1e-12) if whole else np.isnan(got)

        shortest = min(len(hits) for _, hits, _ in answerable.values())
        for definition, last in (("capped", k), ("plain", shortest)):
            micro, macro = (
                curve(result, definition, "micro", variant),
                curve(result, definition, "macro", variant),
            )
            assert len(micro) == len(macro) == last
            for position in range(last):
                values = pd.Series(
                    {
                        query: sum(hits[: min(position + 1, r if definition == "capped" else k)])
                        / min(position + 1, r if definition == "capped" else k)
                        for query, (_, hits, r) in answerable.items()
                    }
                )
                assert micro[position] == pytest.approx(values.mean(), rel=1e-12)
                class_means = values.groupby(
                    [answerable[query][0] for query in values.index]
                ).mean()
                assert macro[position] == pytest.approx(class_means.mean(), rel=1e-12)

        groups = result.by_group[
            (result.by_group["neighbors"] == variant) & (result.by_group["level"] == "label")
        ]
        assert groups["group"].tolist() == sorted({label for label, _, _ in lists.values()})
        for row in groups.itertuples():
            assert row.index_images == labels_in_index.get(row.group, 0)
            assert row.queries == sum(label == row.group for label, _, _ in answerable.values())
            assert row.queries + row.queries_without_relevant == sum(
                label == row.group for label, _, _ in lists.values()
            )
            if row.queries:
                assert row.average_precision == pytest.approx(
                    by_class.loc[row.group, "average_precision"], rel=1e-12
                )
        regions = result.by_group[
            (result.by_group["neighbors"] == variant) & (result.by_group["level"] == "region")
        ]
        by_region = expected.groupby(
            [answerable[query][0].split("/")[1] for query in expected.index]
        ).mean()
        measured = regions.set_index("group").loc[by_region.index, "precision_at_5"]
        np.testing.assert_allclose(measured, by_region["precision_at_5"], rtol=1e-12)


# --- labels of neighbors
# --------------------------------------------------------------------------------------------


def test_labelled_lists_by_hand():
    catalog = catalog_of(
        (1, "train", "XR/chest/a", "p1"), (2, "train", "XR/chest/b", "p2"), (3, "train", "XR/chest/a", "p3"),
        (7, "test", "XR/chest/a", "p1"), (8, "test", "XR/chest/c", None),
    )  # fmt: skip
    table = table_of({7: [1, 2, 3], 8: [3, 2, 1]}).assign(
        score=np.float32([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    )
    found = labelled_lists(table, catalog, catalog["id"].to_numpy(), "train", "test", 2)
    everyone, others = found["all"], found["other_patients"]
    assert everyone.names.tolist() == ["XR/chest/a", "XR/chest/b", "XR/chest/c"]
    assert everyone.query_ids.tolist() == [7, 8]
    assert everyone.labels.tolist() == [0, 2]
    assert everyone.neighbor_labels.tolist() == [[0, 1], [0, 1]]
    assert everyone.scores.tolist() == pytest.approx(np.float32([[0.9, 0.8], [0.6, 0.5]]))
    assert everyone.relevant.tolist() == [2, 0]
    assert everyone.index_images.tolist() == [2, 1, 0]
    assert others.neighbor_labels.tolist() == [[1, 0], [0, 1]]
    assert others.scores.tolist() == pytest.approx(np.float32([[0.8, 0.7], [0.6, 0.5]]))
    assert others.relevant.tolist() == [1, 0]


def test_labelled_lists_agree_with_the_evaluation(monkeypatch):
    random = np.random.default_rng(5)
    rows = [
        (
            each,
            "train" if each < 60 else "test",
            f"XR/chest/{random.integers(4)}",
            f"p{random.integers(20)}",
        )
        for each in range(80)
    ]
    catalog = catalog_of(*rows)
    table = table_of({query: random.permutation(60) for query in range(60, 80)}).assign(
        score=np.float32(0.5)
    )
    monkeypatch.setattr(lists_module, "QUERIES_PER_BLOCK", 6)
    found = labelled_lists(table, catalog, catalog["id"].to_numpy(), "train", "test", 9)
    evaluation = evaluate(table, catalog, catalog["id"].to_numpy(), "train", "test", 9)
    for variant, lists in found.items():
        hits = (lists.neighbor_labels == lists.labels[:, None])[lists.relevant > 0].mean()
        expected = value(
            evaluation.precision, definition="plain", average="micro", neighbors=variant, k=9
        )
        assert hits == pytest.approx(expected, abs=1e-12)


def test_lists_that_stop_too_early_are_refused_there_too():
    catalog = catalog_of(
        (1, "train", "XR/chest/a"), (2, "train", "XR/chest/a"), (7, "test", "XR/chest/a")
    )
    table = table_of({7: [1]}).assign(score=np.float32(1))
    with pytest.raises(ValueError, match="search deeper"):
        labelled_lists(table, catalog, catalog["id"].to_numpy(), "train", "test", 2)


# --- images with several labels
# -------------------------------------------------------------------------------------


def test_images_with_several_labels_change_no_metric_of_one_label():
    rng = np.random.default_rng(5)
    names = np.array(["XR/chest/a", "XR/chest/b", "CT/head/a", None], dtype=object)
    rows = [
        (each, "test" if each < 40 else "train", names[rng.integers(4)], f"p{each % 23}")
        for each in range(160)
    ]
    catalog = catalog_of(*rows)
    # every query's list holds the whole index in its own order
    full = table_of({query: rng.permutation(np.arange(40, 160)).tolist() for query in range(40)})
    one = set(catalog.loc[catalog["label"].notna(), "id"])
    single = table_of(
        {
            query: [each for each in found["neighbor"] if each in one]
            for query, found in full.groupby("query")
            if query in one
        }
    )
    embedded = catalog["id"].to_numpy()
    with_several = evaluate(full, catalog, embedded, "train", "test", 7)
    without = evaluate(single, catalog[catalog["label"].notna()], embedded, "train", "test", 7)
    assert 0 < len(one & set(range(40))) < 40
    for table in ("precision", "summary", "by_group", "per_query"):
        pd.testing.assert_frame_equal(getattr(with_several, table), getattr(without, table))


def test_without_an_image_of_one_label_nothing_is_measured_and_nothing_fails():
    splits = ["test", "test", "train", "train", "train"]
    catalog = catalog_of(*[(each, split, "a/b/c", "p") for each, split in enumerate(splits)])
    catalog["label"] = None
    lists = table_of({0: [2, 3, 4], 1: [4, 3, 2]})
    found = evaluate(lists, catalog, catalog["id"].to_numpy(), "train", "test", 3)
    assert found.per_query.empty and found.by_group.empty
    counts = found.summary[["queries", "queries_without_relevant", "classes", "index_images"]]
    assert len(found.summary) > 10 and (counts == 0).all(axis=None)
    assert found.summary["value"].isna().all() and found.precision["value"].isna().all()
    with pytest.raises(InputError, match="has no embedded image, so that there is no query"):
        evaluate(lists[:0], catalog, catalog["id"].to_numpy(), "train", "test", 3)
