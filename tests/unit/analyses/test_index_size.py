"""Parts of the index: nested by patient, searched exactly, the whole equal to the full result."""

import itertools

import numpy as np
import pandas as pd
import pytest

from radcbir.analyses.index_size.compute import index_size_table, nested_parts
from radcbir.metrics.evaluation import evaluate

SHARES = [0.02, 0.1, 0.3, 1]


def test_parts_are_nested_and_keep_patients_whole():
    patients = np.repeat([f"p{each}" for each in range(40)], np.arange(40) % 4 + 1).astype(object)
    for seed in range(5):
        parts = nested_parts(patients, SHARES, seed)
        assert [len({*patients[held]}) for held in parts] == [1, 4, 12, 40]
        for smaller, larger in itertools.pairwise(parts):
            assert not (smaller & ~larger).any() and smaller.sum() < larger.sum()
        for held in parts:
            assert not {*patients[held]} & {*patients[~held]}
    drawn = [nested_parts(patients, SHARES, seed)[1].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_images_without_a_patient_stand_alone():
    held = nested_parts([None] * 30, [0.1, 1], 0)
    assert [each.sum() for each in held] == [3, 30], (
        "0.1 x 30 is three, whatever binary fractions say"
    )


@pytest.fixture(scope="module", params=["patients", "no patients"])
def data(request):
    random = np.random.default_rng(2)
    label = np.concatenate([np.repeat(["CT/a/x", "CT/a/y", "XR/b/z"], [60, 30, 9]), ["US/c/rare"]])
    catalog = pd.DataFrame(
        {"id": random.permutation(140), "split": ["train"] * 100 + ["test"] * 40}
    )
    catalog["label"] = [*label, *label[random.integers(0, 100, 38)], "US/c/rare", "NM/d/unknown"]
    known = [f"p{each // 3}" for each in range(100)] + [f"q{each // 4}" for each in range(40)]
    catalog["patient_id"] = known if request.param == "patients" else None
    catalog["modality"] = catalog["region"] = None
    centers = random.standard_normal((5, 8))
    vectors = 0.8 * centers[pd.factorize(catalog["label"])[0]] + random.standard_normal((140, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return catalog, vectors


def compute(data, k=10, seeds=2):
    catalog, vectors = data
    index, queries = catalog["split"] == "train", catalog["split"] == "test"
    return index_size_table(
        catalog[index].reset_index(drop=True), vectors[index], catalog[queries].reset_index(drop=True), vectors[queries],
        catalog, "train", "test", SHARES[:-1], seeds, k,
    )  # fmt: skip


def by_hand(data, held, metric, counting, average):
    """The figure of one part with a plain loop over the queries; ``held`` are the ids of the
    part."""
    catalog, vectors = data
    index = catalog[catalog["split"] == "train"]
    part = index[index["id"].isin(held)]
    values = {}
    for query in catalog[catalog["split"] == "test"].itertuples():
        if query.label not in set(index["label"]):
            continue
        order = np.argsort(-vectors[part.index].astype(float) @ vectors[query.Index].astype(float))
        right = (part["label"].to_numpy() == query.label)[order]
        relevant = right.sum()
        if relevant == 0:
            value = 0 if counting == "all" else None
        else:
            n = 1 if metric == "precision_at_1" else min(10, relevant)
            value = right[:n].mean()
        if value is not None:
            values.setdefault(query.label, []).append(value)
    if average == "macro":
        return np.mean([np.mean(each) for each in values.values()])
    return np.mean([each for found in values.values() for each in found])


def test_every_part_equals_a_search_by_hand(data):
    table, catalog = compute(data), data[0]
    patients = catalog.loc[catalog["split"] == "train", "patient_id"].to_numpy(object)
    ids = catalog.loc[catalog["split"] == "train", "id"].to_numpy()
    table = table[(table["neighbors"] == "all") & (table["metric"] != "plain_precision_at_10")]
    assert len(table) == 4 * 2 * 2 * 2 * 2  # shares, seeds, metrics, averages, countings
    for row in table.itertuples():
        held = nested_parts(patients, [row.share], row.seed)[0]
        assert row.index_images == held.sum()
        expected = by_hand(data, ids[held], row.metric, row.counting, row.average)
        assert row.value == pytest.approx(expected, abs=1e-12), row
        assert row.queries == 39, "the query that the whole index cannot answer stands nowhere"


def test_the_whole_index_is_the_full_result_exactly(data):
    from radcbir.retrieval import exact
    from radcbir.retrieval.neighbor_table import Queries

    catalog, vectors = data
    table = compute(data)
    index, queries = catalog["split"] == "train", catalog["split"] == "test"
    import faiss

    whole = faiss.IndexIDMap2(faiss.IndexFlatIP(8))
    whole.add_with_ids(vectors[index], catalog.loc[index, "id"].to_numpy())
    found = exact.neighbor_table(
        whole,
        Queries(
            catalog.loc[queries, "id"].to_numpy(),
            vectors[queries],
            10,
            catalog.loc[queries, "patient_id"].to_numpy(object),
            catalog[index].set_index("id")["patient_id"],
        ),
    )
    summary = evaluate(
        found.to_pandas(), catalog, catalog["id"].to_numpy(), "train", "test", 10
    ).summary
    expected = summary.set_index(["neighbors", "metric", "average"])["value"]
    whole = table[table["share"] == 1]
    assert set(whole["neighbors"]) == set(summary["neighbors"])
    for row in whole.itertuples():
        assert row.value == pytest.approx(
            expected[row.neighbors, row.metric, row.average], abs=1e-14
        ), row
        assert row.answerable == row.queries
    assert whole["seed"].nunique() == 2


def test_metrics_deeper_than_k_are_missing(data):
    table = compute(data, k=3, seeds=1)
    missing = table["value"].isna()
    assert missing[table["metric"] == "plain_precision_at_10"].all()
    assert not missing[table["metric"] == "precision_at_1"].any()


@pytest.mark.parametrize("by", ["score", "reciprocal_rank"])
def test_a_fusion_is_searched_in_its_own_way(data, by):
    from radcbir.retrieval.fused import fused_neighbor_table
    from radcbir.retrieval.neighbor_table import Queries

    catalog, _ = data
    random = np.random.default_rng(7)
    members = [random.standard_normal((140, width)) for width in (3, 5)]
    vectors = np.hstack(
        [each / np.linalg.norm(each, axis=1, keepdims=True) for each in members]
    ) / np.sqrt(2)
    vectors = vectors.astype(np.float32)
    index, queries = catalog["split"] == "train", catalog["split"] == "test"
    fused = {"by": by, "widths": [3, 5]}
    table = index_size_table(
        catalog[index].reset_index(drop=True), vectors[index], catalog[queries].reset_index(drop=True), vectors[queries],
        catalog, "train", "test", [0.01, 1], 1, 10, fused,
    )  # fmt: skip
    found = fused_neighbor_table(
        by,
        [3, 5],
        catalog.loc[index, "id"].to_numpy(),
        vectors[index],
        Queries(catalog.loc[queries, "id"].to_numpy(), vectors[queries], 10),
    )
    summary = evaluate(
        found.to_pandas(), catalog, catalog["id"].to_numpy(), "train", "test", 10
    ).summary
    expected = summary[summary["neighbors"] == "all"].set_index(["metric", "average"])["value"]
    whole = table[
        (table["share"] == 1) & (table["neighbors"] == "all") & (table["counting"] == "all")
    ]
    for row in whole.itertuples():
        assert row.value == pytest.approx(expected[row.metric, row.average], abs=1e-12)
    assert table["value"][table["metric"] == "precision_at_1"].notna().all()
