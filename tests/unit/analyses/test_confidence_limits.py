"""How many hits are enough, on data of known truth, and what is unlike the benchmark, against plain
loops over searched indexes."""

import numpy as np
import pytest
from made_neighbors import made
from scipy import stats
from sklearn.metrics import roc_auc_score

from radcbir.analyses.confidence import unlike
from radcbir.analyses.confidence.compute import benchmark, evaluate_confidence
from radcbir.analyses.confidence.conformal import (
    fewest_patients,
    first_right,
    left_out_coverage,
    set_size,
    shares_by_k,
)
from radcbir.analyses.levels.region_search import nearest_within

# --- how many hits are enough
# --------------------------------------------------------------------------------------------------


def test_ranks_of_first_right_hits():
    relevance = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    assert first_right(relevance).tolist() == [3, 1, 5]


@pytest.mark.parametrize(
    ("alpha", "patients"), [(0.1, 9), (0.05, 19), (0.2, 4), (0.5, 1), (0.3, 3)]
)
def test_so_many_patients_are_needed(alpha, patients):
    """With one fewer, not even the whole list of all of them is enough."""
    assert fewest_patients(alpha) == patients
    first = np.ones(patients, dtype=int)
    assert set_size(first, np.arange(patients), alpha, 5) == 1
    assert set_size(first[1:], np.arange(patients - 1), alpha, 5) is None


def test_a_set_by_hand():
    # 19 patients of one query each, first right hits at ranks 1 to 19, alpha 0.1: of 20 shares of
    # 1/20, 18 have to be covered.
    first = np.random.default_rng(0).permutation(19) + 1
    assert set_size(first, np.arange(19), 0.1, 50) == 18
    assert set_size(first, np.arange(19), 0.1, 17) is None
    assert shares_by_k(first, np.arange(19), 3) == pytest.approx([1 / 19, 2 / 19, 3 / 19])


def test_a_patient_counts_once_however_many_queries_it_has():
    first = np.concatenate([np.full(1000, 40), np.ones(18, dtype=int)])
    clusters = np.concatenate([np.zeros(1000, dtype=int), np.arange(1, 19)])
    assert set_size(first, clusters, 0.1, 50) == 1, "18 of 20"
    assert set_size(first[:-1], clusters[:-1], 0.1, 50) == 40, "17 of 19 are less than 0.9"


def drawn(random, patients):
    """First right ranks of patients' queries. Hard patients have few queries, so that a pool of all
    queries is easier than a new patient."""
    ease = random.beta(1.2, 3, patients)
    sizes = 1 + random.poisson(30 * ease**1.5)
    clusters = np.repeat(np.arange(patients), sizes)
    return random.geometric(ease[clusters] * 0.3 + 0.004), clusters


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_a_new_patient_is_covered_as_often_as_promised(alpha):
    """Of 1,500 draws of 30 patients and a new one, within what 1,500 draws allow. The pool of all
    queries, which forgets the patients, is not."""
    random, draws, covered, pooled = np.random.default_rng(5), 1500, 0, 0
    for _ in range(draws):
        first, clusters = drawn(random, 31)
        new = clusters == 30
        size = set_size(first[~new], clusters[~new], alpha, 10_000)
        query = random.choice(first[new])
        covered += query <= size
        pooled += query <= np.quantile(first[~new], 1 - alpha, method="higher")
    low, high = stats.binom.ppf([0.001, 0.999], draws, 1 - alpha)
    assert covered >= low
    assert covered <= stats.binom.ppf(0.999, draws, 1 - alpha + 1 / 31), (
        "the sets are not too large"
    )
    assert pooled < low < high


def test_coverage_of_patients_left_out_is_that_of_a_plain_loop(monkeypatch):
    monkeypatch.setattr("radcbir.analyses.confidence.conformal.PATIENTS_PER_BLOCK", 7)
    first, clusters = drawn(np.random.default_rng(3), 25)
    clusters = clusters * 3 + 1
    expected = []
    for patient in np.unique(clusters):
        own = clusters == patient
        size = set_size(first[~own], clusters[~own], 0.1, 60)
        expected.append(np.nan if size is None else (first[own] <= size).mean())
    found = left_out_coverage(first, clusters, 0.1, 60)
    assert found == pytest.approx(expected, nan_ok=True)
    assert 0.5 < np.nanmean(found) < 1


def test_a_model_gets_its_set_from_its_own_lists():
    found = made(patients=40, noise=1.2)
    given = benchmark({"test": found.neighbors}, found.catalog, found.ids, "train", 20)
    tables, stored = evaluate_confidence(given, 0.2, found.vectors)
    label = found.catalog.set_index("id")["label"]
    table = found.neighbors
    right = label.loc[table["neighbor"]].to_numpy() == label.loc[table["query"]].to_numpy()
    patient = found.catalog.set_index("id")["patient_id"]
    for k in range(1, 21):
        hit = table[right & (table["rank"] <= k)]["query"].unique()
        queries = table["query"].unique()
        shares = patient.loc[queries].to_frame().assign(hit=np.isin(queries, hit))
        share = shares.groupby("patient_id")["hit"].mean()
        assert tables["first_right"]["share"][k - 1] == pytest.approx(share.mean())
        if share.sum() / 41 >= 0.8 - 1e-9:
            break
    assert stored["set"] == {"alpha": 0.2, "size": k}
    assert 1 < k < 20
    [row] = tables["sets"].to_dict("records")
    assert row["size"] == k
    assert row["low"] < row["coverage"] < row["high"]
    assert abs(row["coverage"] - 0.8) < 0.1


# --- unlike the benchmark
# --------------------------------------------------------------------------------------------------


def test_limits_are_the_first_percentile():
    scores = np.linspace(0, 1, 101)
    found = unlike.limits(unlike.statistics(np.column_stack([scores, scores - 0.5])))
    assert found == {"best": pytest.approx(0.01), "mean": pytest.approx(-0.24)}


@pytest.fixture(scope="module")
def lists():
    found = made(patients=25, noise=1.0, k=14)
    # Some of the queries' patients are in the index, too.
    own = found.catalog["patient_id"].replace({"p30": "p0", "p31": "p1"})
    found.catalog = found.catalog.assign(patient_id=own)
    label, patient = (found.catalog.set_index("id")[each] for each in ("label", "patient_id"))
    same = (
        patient.loc[found.neighbors["query"]].to_numpy()
        == patient.loc[found.neighbors["neighbor"]].to_numpy()
    )
    # Lists of 14, then without those of the own patient: 10 or more.
    table = found.neighbors[~same]
    table = table.assign(rank=table.groupby("query").cumcount() + 1)
    given = benchmark({"test": table[table["rank"] <= 10]}, found.catalog, found.ids, "train", 10)
    return found, given, label, patient


def test_scores_elsewhere_are_those_of_the_search_of_a_part_of_the_index(lists, monkeypatch):
    monkeypatch.setattr(unlike, "INDEX_BLOCK", 50)
    found, given, _, _ = lists
    rows = np.arange(len(given.lists.ids))
    left_out = (given.lists.labels + 1) % 6
    scores = unlike.scores_elsewhere(given.lists, rows, left_out, 5, found.vectors)
    for row in rows:
        inside = np.flatnonzero(given.lists.index_labels != left_out[row])
        own = given.lists.patients[[row]], given.lists.index_patients[inside]
        ids = given.lists.index[inside]
        near = nearest_within(found.vectors, given.lists.ids[[row]], ids, 5, *own)
        expected = found.vectors(ids[near[0]]) @ found.vectors(given.lists.ids[[row]])[0]
        assert scores[row] == pytest.approx(expected, abs=1e-6)


def test_left_out_classes_are_told_as_plain_loops_tell_them(lists):
    found, given, label, patient = lists
    below = {"best": 0.6, "mean": 0.5}
    result = unlike.held_out(given.lists, given.depth, below, given.clusters, found.vectors)
    queries, index = given.lists.ids, given.lists.index
    scores = found.vectors(queries) @ found.vectors(index).T
    scores[patient.loc[queries].to_numpy()[:, None] == patient.loc[index].to_numpy()] = -np.inf
    areas, flagged = [], []
    for name in sorted(set(label)):
        others = label.loc[index].to_numpy() != name
        best = -np.sort(-scores[:, others], axis=1)[:, :10]
        out = label.loc[queries].to_numpy() == name
        values = {"best": best[:, 0], "mean": best.mean(axis=1)}
        areas.append([roc_auc_score(out, -values[each]) for each in ("best", "mean")])
        flagged += list((values["best"][out] < 0.6) | (values["mean"][out] < 0.5))
    assert [result.areas[each].value for each in ("best", "mean")] == pytest.approx(
        np.mean(areas, axis=0), abs=1e-9
    )
    assert result.flagged["either"].value == pytest.approx(np.mean(flagged))
    assert 0 < np.mean(flagged) < 1
    assert result.areas["mean"].value > 0.6
    assert result.areas["mean"].low < result.areas["mean"].value < result.areas["mean"].high
    assert (result.classes, result.queries) == (6, len(queries))


def test_nothing_is_left_out_of_an_index_of_one_class(lists):
    found, given, _, _ = lists
    one = unlike.Lists(**{**vars(given.lists), "labels": given.lists.labels * 0})
    one = unlike.Lists(**{**vars(one), "index_labels": one.index_labels * 0, "near": one.near * 0})
    assert (
        unlike.held_out(one, 10, {"best": 0.5, "mean": 0.5}, given.clusters, found.vectors) is None
    )


def test_about_one_in_a_hundred_queries_is_flagged():
    found = made(patients=100, per_patient=4)
    given = benchmark({"test": found.neighbors}, found.catalog, found.ids, "train", 20)
    tables, stored = evaluate_confidence(given, 0.1, found.vectors)
    scores = given.lists.scores[:, :10]
    below = stored["unlike"]
    assert (scores[:, 0] < below["best"]).sum() == 4
    assert (scores.mean(axis=1) < below["mean"]).sum() == 4
    rows = tables["unlike"].set_index("statistic")
    assert rows.loc["best", "limit"] == below["best"]
    assert rows["remark"].eq("").all()
    assert rows.loc["mean", "auroc"] > 0.6
