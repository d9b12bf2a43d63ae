"""Query images that make series, studies and patients: which belong together, the slices that are
shown, table and ledger."""

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from dicom_series import write, write_series
from PIL import Image

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import prepare
from radcbir.embedding import store
from radcbir.project.configuration import Project
from radcbir.query.image_list import Query, find_queries, read_queries, write_queries
from radcbir.query.units.group import check_units, in_units, members_of
from radcbir.query.units.results import (
    UNIT_COLUMNS,
    Indexed,
    pictures,
    shown_slices,
    unit_ledger,
    unit_table,
)
from radcbir.retrieval.units.slices import stored_slices

EVERY = {"planes": ["axial"], "step": 1, "trim": 0, "dicom": None}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(path)


def volume(path):
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 4), np.int16), np.eye(4)), path)


def units(given, unit="series", options=EVERY):
    """Unit -> the names of its images in their order; what belongs to none is under ''."""
    found = {}
    for each in in_units(find_queries(given, unit), unit, options):
        found.setdefault(each.unit, []).append(each.name)
    return found


def test_pictures_are_together_by_folder_and_files_of_several_images_by_file(here):
    for name in ("a/10.png", "a/9.png", "a/deep/1.png", "b.png", "c.png"):
        picture(here / "ask" / name)
    volume(here / "ask/a/head.nii.gz")
    frames = [Image.fromarray(np.full((8, 8), each, np.uint8)) for each in (1, 2)]
    frames[0].save(here / "ask/a/cine.tif", save_all=True, append_images=frames[1:])
    (here / "ask/a/notes").write_text("no image")
    expected = {
        "ask/a": ["ask/a/9.png", "ask/a/10.png"],
        "ask/a/cine.tif": ["ask/a/cine.tif#frame=0", "ask/a/cine.tif#frame=1"],
        "ask/a/deep": ["ask/a/deep/1.png"],
        "ask/a/head.nii.gz": [f"ask/a/head.nii.gz#axial={each}" for each in range(4)],
        "ask/b.png": ["ask/b.png"],
        "ask/c.png": ["ask/c.png"],
        "": ["ask/a/notes"],
    }
    given = ["ask/a", "ask/b.png", "ask/c.png", "ask/a/9.png"]
    for unit in ("series", "study", "patient"):
        assert units(given, unit) == expected
    # A slice that is named alone is a unit of one; those of one file are together.
    assert units(["ask/a/head.nii.gz#axial=2"]) == {
        "ask/a/head.nii.gz": ["ask/a/head.nii.gz#axial=2"]
    }
    some = units(["ask/a/head.nii.gz"], options=EVERY | {"step": 2, "planes": ["coronal"]})
    assert some == {"ask/a/head.nii.gz": [f"ask/a/head.nii.gz#coronal={each}" for each in (0, 2, 4)]}  # fmt: skip


def test_a_file_that_cannot_be_read_is_named_and_makes_no_unit_of_a_folder(here):
    picture(here / "ask/1.png")
    (here / "ask/zero.dcm").write_bytes(b"")
    (here / "alone").write_text("no image")
    assert units(["ask", "alone"]) == {"ask": ["ask/1.png"], "alone": ["alone"], "": ["ask/zero.dcm"]}  # fmt: skip
    listed = in_units(find_queries(["ask"]), "series", EVERY)
    check_units(listed, "series")
    (here / "ask/1.png").unlink()
    with pytest.raises(InputError, match=r"names no series: ask/zero.dcm \(not an image\); name"):
        check_units(in_units(find_queries(["ask"]), "series", EVERY), "series")


def test_a_table_says_which_rows_are_one(here):
    for name in ("1.png", "2.png", "3.png", "4.png"):
        picture(here / "ask" / name)
    volume(here / "ask/v.nii")
    listed = ["path,unit", "2.png,left", "1.png,left", "3.png, right ", "4.png,", "v.nii,right"]
    (here / "ask/list.csv").write_text("\n".join(listed))
    slices = [f"ask/v.nii#axial={each}" for each in range(4)]
    expected = {
        "left": ["ask/1.png", "ask/2.png"],
        "right": ["ask/3.png", *slices],
        "ask/4.png": ["ask/4.png"],
    }
    assert units(["ask/list.csv"]) == expected
    alone = {"ask/1.png", "ask/2.png", "ask/3.png", "ask/4.png", "ask/v.nii"}
    (here / "ask/list.csv").write_text("\n".join(listed).replace("unit", "side"))
    assert set(units(["ask/list.csv"])) == alone
    (here / "ask/list.txt").write_text("1.png\n2.png\n")
    assert set(units(["ask/list.txt"])) == {"ask/1.png", "ask/2.png"}


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("series", ["p1/t1/0", "p1/t1/1", "p2/0", "ask/4.png"]),
        ("study", ["p1/t1", "ask/3.png", "ask/4.png"]),
        ("patient", ["p1", "p2", "ask/4.png"]),
        ("image", ["", "", "", ""]),
    ],
)
def test_the_columns_of_a_dataset_name_units(here, unit, expected):
    for name in ("1.png", "2.png", "3.png", "4.png"):
        picture(here / "ask" / name)
    rows = ["filepath,series_id,patient_id,study_id", "1.png,0,p1,t1", "2.png,1,p1,t1", "3.png,0,p2,", "4.png,,,"]  # fmt: skip
    (here / "ask/list.csv").write_text("\n".join(rows))
    if unit == "image":
        assert [each.unit for each in find_queries(["ask/list.csv"], unit)] == expected
    else:
        assert list(units(["ask/list.csv"], unit)) == expected


def archive(root):
    """Two patients: a series of nine slices, one of two orientations, an enhanced file of three
    frames; a localizer, a copy, a report."""
    write_series(root / "a", "p1", [40, 0, 5, 20, 10, 15, 30, 25, 35], SeriesInstanceUID="1.2.9.1", StudyInstanceUID="1.2.9")  # fmt: skip
    write_series(root / "b", "p1", [3, 1, 2], SeriesInstanceUID="1.2.9.2", StudyInstanceUID="1.2.9")
    write(root / "b/z", PatientID="p1", SeriesInstanceUID="1.2.9.2", StudyInstanceUID="1.2.9", ImageOrientationPatient=[1, 0, 0, 0, 0, -1])  # fmt: skip
    write(root / "c/cine", np.zeros((3, 8, 8), np.uint8), NumberOfFrames=3, PatientID="p2", SeriesInstanceUID="1.2.8.1", StudyInstanceUID="1.2.8")  # fmt: skip
    write(root / "c/scout", PatientID="p2", SeriesInstanceUID="1.2.8.2", StudyInstanceUID="1.2.8", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])  # fmt: skip
    write(root / "d/copy", PatientID="p2", SOPInstanceUID="1.2.3.4")
    write(root / "d/first", PatientID="p2", SOPInstanceUID="1.2.3.4")
    write(root / "d/report", PatientID="p2", Rows=None, Columns=None)


@pytest.mark.parametrize("thinned", [{}, {"step": 2, "trim": 0.1}, {"leave_out": []}])
@pytest.mark.parametrize("unit", ["series", "study", "patient"])
def test_dicom_files_make_the_units_that_the_dataset_has(here, unit, thinned):
    """The dataset that `prepare: dicom` makes of the same files is the second opinion."""
    archive(here / "files")
    config = {
        "datasets": {"set": {"prepare": {"from": "dicom", "label": "{modality}/{region}/all", **thinned}, "images": "files"}},
        "models": ["thumbnail"],
        "experiments": {"one": {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}},
    }  # fmt: skip
    (here / "cards").mkdir()
    card = {"name": "t", "loader": "control", "architecture": "thumbnail", "dimension": 256, "licence": "none"}  # fmt: skip
    (here / "cards/thumbnail.yaml").write_text(yaml.safe_dump(card))
    project = Project(config, ["cards"])
    options = project.datasets["set"]["prepare"]
    table, _ = prepare(project.provider_files["set"], options, here / "files", "set")
    column = {"series": "series_id", "study": "study_id", "patient": "patient_id"}[unit]
    expected = {
        of: sorted("files/" + rows["filepath"]) for of, rows in table.groupby(column)
    }  # fmt: skip
    assert len(expected) > 1
    found = units(["files"], unit, EVERY | {"dicom": options})
    assert {of: sorted(names) for of, names in found.items() if of} == expected
    left_out = {each.name: each.left_out for each in in_units(find_queries(["files"], unit), unit, EVERY | {"dicom": options}) if each.left_out}  # fmt: skip
    assert left_out.pop("files/d/report") == "left out: no pixels"
    assert left_out.pop("files/d/first") == "left out: the same SOPInstanceUID as another file"
    localizer = {} if "leave_out" in thinned else {"files/c/scout": "left out: localizers"}
    assert left_out == localizer


def test_slices_of_dicom_files_are_in_their_order_and_headers_without_numbers_count_by_folder(here):
    archive(here / "files")
    found = units(["files/a"])
    places = [0, 5, 10, 15, 20, 25, 30, 35, 40]
    order = {path.name: height for path, height in zip(write_series(here / "x", "p1", [40, 0, 5, 20, 10, 15, 30, 25, 35]), [40, 0, 5, 20, 10, 15, 30, 25, 35], strict=True)}  # fmt: skip
    assert [order[name.split("/")[-1]] for name in found["1.2.9.1"]] == places
    # A frame that is named alone; all frames of a file; by `prepare: folder` every third of them.
    assert units(["files/c/cine#frame=1"]) == {"1.2.8.1": ["files/c/cine#frame=1"]}
    assert len(units(["files/c/cine"])["1.2.8.1"]) == 3
    assert units(["files/c/cine"], options=EVERY | {"step": 3}) == {"1.2.8.1": ["files/c/cine#frame=1"]}  # fmt: skip
    assert len(units(["files/a"], options=EVERY | {"step": 3})["1.2.9.1"]) == 9
    none = {"SeriesInstanceUID": None, "StudyInstanceUID": None, "PatientID": None}
    for name in ("e/1", "e/2"):
        write(here / "files" / name, **none)
    assert units(["files/e"]) == {"files/e": ["files/e/1", "files/e/2"]}
    assert list(units(["files/e/1", "files/e/2"], "patient")) == ["files/e/1", "files/e/2"]


LISTED = [
    Query("a/1.png", "a/1.png", "a"),
    Query("a/2.png", "a/2.png", "a"),
    Query("a/3.png", "a/3.png", "a"),
    Query("b.png", "b.png", "b"),
    Query("c.png", "c.png", "c"),
    Query("x.dcm", "x.dcm", left_out="left out: localizers"),
]
INDEXED = Indexed(
    pd.DataFrame(
        {
            "id": [7, 8], "dataset": ["d", "e"], "path": ["7-1.png", "8-0.png"], "labels": [["XR/chest/a"], ["XR/chest/c"]],
            "patient_id": ["d:1", None], "study_id": ["t", None], "series_id": ["s", "u"],
        }
    ),
    pd.DataFrame(
        {
            "unit": [7, 7, 7, 8, 9, 9], "id": [70, 71, 72, 80, 90, 91], "dataset": ["d", "d", "d", "e", "d", "d"],
            "path": ["7-0.png", "7-1.png", "7-2.png", "8-0.png", "9-0.png", "9-1.png"], "split": ["train"] * 4 + ["test"] * 2,
        }
    ),
)  # fmt: skip


def test_the_list_comes_back_with_units_and_reasons(tmp_path):
    write_queries(tmp_path / "images.tsv", LISTED)
    assert read_queries(tmp_path / "images.tsv") == LISTED
    names, members = members_of(LISTED)
    assert names == ["a", "b", "c"]
    assert members.to_numpy().tolist() == [[0, 0], [0, 1], [0, 2], [1, 3], [2, 4]]


def embeddings(path, rows):
    vectors = np.array(list(rows.values()), dtype=np.float32)
    attributes = dict.fromkeys(store.COMMON[1:], "x")
    store.write_shard(path, np.array(list(rows)), vectors, [], attributes)
    return path


@pytest.fixture
def answered(tmp_path):
    """The neighbors of a and b: by `m` with slices worked out by hand, by `v` of whole volumes."""
    columns = ["query", "rank", "neighbor", "score"]
    found = {
        "m": pd.DataFrame([(0, 1, 7, 0.9), (0, 2, 8, 0.5), (1, 1, 8, 0.6), (1, 2, 7, 0.2)], columns=columns),
        "v": pd.DataFrame([(0, 1, 8, 0.7), (0, 2, 7, 0.1)], columns=columns),
    }  # fmt: skip
    # The slice 2 of a has no vector. Of 7 the slice 71 has none.
    asked = embeddings(tmp_path / "q.h5", {0: [1, 0], 2: [0, 1], 3: [0.6, 0.8]})
    index = {
        "d": embeddings(tmp_path / "d.h5", {72: [0.1, 1], 70: [1, -1], 90: [1, 0]}),
        "e": embeddings(tmp_path / "e.h5", {80: [1, 0.2]}),
    }
    _, members = members_of(LISTED)
    with stored_slices(index, INDEXED.images) as stored:
        by_slices = shown_slices(found["m"], members, asked, stored, INDEXED.images)
    whole = shown_slices(found["v"], members, None, None, INDEXED.images)
    return found, {"m": by_slices, "v": whole}


def test_a_hit_is_shown_by_the_slice_nearest_to_one_of_the_query(answered):
    _, shown = answered
    assert shown["m"].to_numpy().tolist() == [[2, 2, 2], [0, 0, 2], [0, 3, 1], [2, 3, 1]]
    # Of whole volumes the middle slice is shown, the first of two; all slices were the query.
    assert shown["v"].to_numpy().tolist() == [[0, -1, 3], [1, -1, 3]]


FIT = {
    "depth": 2, "priors": {"XR/chest/a": 0.5, "XR/chest/c": 0.5}, "unlike": {"best": 0.45, "mean": 0.1},
    "chance": {"thresholds": [0.0, 1.0], "values": [0.1, 0.9]},
}  # fmt: skip


def test_the_table_has_a_row_per_unit_model_and_neighbor(answered):
    found, shown = answered
    table, notes = unit_table(LISTED, found, shown, INDEXED, {"m": FIT}, ["test"])
    assert list(table) == UNIT_COLUMNS
    picked = ["query", "query_slices", "model", "rank", "neighbor", "score", "neighbor_id", "neighbor_slices", "query_slice"]  # fmt: skip
    assert table[picked].to_numpy().tolist() == [
        ["a", 2, "m", 1, "7-2.png", 0.9, 7, 3, "a/3.png"],
        ["a", 2, "m", 2, "8-0.png", 0.5, 8, 1, "a/1.png"],
        ["a", 3, "v", 1, "8-0.png", 0.7, 8, 1, ""],
        ["a", 3, "v", 2, "7-1.png", 0.1, 7, 3, ""],
        ["b", 1, "m", 1, "8-0.png", 0.6, 8, 1, "b.png"],
        ["b", 1, "m", 2, "7-2.png", 0.2, 7, 3, "b.png"],
    ]
    assert table["patient_id"].fillna("").tolist()[:2] == ["d:1", ""]
    assert table["labels"].tolist()[:2] == ["XR/chest/a", "XR/chest/c"]
    assert notes == [
        "slice 3 of 3, like 3 of the query",
        "slice 1 of 1, like 1 of the query",
        "slice 1 of 1",
        "slice 2 of 3",
        "slice 1 of 1, like 1 of the query",
        "slice 3 of 3, like 1 of the query",
    ]
    # The queries of the experiment have two slices: nothing is said of the hits of b, which has one.
    chances = table["chance"].astype(float).fillna(-1)
    assert chances.tolist() == pytest.approx([0.82, 0.5, -1, -1, -1, -1])
    assert table["unlike"].astype(object).fillna("").tolist() == ["no", "no", "", "", "", ""]
    table, _ = unit_table(LISTED, found, shown, INDEXED, {"m": FIT}, ["train"])
    assert table["unlike"].astype(object).fillna("").tolist() == ["no", "no", "", "", "no", "no"]


def test_a_table_without_hits_has_its_columns():
    found = {"v": pd.DataFrame({each: [] for each in ("query", "rank", "neighbor", "score")}, dtype="int64")}  # fmt: skip
    _, members = members_of(LISTED)
    shown = {"v": shown_slices(found["v"], members, None, None, INDEXED.images)}
    table, notes = unit_table(LISTED, found, shown, INDEXED, {}, ["test"])
    assert table.empty and list(table) == UNIT_COLUMNS and notes == []


def test_the_ledger_names_slices_then_units_and_pictures_are_of_slices_that_were_read():
    slices = {"m": [(1, "a/2.png", "truncated"), (3, "b.png", "missing")]}
    of_units = {
        "m": [(1, "", "nothing of it is embedded")],
        "v": [(1, "b.png", "no volume: one slice")],
    }
    assert unit_ledger(LISTED, slices, of_units).to_numpy().tolist() == [
        ["a/2.png", "slice", "", "truncated"],
        ["b.png", "slice", "", "missing"],
        ["x.dcm", "slice", "", "left out: localizers"],
        ["b", "query", "m", "nothing of it is embedded"],
        ["b", "query", "v", "no volume: one slice"],
    ]
    # Of the middle slices 1 and 2, 2 was not read: of 1 and 3 the first is shown.
    units, captions = pictures(LISTED, slices)
    assert [each.path for each in units] == ["a/1.png", "b.png", "c.png"]
    assert captions == {"a": "2 of 3 slices", "b": "0 of 1 slice", "c": "1 slice"}
    assert pictures(LISTED, {})[0][0].path == "a/2.png"
