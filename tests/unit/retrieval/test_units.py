"""Series, studies and patients: their rows by hand, and their vectors."""

import numpy as np
import pandas as pd
import pytest

from radcbir.core.errors import InputError
from radcbir.datasets.catalog import CATALOG_COLUMNS
from radcbir.embedding import store
from radcbir.embedding.job import Job
from radcbir.retrieval.units import vectors
from radcbir.retrieval.units.catalog import pool_units, read_members, units_of, write_members
from radcbir.retrieval.units.vectors import pool_embeddings, pooled_vectors

CHEST, HEAD = "CT/chest/a", "CT/head/b"


def catalog(*rows):
    """Images with the given columns; ids are their places, paths name them."""
    usual = {"split": "train", "labels": [CHEST], "patient_id": "p", "study_id": "t"}
    listed = [{"id": place, "path": f"{place}.png"} | usual | row for place, row in enumerate(rows)]
    frame = pd.DataFrame(listed).reindex(columns=CATALOG_COLUMNS)
    for each in ("instance", "position", "age"):
        frame[each] = frame[each].astype(float)
    for each in ("series_id", "view", "sex", "text", "source", "scanner", "modality", "region"):
        frame[each] = frame[each].astype(object)
    frame["label"] = [each[0] if len(each) == 1 else None for each in frame["labels"]]
    return frame


def series(*rows, **common):
    return catalog(*[{"series_id": "s"} | common | row for row in rows])


def test_a_series_has_the_path_of_its_middle_slice_by_position():
    images = series({"position": 30}, {"position": -10}, {"position": 0})
    found = units_of(images, "ct", "series", ["train"])
    assert found.catalog["path"].tolist() == ["2.png"]
    assert found.members["image"].tolist() == [1, 2, 0]
    assert found.members["unit"].tolist() == [found.catalog["id"].item()] * 3
    assert list(found.catalog.columns) == CATALOG_COLUMNS


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        # One position is missing: the numbers count.
        ([{"position": 1, "instance": 3}, {"instance": 1}, {"position": 9, "instance": 2}], [1, 2, 0]),
        # One number is missing as well: the paths count, 9 before 10.
        ([{"path": "x10.png", "instance": 1}, {"path": "x9.png"}, {"path": "x1.png"}], [2, 1, 0]),
    ],
)  # fmt: skip
def test_without_all_positions_slices_have_the_order_of_numbers_then_of_paths(rows, order):
    assert units_of(series(*rows), "ct", "series", ["train"]).members["image"].tolist() == order


def test_the_label_is_that_of_most_images_and_a_tie_goes_by_name():
    rows = [{"labels": [HEAD]}, {"labels": []}, {"labels": [CHEST]}, {"labels": [HEAD]}]
    found = units_of(series(*rows), "ct", "series", ["train"])
    assert found.catalog["label"].tolist() == [HEAD]
    assert found.ledger["what"].tolist() == [f"labels differ: {HEAD}: 2, {CHEST}: 1"]
    assert found.ledger["unit"].tolist() == found.catalog["id"].tolist()
    tie = units_of(series(*rows[:3]), "ct", "series", ["train"])
    assert tie.catalog["label"].tolist() == [CHEST]


def test_what_all_images_share_is_the_unit_s():
    rows = [{"scanner": "A", "sex": "F"}, {"scanner": "B", "sex": None}]
    found = units_of(series(*rows, age=40.0, modality="CT"), "ct", "series", ["train"]).catalog
    row = found.iloc[0]
    assert (row["scanner"], row["sex"], row["age"], row["modality"]) == (None, "F", 40.0, "CT")
    assert (row["patient_id"], row["study_id"], row["series_id"]) == ("p", "t", "s")


def test_the_same_number_in_another_study_is_another_series():
    images = series({}, {"study_id": "u"}, {"patient_id": "q"})
    assert len(units_of(images, "ct", "series", ["train"]).catalog) == 3
    assert len(units_of(images, "ct", "study", ["train"]).catalog) == 3
    patients = units_of(images, "ct", "patient", ["train"]).catalog
    assert sorted(patients["patient_id"]) == ["p", "q"]
    p = patients[patients["patient_id"] == "p"].iloc[0]
    assert pd.isna(p["study_id"]) and p["series_id"] == "s"


def test_ids_tell_datasets_and_units_apart_and_do_not_depend_on_the_images():
    one = units_of(series({}, {}), "ct", "series", ["train"]).catalog["id"].item()
    more = units_of(series({}, {}, {}), "ct", "series", ["train"]).catalog["id"].item()
    other = units_of(series({}), "mr", "series", ["train"]).catalog["id"].item()
    study = units_of(series({}), "ct", "study", ["train"]).catalog["id"].item()
    assert one == more and len({one, other, study}) == 3


def test_images_without_the_id_are_left_out_and_a_dataset_without_any_is_refused():
    found = units_of(series({}, {"series_id": None}), "ct", "series", ["train"])
    assert found.members["image"].tolist() == [0]
    assert found.ledger[["path", "what"]].values.tolist() == [["1.png", "left out: no series_id"]]
    with pytest.raises(InputError, match="no image of the dataset 'ct' has a series_id"):
        units_of(series({}, series_id=None), "ct", "series", ["train"])


def test_a_unit_in_two_splits_is_refused_and_unused_splits_do_not_count():
    images = series({}, {"split": "test"}, {"split": "spare"})
    with pytest.raises(InputError, match="the series 's' of the dataset 'ct' has images in the splits test and train"):  # fmt: skip
        units_of(images, "ct", "series", ["train", "test"])
    assert len(units_of(images, "ct", "series", ["train", "val"]).catalog) == 1


def test_the_pool_counts_units_and_keeps_their_images():
    images = catalog(
        {"series_id": "1"}, {"series_id": "1"}, {"series_id": "2", "labels": []},
        {"series_id": "3", "split": "test", "patient_id": "q"}, {"series_id": None, "split": "test"},
    )  # fmt: skip
    found = pool_units({"ct": images}, "x", "series", "train", ["test"])
    assert found.units.catalog["split"].value_counts().to_dict() == {"train": 1, "test": 1}
    assert set(found.units.catalog["patient_id"]) == {"ct:p", "ct:q"}
    assert found.images["id"].tolist() == found.units.members["image"].tolist()
    assert sorted(found.images["id"]) == [0, 1, 3]
    assert set(found.images["patient_id"]) == {"ct:p", "ct:q"}
    train = found.counts[found.counts["split"] == "train"].iloc[0]
    assert (train["units"], train["images"], train["images_left_out"]) == (1, 2, 1)
    assert found.taken.set_index("split").loc["train", "unlabelled"] == 1


def test_the_list_of_images_has_the_digest_of_its_content_as_name(tmp_path):
    members = pd.DataFrame({"unit": [7, 7, 9], "image": [3, 1, 2]})
    for folder in ("one", "two"):
        write_members(members, tmp_path / folder)
    [one], [two] = (list((tmp_path / each).iterdir()) for each in ("one", "two"))
    assert one.name == two.name
    pd.testing.assert_frame_equal(read_members(one), members)


def test_mean_and_median_by_hand():
    images = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, -1], [0, 1], [0, 1]], np.float32)
    starts = np.array([0, 3])
    # (1.6, 1.8) / 3 and (0, 1) / 3; medians (0.6, 0.8) and (0, 1)
    mean = pooled_vectors(images, starts, "mean")
    np.testing.assert_allclose(mean, [[0.664364, 0.747409], [0, 1]], atol=1e-6)
    median = pooled_vectors(images, starts, "median")
    np.testing.assert_allclose(median, [[0.6, 0.8], [0, 1]], atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "median"])
def test_blocks_change_nothing(monkeypatch, pooling):
    random = np.random.default_rng(0)
    images, starts = random.normal(size=(12, 4)), np.array([0, 1, 5, 6, 10])
    whole = pooled_vectors(images, starts, pooling, [1, 3])
    monkeypatch.setattr(vectors, "UNITS_PER_BLOCK", 2)
    np.testing.assert_array_equal(pooled_vectors(images, starts, pooling, [1, 3]), whole)


def test_a_fusion_is_pooled_part_by_part():
    parts = np.array([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], np.float32)  # image, member, number
    fused = parts.reshape(2, 4) / np.sqrt(2)
    found = pooled_vectors(fused, np.array([0]), "mean", [2, 2])
    np.testing.assert_allclose(found, [[0.5, 0.5, 0, np.sqrt(0.5)]], atol=1e-6)


def test_the_file_has_units_and_says_why_others_are_missing(tmp_path):
    job = Job("net", {"loader": "x"}, "code")
    given = np.array([[1, 0], [0, 1], [-1, 0]], float)
    attributes = job.provenance("", {})
    store.write_shard(tmp_path / "ct.h5", np.array([1, 2, 3]), given, [], attributes)
    members = pd.DataFrame({"unit": [70, 70, 80, 80, 90], "image": [1, 2, 1, 3, 4]})
    pool_embeddings([tmp_path / "ct.h5"], members, job, tmp_path / "units.h5", "mean")
    ids, found = store.read([tmp_path / "units.h5"], np.array([70, 80, 90]))
    assert ids.tolist() == [70]
    np.testing.assert_allclose(found, [[np.sqrt(0.5)] * 2], atol=1e-6)
    assert store.read_rejected(tmp_path / "units.h5") == [
        (90, "", "nothing of it is embedded"),
        (80, "", "the vectors of its images cancel out"),
    ]


def test_with_several_labels_a_unit_shows_what_any_of_its_images_shows():
    rows = [{"labels": [HEAD]}, {"labels": []}, {"labels": [CHEST]}, {"labels": [HEAD, "CT/neck"]}]
    found = units_of(series(*rows), "ct", "series", ["train"], "multi")
    assert found.catalog["labels"].tolist() == [[CHEST, HEAD, "CT/neck"]]
    assert found.catalog["label"].tolist() == [None] and found.ledger.empty
    alike = units_of(series({}, {}), "ct", "series", ["train"], "multi").catalog
    assert alike["label"].tolist() == [CHEST]
    without = units_of(series({"labels": []}), "ct", "series", ["train"], "multi").catalog
    assert without["labels"].tolist() == [[]]
