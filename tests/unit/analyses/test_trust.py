"""Leakage, shortcuts, graded relevance, retrieval across datasets, contamination: by hand and
against plain loops."""

import numpy as np
import pandas as pd
import plain_intervals
import pytest
from sklearn.metrics import ndcg_score

from radcbir.analyses.contamination import compute as contamination_compute
from radcbir.analyses.contamination.compute import contamination
from radcbir.analyses.contamination.page import contamination_sections
from radcbir.analyses.cross_dataset.compute import cross_dataset, source_purity
from radcbir.analyses.cross_dataset.page import cross_dataset_sections
from radcbir.analyses.graded_relevance.compute import LabelSets, graded_relevance
from radcbir.analyses.leakage.compute import embedding_duplicates, leakage
from radcbir.analyses.leakage.page import leakage_sections
from radcbir.analyses.shortcuts.compute import age_bands, shortcuts
from radcbir.retrieval.joined import Neighborhood, neighborhood

EDEMA, NORMAL, NODULE = "XR/chest/Edema", "XR/chest/Normal", "CT/lung/Nodule"


def catalog_of(**columns):
    """A pooled catalog: what is not given is missing."""
    table = pd.DataFrame(columns)
    table["id"] = np.arange(len(table)) + 100
    for name in ("path", "dataset", "source", "view", "sex", "patient_id", "study_id"):
        table[name] = table.get(name, None)
    table["age"] = table.get("age", np.nan)
    if "labels" not in table:
        table["labels"] = [[label] for label in table["label"]]
    return table


def table_of(lists):
    """The neighbor table of query -> neighbors, by their places in the catalog."""
    rows = [
        (query + 100, rank, each + 100)
        for query, found in lists.items()
        for rank, each in enumerate(found, 1)
    ]
    return pd.DataFrame(rows, columns=["query", "rank", "neighbor"])


def hood_of(catalog, lists, **options):
    return neighborhood(table_of(lists), catalog, catalog["id"].to_numpy(), "train", **options)


# --- neighborhoods
# --------------------------------------------------------------------------------------------------


def test_the_first_kept_neighbor_of_each_query():
    hood = Neighborhood(np.array([0, 3, 5, 6]), np.arange(3), np.arange(6), np.arange(6))
    kept = np.array([0, 1, 1, 0, 0, 1], dtype=bool)
    assert hood.first(kept).tolist() == [1, -1, 5]
    assert hood.first(np.zeros(6, dtype=bool)).tolist() == [-1, -1, -1]


def test_images_with_several_labels_neither_ask_nor_are_found():
    catalog = catalog_of(split=["test", "test", "train", "train"], label=[EDEMA, None, None, EDEMA])
    lists = {0: [2, 3], 1: [2, 3]}
    hood = hood_of(catalog, lists)
    assert (hood.queries.tolist(), hood.neighbors.tolist(), hood.index.tolist()) == ([0], [3], [3])
    hood = hood_of(catalog, lists, one_label=False)
    assert (hood.queries.tolist(), hood.neighbors.tolist(), hood.index.tolist()) == (
        [0, 1],
        [2, 3, 2, 3],
        [2, 3],
    )
    with pytest.raises(ValueError, match="not in the catalog"):
        hood_of(catalog, {0: [77]})


# --- leakage
# --------------------------------------------------------------------------------------------------------


@pytest.fixture
def patients():
    """Index 2..7, queries 0 and 1. Query 0 finds its own patient's images first (one of them of its
    own study)."""
    return catalog_of(
        split=["test", "test", *["train"] * 6],
        label=[EDEMA, NORMAL, EDEMA, EDEMA, NORMAL, EDEMA, NORMAL, NORMAL],
        dataset=["one"] * 8,
        patient_id=["a", "b", "a", "a", "c", "d", None, "b"],
        study_id=["s1", "s2", "s1", "s9", "s3", "s4", None, "s9"],
    )


def test_leakage_by_hand(patients):
    hood = hood_of(patients, {0: [2, 3, 4, 5, 6, 7], 1: [7, 5, 4, 6, 2, 3]})
    pairs = pd.DataFrame({"image": [101, 102], "other": [107, 100]})
    table = leakage(patients, hood, {"no_near_duplicates": pairs, "none": pairs[:0]})
    table = table.set_index(["neighbors", "k"])
    assert table.loc[("all", 1), "precision"] == 1
    # Other patients: query 0 then finds 4 (wrong), query 1 finds 5 (wrong).
    assert table.loc[("other_patients", 1), "precision"] == 0
    assert table.loc[("other_patients", 1), "leakage"] == 1
    assert table.loc[("other_patients", 1), "left_out"] == 1
    # P@5: R of query 0 is 1 (image 5), cut at 1: 4 is wrong. R of query 1 is 2 (4 and 6): 5 wrong,
    # 4 right.
    assert table.loc[("other_patients", 5), "precision"] == pytest.approx((0 + 1 / 2) / 2)
    # All: query 0, R = 3: 2, 3 right, 4 wrong. Query 1, R = 3: 7 right, 5 wrong, 4 right.
    assert table.loc[("other_patients", 5), "precision_all"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    # Other studies: query 0 loses 2 alone and finds 3; query 1 loses nothing, since its study s2 is
    # not in the index.
    assert table.loc[("other_studies", 1), "precision"] == 1
    # Near duplicates, in either order: 101-107 and 102-100.
    assert table.loc[("no_near_duplicates", 1), "precision"] == pytest.approx(1 / 2)
    assert table.loc[("no_near_duplicates", 1), "left_out"] == 1
    assert table.loc["none"].equals(table.loc["all"])
    assert (table["queries"] == 2).all()


def test_leakage_has_an_interval_by_patient():
    """Queries of patients a to d; three of them lose their own image, and one of these finds another
    one of its label."""
    catalog = catalog_of(
        split=["test"] * 4 + ["train"] * 6,
        label=[EDEMA] * 4 + [EDEMA] * 5 + [NORMAL],
        dataset=["one"] * 10,
        patient_id=["a", "b", "c", "d", "a", "b", "c", "e", "e", "f"],
        study_id=[None] * 10,
    )
    hood = hood_of(catalog, {0: [4, 9, 7], 1: [5, 9, 7], 2: [6, 8, 7], 3: [7, 9, 8]})
    found = leakage(catalog, hood, {}).set_index(["neighbors", "k"]).loc[("other_patients", 1)]
    assert found["leakage"] == pytest.approx(1 / 2)
    assert (found["low"], found["high"]) == pytest.approx(plain_intervals.of_mean([1, 1, 0, 0]))
    assert found["effective_patients"] == pytest.approx(4)


def test_images_that_most_models_hold_for_the_same(tmp_path, patients):
    def of_model(*rows):
        """The files of one model, one per query split: (query, neighbor, score)."""
        paths = [
            tmp_path / f"{len(list(tmp_path.iterdir())) + place}.parquet"
            for place in range(len(rows))
        ]
        for path, each in zip(paths, rows, strict=True):
            pd.DataFrame(each, columns=["query", "neighbor", "score"]).astype(
                {"score": "float32"}
            ).to_parquet(path)
        return paths

    tables = [
        of_model([(100, 102, 0.99), (100, 103, 0.97)], [(101, 104, 0.985)]),
        of_model([(100, 103, 0.99), (100, 102, 0.98)], [(101, 104, 0.5)]),
        of_model([(100, 102, 0.2), (100, 104, 1.0)], [(101, 104, 0.99)]),
    ]
    found = embedding_duplicates(patients, tables, 0.98)
    # 100-102: 0.99 and 0.98, just enough; 101-104: 0.985 and 0.99; 100-103 and 100-104 convince one
    # of three.
    assert found[["image", "other", "models"]].values.tolist() == [[101, 104, 2], [100, 102, 2]]
    assert found["similarity"].tolist() == pytest.approx([0.9875, 0.985])
    assert found[
        ["image_label", "other_label", "image_patient_id", "other_patient_id"]
    ].values.tolist() == [
        [NORMAL, NORMAL, "b", "c"],
        [EDEMA, EDEMA, "a", "a"],
    ]
    found = embedding_duplicates(patients, tables[:2], 0.98)
    assert found[["image", "other"]].values.tolist() == [[100, 102]]
    for nothing in ([], tables[:1]):
        empty = embedding_duplicates(patients, nothing, 0.999)
        assert len(empty) == 0
        assert list(empty.columns) == list(found.columns)


def test_leakage_counts_queries_that_nothing_else_answers_and_lists_that_end_too_early(patients):
    # Only its own patient's images have the label of query 0 when 5 is not embedded.
    embedded = patients["id"].to_numpy()[[0, 1, 2, 3, 4, 6, 7]]
    table = table_of({0: [2, 3], 1: [7, 4]})
    hood = neighborhood(table, patients, embedded, "train")
    found = leakage(patients, hood, {}).set_index(["neighbors", "k"])
    assert "no_near_duplicates" not in found.index.get_level_values(0)
    assert found.loc[("other_patients", 1), "queries_without_relevant"] == 1
    assert found.loc[("other_patients", 1), "queries"] == 1
    assert found.loc[("other_patients", 1), "precision_all"] == 1
    # Two other Normal images are to be found for query 1, but its list ends after one other
    # neighbor.
    assert found.loc[("other_patients", 5), "queries_too_short"] == 1
    assert np.isnan(found.loc[("other_patients", 5), "precision"])


def test_studies_of_two_datasets_that_are_numbered_alike_differ():
    catalog = catalog_of(
        split=["test", "train"], label=[EDEMA, EDEMA], dataset=["one", "two"], study_id=["7", "7"]
    )
    table = leakage(catalog, hood_of(catalog, {0: [1]}), {}).set_index(["neighbors", "k"])
    assert table.loc[("other_studies", 1), "precision"] == 1


# --- shortcuts
# ------------------------------------------------------------------------------------------------------


def test_shortcuts_by_hand():
    catalog = catalog_of(
        split=["test"] * 4 + ["train"] * 4,
        label=[EDEMA, EDEMA, NORMAL, NORMAL, EDEMA, NORMAL, EDEMA, NORMAL],
        view=["PA", "PA", "AP", None, "PA", "PA", "AP", "AP"],
        sex=["F", "F", "F", "F", "F", "F", "F", "F"],
        scanner=["Philips"] * 4 + ["Philips", "GE", "GE", "Philips"],
        age=[10, 30, 50, 70, 12, 33, 55, np.nan],
    )
    # Nearest: query 0 -> 4 (right, same view), 1 -> 5 (wrong, same view), 2 -> 6 (wrong, same
    # view), 3 -> 7 (right).
    hood = hood_of(catalog, {0: [4, 6], 1: [5, 4], 2: [6, 7], 3: [7, 4]})
    table = shortcuts(catalog, hood).set_index("attribute")
    assert list(table.index) == ["finding", "scanner", "view", "age_band"], (
        "sex has one value, dataset and source none"
    )
    # Of the four nearest images (4, 5, 6, 7) the first and the last are by the same maker as every
    # query.
    assert table.loc["scanner", ["values", "queries", "precision_at_1", "chance"]].tolist() == [
        2,
        4,
        1 / 2,
        1 / 2,
    ]
    assert table.loc["finding", ["precision_at_1", "chance", "lift", "queries"]].tolist() == [
        1 / 2,
        1 / 2,
        1,
        4,
    ]
    view = table.loc["view"]
    assert view[["values", "queries", "precision_at_1", "chance", "lift"]].tolist() == [
        2,
        3,
        1,
        1 / 2,
        2,
    ]
    assert view["finding_precision"] == pytest.approx(1 / 3)
    assert view["finding_if_shared"] == pytest.approx(1 / 3)
    assert view["queries_shared"] == 3
    assert np.isnan(view["finding_if_not"])
    # Right findings with a known view: query 0, PA; of the Edema images in the index one of two is
    # PA.
    assert view[["precision_given_finding", "chance_given_finding"]].tolist() == [1, 1 / 2]
    # Age bands: 0 -> 4 same, 1 -> 5 same, 2 -> 6 same; 3 -> 7 unknown.
    assert table.loc["age_band", ["values", "queries", "precision_at_1"]].tolist() == [3, 3, 1]
    assert table.loc["age_band", "chance"] == pytest.approx(1 / 3)


def test_shortcuts_pass_over_the_query_s_own_patient():
    catalog = catalog_of(
        split=["test", *["train"] * 3], label=[EDEMA, EDEMA, NORMAL, EDEMA], view=["PA", "PA", "AP", "PA"],
        patient_id=["a", "a", "b", "c"],
    )  # fmt: skip
    table = shortcuts(catalog, hood_of(catalog, {0: [1, 2, 3]})).set_index("attribute")
    assert table["precision_at_1"].tolist() == [0, 0]


def test_shortcuts_leave_out_what_cannot_be_answered():
    # Query 1 has a finding that the index lacks; the sources of the queries are not in the index.
    catalog = catalog_of(
        split=["test", "test", "train", "train"], label=[EDEMA, NODULE, EDEMA, NORMAL], view=["PA", "PA", "PA", "AP"],
        source=["a", "a", "b", "c"],
    )  # fmt: skip
    table = shortcuts(catalog, hood_of(catalog, {0: [2, 3], 1: [3, 2]})).set_index("attribute")
    assert table["queries"].to_dict() == {"finding": 1, "view": 1}
    assert table["precision_at_1"].tolist() == [1, 1]


def test_age_bands():
    assert age_bands(pd.Series([0, 19.9, 20, 85, np.nan])).tolist() == [
        "00-19",
        "00-19",
        "20-39",
        "80-99",
        None,
    ]


# --- graded relevance
# -----------------------------------------------------------------------------------------------


def jaccard(one, other):
    return len(set(one) & set(other)) / len(set(one) | set(other))


def depth(one, other):
    one, other = one.split("/", 2), other.split("/", 2)
    return sum(one[:level] == other[:level] for level in (1, 2, 3)) / 3


def tree(one, other):
    forward = np.mean([max(depth(a, b) for b in other) for a in one])
    return (forward + np.mean([max(depth(a, b) for a in one) for b in other])) / 2


def random_labels(rng, count, most):
    names = [
        f"{m}/{r}/{f}" for m in ("XR", "CT") for r in ("chest", "head") for f in ("a", "b", "c")
    ]
    return [
        sorted(rng.choice(names, rng.integers(1, most + 1), replace=False)) for _ in range(count)
    ]


@pytest.mark.parametrize("most", [1, 3])
def test_graded_ndcg_is_that_of_scikit_learn(most):
    rng = np.random.default_rng(most)
    labels = random_labels(rng, 70, most)
    catalog = catalog_of(
        split=["test"] * 20 + ["train"] * 50, label=[each[0] for each in labels], labels=labels
    )
    ranked = {query: (20 + rng.permutation(50)).tolist() for query in range(20)}
    k = 15
    table = graded_relevance(
        catalog, hood_of(catalog, {query: found[:k] for query, found in ranked.items()}), k
    )
    assert table["k"].tolist() == [10, 15] * 2
    for row in table.itertuples():
        gain = {"jaccard": jaccard, "label_tree": tree}[row.gain]
        values = []
        for query, found in ranked.items():
            gains = [gain(labels[query], labels[each]) for each in found]
            if any(gains):
                values.append(ndcg_score([gains], [-np.arange(50.0)], k=row.k))
        assert row.value == pytest.approx(np.mean(values), abs=1e-12), row
        assert row.queries == len(values)
        assert row.queries + row.queries_without_relevant == 20


def test_graded_gains_by_hand():
    sets = LabelSets(pd.Series([[EDEMA], [NORMAL], [NODULE], [EDEMA, NORMAL], ["CT/chest/Edema"]]))
    gain = sets.label_tree(sets.of_image[:1])[0, sets.of_image]
    # Itself; modality and region; nothing; itself and the half way of Normal; no modality, so no
    # region either.
    np.testing.assert_allclose(gain, [1, 2 / 3, 0, (1 + (1 + 2 / 3) / 2) / 2, 0])
    np.testing.assert_allclose(
        sets.jaccard(sets.of_image[:1])[0, sets.of_image], [1, 0, 0, 1 / 2, 0]
    )


def test_a_query_that_nothing_resembles_stands_in_no_average():
    catalog = catalog_of(split=["test", "test", "train"], label=[EDEMA, NODULE, EDEMA])
    table = graded_relevance(catalog, hood_of(catalog, {0: [2], 1: [2]}), 1).set_index("gain")
    assert table["value"].tolist() == [1, 1]
    assert table["queries_without_relevant"].tolist() == [1, 1]


# --- across datasets
# ------------------------------------------------------------------------------------------------


def test_the_matrix_of_datasets_equals_a_plain_loop():
    rng = np.random.default_rng(2)
    count = 240
    dataset = rng.choice(["one", "three", "two"], count)
    label = np.where(
        dataset == "three",
        rng.choice(["X/y/c", "X/y/d"], count),
        rng.choice(["X/y/a", "X/y/b", "X/y/c"], count),
    )
    label = np.where((dataset == "two") & (label == "X/y/b"), "X/y/e", label)
    catalog = catalog_of(
        split=rng.choice(["train", "test"], count, p=[0.7, 0.3]), label=label, dataset=dataset
    )
    vectors = rng.normal(size=(count, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    left_out = 105  # an image that the model rejected

    def read(ids):
        kept = np.sort(ids[ids != left_out])
        return kept, vectors[kept - 100]

    table = cross_dataset(catalog, read, "train", "test")
    assert len(table) == 9
    is_query = (catalog["split"] == "test").to_numpy() & (catalog["id"] != left_out).to_numpy()
    is_index = (catalog["split"] == "train").to_numpy() & (catalog["id"] != left_out).to_numpy()
    for row in table.itertuples():
        asking = np.flatnonzero(is_query & (dataset == row.query_dataset))
        asked = np.flatnonzero(is_index & (dataset == row.index_dataset))
        home = np.flatnonzero(is_index & (dataset == row.query_dataset))
        shared = set(label[asking]) & set(label[asked])
        hits = {"asked": [], "home": [], "ten": []}
        for query in asking:
            if label[query] not in shared:
                continue
            for name, where in (("asked", asked), ("home", home)):
                there = [each for each in where if label[each] in shared]
                if label[query] not in label[there]:
                    continue
                found = sorted(
                    there,
                    key=lambda each: (
                        -float(vectors[query].astype(float) @ vectors[each].astype(float))
                    ),
                )
                hits[name].append(label[found[0]] == label[query])
                if name == "asked":
                    length = min(10, (label[there] == label[query]).sum())
                    hits["ten"].append((label[found[:length]] == label[query]).mean())
        assert row.classes == len(shared)
        assert row.queries == len(hits["asked"])
        assert row.own_queries == len(hits["home"])
        for value, name in (
            (row.precision_at_1, "asked"),
            (row.own_precision_at_1, "home"),
            (row.precision_at_10, "ten"),
        ):
            assert value == pytest.approx(np.mean(hits[name]), nan_ok=True), (row, name)
    assert (table.loc[table["query_dataset"] == "three", "classes"] <= 2).all()
    assert table["own_queries"].lt(table["queries"]).sum() == 0


def test_a_pair_without_a_common_class_has_no_values():
    catalog = catalog_of(
        split=["test", "train", "test", "train"],
        label=[EDEMA, EDEMA, NODULE, NODULE],
        dataset=["a", "a", "b", "b"],
    )
    vectors = np.eye(4, dtype=np.float32)
    table = cross_dataset(catalog, lambda ids: (ids, vectors[ids - 100]), "train", "test")
    table = table.set_index(["query_dataset", "index_dataset"])
    assert table.loc[("a", "b"), ["classes", "queries", "index_images"]].tolist() == [0, 0, 0]
    assert np.isnan(table.loc[("a", "b"), "precision_at_1"])
    assert table.loc[("a", "a"), "precision_at_1"] == 1


def test_images_of_the_query_s_own_patient_do_not_answer_at_home():
    """Where splits may share patients, only the own dataset has them: the figure at home was too
    high."""
    catalog = catalog_of(
        split=["test", "test", "train", "train", "train", "train", "train"],
        label=[EDEMA, NODULE, EDEMA, NODULE, EDEMA, EDEMA, NODULE],
        dataset=["a", "a", "a", "a", "a", "b", "b"],
        patient_id=["p", "u", "p", "q", "r", "s", "t"],
    )
    angles = np.deg2rad([0, 12, 1, 10, 20, 5, 15])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def matrix(catalog):
        table = cross_dataset(catalog, lambda ids: (ids, vectors[ids - 100]), "train", "test")
        return table.set_index(["query_dataset", "index_dataset"])

    home, away = (matrix(catalog).loc[("a", other)] for other in "ab")
    assert home["precision_at_1"] == 0.5, "of other patients, the nodule is nearest to the edema"
    assert home["chance"] == pytest.approx((1 / 2 + 1 / 3) / 2), "one of two, one of three"
    assert away["precision_at_1"] == 1
    assert (away["own_precision_at_1"], away["own_chance"]) == (0.5, home["chance"])
    assert matrix(catalog.assign(patient_id=None)).loc[("a", "a"), "precision_at_1"] == 1


def test_source_purity_by_hand():
    catalog = catalog_of(
        split=["test", "test", "train", "train", "train", "train"],
        label=[EDEMA] * 6,
        dataset=["a", "b", "a", "b", "b", "b"],
    )
    hood = hood_of(catalog, {0: [2, 3, 4], 1: [2, 3, 4]})
    table = source_purity(catalog, hood, (1, 2)).set_index(["query_dataset", "k"])
    assert table["purity"].tolist() == [1, 0, 1 / 2, 1 / 2]
    assert table["chance"].tolist() == [1 / 4, 3 / 4, 1 / 4, 3 / 4]


# --- contamination
# --------------------------------------------------------------------------------------------------

NET = {"loader": "timm"}


@pytest.mark.parametrize(
    ("trained", "dataset", "known_as", "status"),
    [
        (["ImageNet-1k", "NIH ChestX-ray14"], "chest", ["NIH14"], "seen"),
        (["chestx-ray-14"], "chest", ["ChestX-ray14"], "seen"),
        (["NIH14"], "nih14", [], "seen"),
        (["NIH14"], "pneumonia", ["RSNA Pneumonia"], "sibling"),
        (["ImageNet-1k"], "chest", ["NIH14"], "not seen"),
        (["ImageNet-1k"], "chest", [], "unknown"),
        ([], "chest", ["NIH14"], "unknown"),
        (["PMC-15M"], "chest", ["NIH14"], "unknown"),
        (["LAION-2B", "MIMIC-CXR"], "mimic", ["MIMIC-CXR-JPG"], "seen"),
        (["CheXpert"], "chest", ["NIH14"], "not seen"),
        (
            ["SA-1B", "1.5 million image-mask pairs of ten modalities"],
            "chest",
            ["NIH14"],
            "unknown",
        ),
        (["ImageNet-1k", "LVD-1689M"], "heads", ["Colin27"], "unknown"),
        (["ImageNet-1k", "MNI templates"], "heads", ["Colin27"], "sibling"),
    ],
)
def test_contamination(trained, dataset, known_as, status):
    assert contamination(NET | {"training_data": trained}, dataset, known_as) == status


def test_controls_have_seen_nothing_and_the_worst_mark_is_shown():
    assert contamination({"loader": "control"}, "chest", []) == "not seen"
    assert (
        contamination({"loader": "timm", "weights": {"random_seed": 0}}, "chest", []) == "not seen"
    )
    mark = contamination_compute.mark({"a": "not seen", "b": "sibling", "c": "unknown"})
    assert mark == {"sign": "◐", "text": "a: not seen; b: sibling; c: unknown", "status": "sibling"}


# --- pages
# ----------------------------------------------------------------------------------------------------------

CARDS = {
    "net": {"name": "Net <1>", "loader": "timm", "training_data": ["NIH14"]},
    "floor": {"name": "floor", "loader": "control"},
}


def cells(section):
    return [[cell["text"] for cell in row["cells"]] for row in section["rows"]]


def test_the_page_of_leakage_shows_what_is_lost():
    rows = [
        {"model": model, "query_split": "test", "neighbors": kind, "k": 1, "precision": value, "precision_all": 0.75,
         "leakage": 0.75 - value, "low": 0.125, "high": np.nan, "queries": 1200, "queries_without_relevant": 3, "queries_too_short": 0, "left_out": 0.5}
        for model in CARDS
        for kind, value in (("all", 0.75), ("other_patients", 0.5))
    ]  # fmt: skip
    (section,) = leakage_sections(pd.DataFrame(rows), CARDS)
    assert cells(section) == [
        [
            "Net <1>",
            "other patients",
            "0.750",
            "0.500",
            "+0.250",
            "+0.125",
            "",
            "0.500",
            "1,200",
            "3",
            "0",
        ],
        [
            "floor",
            "other patients",
            "0.750",
            "0.500",
            "+0.250",
            "+0.125",
            "",
            "0.500",
            "1,200",
            "3",
            "0",
        ],
    ]
    assert [row["control"] for row in section["rows"]] == [False, True]
    assert len(section["heads"]) == 11


def test_the_page_of_contamination_shows_the_marks():
    statuses = contamination_compute.statuses(CARDS, {"chest": ["ChestX-ray14"], "own": []})
    (section,) = contamination_sections(statuses, CARDS)
    assert cells(section) == [
        ["Net <1>", "● seen", "? unknown", "NIH14"],
        ["floor", "○ not seen", "○ not seen", "nothing listed"],
    ]


def test_the_page_across_datasets_shows_what_is_lost_away_from_home():
    matrix = pd.DataFrame(
        [{"model": "net", "query_split": "test", "query_dataset": "a", "index_dataset": "b", "classes": 2, "queries": 9,
          "index_images": 30, "chance": 0.25, "precision_at_1": 0.5, "precision_at_10": 0.25, "own_precision_at_1": 0.75}]
    )  # fmt: skip
    purity = pd.DataFrame(
        [
            {
                "model": "net",
                "query_split": "test",
                "query_dataset": "a",
                "k": 1,
                "purity": 0.875,
                "chance": 0.5,
                "queries": 9,
            }
        ]
    )
    pairs, sources = cross_dataset_sections(matrix, purity, CARDS)
    assert cells(pairs) == [
        ["Net <1>", "a", "b", "0.500", "0.750", "+0.250", "0.250", "0.250", "2", "9", "30"]
    ]
    assert cells(sources) == [["Net <1>", "a", "1", "0.875", "0.500", "9"]]
