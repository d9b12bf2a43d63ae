"""A tree of DICOM files becomes a dataset by its headers: made-up series worked out by hand, and
pydicom's own files."""

import contextlib
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml
from dicom_series import AXIAL, write, write_series
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from radcbir.core.errors import InputError
from radcbir.datasets import catalog, preparation_steps
from radcbir.datasets.preparation import prepare
from radcbir.datasets.providers.dicom import header_cache
from radcbir.datasets.providers.dicom import prepare as dicom
from radcbir.datasets.providers.dicom.geometry import orientations, place_of
from radcbir.datasets.providers.dicom.regions import Regions
from radcbir.datasets.providers.folder.listing import status_digest
from radcbir.images.address import split_address
from radcbir.project.configuration import Project

CARDS = Path(__file__).parents[3] / "config" / "models"


def checked(root: Path, **options) -> Project:
    """A configuration with that folder, so that options have the defaults of the schema."""
    config = {
        "datasets": {"set": {"prepare": {"from": "dicom", **options}, "images": str(root)}},
        "models": ["thumbnail"],
        "experiments": {"one": {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}},
    }  # fmt: skip
    return Project(yaml.safe_load(yaml.safe_dump(config)), [CARDS], "my.yaml")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """An empty folder for DICOM files, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def run(root: Path, **options) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The dataset CSV, by path, and the counts."""
    project = checked(root, **options)
    table, counts = prepare(project.provider_files["set"], project.datasets["set"]["prepare"], root, "set")  # fmt: skip
    return table.set_index("filepath"), counts


def steps(counts: pd.DataFrame) -> dict[str, int]:
    """The number of images of each step, splits together."""
    return counts[counts["split"] == "all"].set_index("step")["images"].to_dict()


def test_a_row_has_what_its_header_says(files):
    write(files / "a/IM1", PatientID="p1", PatientSex="F", PatientAge="047Y", ImagePositionPatient=[-8, -9, 12.5], InstanceNumber=7)  # fmt: skip
    write(
        files / "b/no.suffix.42", PatientID="p2", Modality="DX", BodyPartExamined=None, ViewPosition="LL", SpacingBetweenSlices=None,
        ImageOrientationPatient=None, ImagePositionPatient=None, SliceThickness=None, ImageLaterality="L", PatientSex="O",
        ProtocolName="Thorax p.a./lat.", SeriesInstanceUID="1.2.5", StudyInstanceUID="1.2.4", ManufacturerModelName="ACME Two",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", PatientBirthDate="19700601", StudyDate="20200531",
    )  # fmt: skip
    table, _ = run(files)
    ct, xr = table.loc["a/IM1"], table.loc["b/no.suffix.42"]
    assert ct[["label", "modality", "anatomic_region", "view", "sex", "age"]].tolist() == ["CT/chest/AXIAL", "CT", "chest", "AXIAL", "F", "47"]  # fmt: skip
    assert ct[["patient_id", "study_id", "series_id", "instance", "position"]].tolist() == ["p1", "1.2.1", "1.2.1.1", "7", "12.5"]  # fmt: skip
    assert ct[["scanner", "x_spacing"]].tolist() == ["ACME One", "0.5 0.5 2"]
    assert ct["source"] == xr["source"] == dicom.site("ST ANNA-HOSPITAL") != dicom.site("St. Ann")
    assert xr[["label", "modality", "anatomic_region", "view", "scanner", "x_laterality"]].tolist() == ["XR/chest/LATERAL", "XR", "chest", "LATERAL", "ACME Two", "L"]  # fmt: skip
    assert xr["age"] == "49"  # the day before the 50th birthday
    assert xr[["sex", "position"]].isna().all()
    text = table.to_csv()
    assert not any(name in text for name in ("Meier", "Anna", "19700601", "20200531"))


def test_the_position_is_along_the_normal_of_the_plane():
    """Worked out by hand: (1, 0, 0) x (0, 0.8, 0.6) = (0, -0.6, 0.8); -0.6 * 5 + 0.8 * 20 = 13."""
    place = place_of([1, 0, 0, 0, 0.8, 0.6], [10, 5, 20])
    assert place.normal == pytest.approx((0, -0.6, 0.8)) and place.position == pytest.approx(13)
    for orientation in (None, [1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 1], ["x"] * 6, [0] * 6, [float("nan")] * 6):  # fmt: skip
        assert place_of(orientation, [0, 0, 0]) is None
    axial, tilted, coronal = (0, 0, 1), (0, np.sin(0.1), np.cos(0.1)), (0, -1, 0)
    flipped = (0, 0, -1)
    numbers = orientations(np.array([axial, coronal, tilted, flipped, coronal]))
    assert numbers.tolist() == [0, 1, 0, 2, 1]


def test_slices_are_in_order_by_position_and_orientations_apart(files):
    write_series(files / "s", "p1", [30, -10, 10, 20])
    write(files / "s/z", SeriesInstanceUID=pydicom.dcmread(next((files / "s").iterdir())).SeriesInstanceUID, ImageOrientationPatient=[1, 0, 0, 0, 0, -1], ImagePositionPatient=[0, 40, 0])  # fmt: skip
    table, counts = run(files)
    axial = table[table["view"] == "AXIAL"]
    assert sorted(axial["position"].astype(float)) == [-10, 10, 20, 30]
    assert len(set(axial["series_id"])) == 1
    other = table.loc["s/z"]
    assert (other["view"], other["position"]) == ("CORONAL", "40")
    assert other["series_id"] == f"{axial['series_id'].iloc[0]}/2"
    assert steps(counts)["kept, in 1 series of several orientations: each orientation counts as a series"] == 5  # fmt: skip

    taken, _ = run(files, step=2, trim=0.25)  # of four slices the two in the middle, of these one
    assert taken.loc[taken["view"] == "AXIAL", "position"].tolist() == ["10"]


def test_frames_have_places_of_their_own(files):
    """A real enhanced CT beside what pydicom says of each frame."""
    (files / "enhanced").symlink_to(get_testdata_file("eCT_Supplemental.dcm", download=False))
    table, _ = run(files)
    header = pydicom.dcmread(files / "enhanced", stop_before_pixels=True)
    shared = header.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    normal = np.cross(cosines[:3], cosines[3:])
    assert list(table.index) == ["enhanced#frame=0", "enhanced#frame=1"]
    for frame, position in enumerate(table["position"].astype(float)):
        place = header.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0]
        corner = np.array(place.ImagePositionPatient, float)
        assert position == pytest.approx(normal @ corner, abs=1e-3)
    meaning = shared.FrameAnatomySequence[0].AnatomicRegionSequence[0].CodeMeaning
    assert (meaning, set(table["label"])) == ("Brain", {"CT/brain/AXIAL"})
    assert set(table["series_id"]) == {header.SeriesInstanceUID}


def test_frames_without_places_are_listed_as_well(files):
    write(files / "clip", np.zeros((3, 8, 8), np.uint8), NumberOfFrames=3, Modality="US", ImagePositionPatient=[1, 2, 3], PatientID=None)  # fmt: skip
    table, _ = run(files, label="{modality}/{region}/clip")
    assert list(table.index) == [f"clip#frame={frame}" for frame in range(3)]
    assert "position" not in table and set(table["patient_id"]) == {"1.2.1"}  # the study's


LEFT_OUT = [
    ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizers"),
    ({"SeriesDescription": "Topogram 0.6"}, "localizers"),
    ({"Modality": "MR", "SeriesDescription": "survey"}, "localizers"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}, "secondary captures"),
    ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "derived images: reformats, projections, maps"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "MIP"]}, "derived images: reformats, projections, maps"),
    ({"BurnedInAnnotation": "YES"}, "burned-in annotations, as the header says"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "Modality": "SEG"}, "pixels that are no image of a patient (segmentation: 1)"),
    ({"Rows": None, "Columns": None, "Modality": "SR"}, "no pixels (SR: 1)"),
    ({"SOPInstanceUID": "1.2.3.4"}, "the same SOPInstanceUID as another file"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "reason"), LEFT_OUT)
def test_what_is_no_image_to_search_is_left_out_and_counted(files, attributes, reason):
    write(files / "a", SOPInstanceUID="1.2.3.4")
    write(files / "b", **attributes)
    table, counts = run(files)
    assert list(table.index) == ["a"]
    assert steps(counts)[f"left out, {reason}"] == 1
    page = preparation_steps.preparation_steps(counts)["rows"]
    assert page[0] == {"step": f"left out, {reason}", "cells": [""], "total": "1 (1)"}
    kept = run(files, leave_out=[])[0]
    optional = reason.startswith(("localizers", "secondary", "derived", "burned"))
    assert list(kept.index) == (["a", "b"] if optional else ["a"])


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "ImageType": ["DERIVED", "PRIMARY", ""],
            "Modality": "MG",
        },  # as every mammogram for reading
        {"Modality": "DX", "SeriesDescription": "Skeletal survey"},
        {"BurnedInAnnotation": "NO", "ImageType": None},
    ],
)
def test_what_looks_alike_stays(files, attributes):
    write(files / "a", **attributes)
    assert len(run(files)[0]) == 1


def test_files_of_all_kinds_end_in_a_count_or_a_sentence(files):
    write(files / "good/IM1", PatientID="Müller ü", SeriesDescription="Schädel\x00nativ")
    (files / "good/notes.txt").write_text("no image")
    (files / "DICOMDIR").symlink_to(get_testdata_file("DICOMDIR", download=False))
    (files / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + os.urandom(200))
    (files / "empty").write_bytes(b"")
    write(files / "x#frame=3")
    write(files / "tab\tname")
    write(files / "blank ")
    write(files / os.fsdecode(b"caf\xe9"))
    table, counts = run(files)
    assert list(table.index) == ["good/IM1"] and table["patient_id"].tolist() == ["Müller ü"]
    found = steps(counts)
    assert found["left out, no DICOM file (DICOMDIR: 1, .txt: 1)"] == 2
    assert sum(count for step, count in found.items() if "a table cannot hold" in step) == 4
    assert sum(count for step, count in found.items() if "cannot be read" in step) >= 1
    with pytest.raises(InputError, match="no DICOM image below .*/good/none"):
        (files / "good/none").mkdir()
        run(files / "good/none")
    with pytest.raises(InputError, match="gets a label: .*blank in images without one: PixelSpacing: 1|region: 1"):  # fmt: skip
        other = files.parent / "other"
        write(other / "a", BodyPartExamined=None)
        run(other)


def test_pydicoms_own_files(files):
    """Some 260 real files, beside counts of their headers as pydicom reads them whole."""
    own, data = (Path(next(iter(find_spec(name).submodule_search_locations))) for name in ("pydicom", "data_store"))  # fmt: skip
    (files / "own").symlink_to(own / "data/test_files")
    (files / "data").symlink_to(data / "data")
    table, counts = run(files, label="{modality}/{region|Modality}/{view|Modality}")
    found = {step.removeprefix("left out, ").split(" (")[0]: count for step, count in steps(counts).items()}  # fmt: skip
    plain = []
    for path in sorted(path for path in files.glob("*/**/*") if path.is_file()):
        if path.name == "badVR.dcm":  # a dose whose number of frames is no number
            continue
        with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            if "Rows" in header and "Columns" in header and header.get("SOPClassUID"):
                plain.append((header, str(header.SOPClassUID)))
    captures = [header for header, kind in plain if kind.startswith("1.2.840.10008.5.1.4.1.1.7")]
    assert found["secondary captures"] == len(captures) > 50
    other = [kind for _, kind in plain if kind.endswith(("5.1.4.1.1.66.4", "5.1.4.1.1.481.2"))]
    assert found["pixels that are no image of a patient"] == len(other) == 10
    named = [(header, f"{header.get('SeriesDescription')} {header.get('ImageType')}") for header, _ in plain]  # fmt: skip
    pilots = [header for header, words in named if "PILOT" in words or "LOCALIZER" in words]
    assert found["localizers"] == len(pilots) == 12
    images = {header.SOPInstanceUID for header, kind in plain} - {header.SOPInstanceUID for header in [*captures, *pilots]}  # fmt: skip
    assert table.index.map(lambda path: split_address(path)[0]).nunique() <= len(images)
    labelled = table["label"].value_counts()
    assert labelled["CT/head/AXIAL"] == 5 and labelled["XR/spine/AP"] == 2


# --- labels


def labels(root: Path, template: str) -> list[str]:
    return run(root, label=template)[0]["label"].tolist()


def test_a_template_takes_what_is_filled_in(files):
    write(files / "a", SeriesDescription="T1/T2; a|b\\c", ConvolutionKernel=["B30f", "2"])
    assert labels(files, "{Modality}/{BodyPartExamined}/{SeriesDescription}") == ["CT/CHEST/T1-T2, a,b c"]  # fmt: skip
    assert labels(files, "{modality}/{region}/{ViewPosition|ProtocolName|ConvolutionKernel}") == ["CT/chest/B30f 2"]  # fmt: skip
    assert labels(files, "CT/{region}/{Manufacturer} {ManufacturerModelName}/x") == ["CT/chest/ACME One/x"]  # fmt: skip


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{modality}/{region}", "give it three parts"),
        ("{modality}/{region}/{Seriesdescription}", "no DICOM keyword: did you mean 'SeriesDescription'"),
        ("{modality}/{region}/{PatientName}", "may tell who the patient is"),
        ("{modality}/{region}/{InstitutionName}", "may tell who the patient is"),
        ("{modality}/{region}/{StudyDate}", "a date, an identifier or no text"),
        ("{modality}/{region}/{SeriesInstanceUID}", "a date, an identifier or no text"),
        ("{modality}/{region}/{view", "braces do not close"),
        ("{modality}/{region}/a|b", "'|' or ';' outside"),
    ],
)  # fmt: skip
def test_a_wrong_template_is_refused_at_the_start(files, template, message):
    with pytest.raises(InputError) as raised:
        checked(files, label=template)
    assert message in str(raised.value)


def csv(root: Path, text: str) -> str:
    (root.parent / "labels.csv").write_text(text)
    return str(root.parent / "labels.csv")


def test_a_csv_is_joined_on_what_it_names(files):
    for patient, heights in (("p1", [0, 5]), ("p2", [0])):
        write_series(files / patient, patient, heights)
    table, _ = run(files, csv=csv(files, "PatientID,label,split\np1,CT/chest/nodule,test\np2,CT/chest/none,\np9,CT/chest/none,\n"))  # fmt: skip
    assert table.groupby("patient_id")["label"].agg(list).to_dict() == {"p1": ["CT/chest/nodule"] * 2, "p2": ["CT/chest/none"]}  # fmt: skip
    assert set(table.loc[table["patient_id"] == "p1", "split"]) == {"test"}

    series = table["series_id"].unique()
    table, counts = run(files, csv=csv(files, f"uid;finding\n{series[0]};a|b\n"), columns={"SeriesInstanceUID": "uid", "labels": "finding"}, label_prefix="CT/chest")  # fmt: skip
    assert set(table["series_id"]) == {series[0]} and set(table["labels"]) == {"CT/chest/a|CT/chest/b"}  # fmt: skip
    assert steps(counts)["a label in the CSV, by SeriesInstanceUID"] == len(table)

    # the finest identifier of the header, which here knows one slice
    first = pydicom.dcmread(sorted((files / "p1").iterdir())[0])
    table, _ = run(files, csv=csv(files, f"PatientID,SOPInstanceUID,label\np1,{first.SOPInstanceUID},CT/chest/x\n"))  # fmt: skip
    assert len(table) == 1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("patient,label\np1,CT/chest/x\n", {}, "has no column SOPInstanceUID, SeriesInstanceUID, StudyInstanceUID or PatientID"),
        ("PatientID,label\np1,CT/chest/x\np1,CT/chest/y\n", {}, "row 3 of .* has 'p1' a second time"),
        ("PatientID,label\np1,nodule\n", {}, "write it as MODALITY/region/finding"),
        ("PatientID,label,split\np1,CT/chest/x,a b\n", {}, "the split 'a b'"),
        ("PatientID,label\np7,CT/chest/x\n", {}, "no image below .* gets a label"),
        ("PatientID,label\np1,CT/chest/x\n", {"label": "{modality}/{region}/{view}"}, "keep one"),
    ],
)  # fmt: skip
def test_a_csv_that_does_not_fit_is_a_sentence(files, text, options, message):
    write(files / "a")
    with pytest.raises(InputError, match=message):
        run(files, csv=csv(files, text), **options)


def test_columns_without_a_csv_are_refused(files):
    with pytest.raises(InputError, match="`prepare: columns:` is about the table of `csv:`"):
        checked(files, columns={"label": "x"})
    with pytest.raises(InputError, match="none.csv, which does not exist"):
        checked(files, csv="none.csv")


@pytest.mark.parametrize(
    ("body_part", "texts", "region"),
    [
        ("CHEST", [], "chest"),
        ("ABDOMENPELVIS", [], "abdomen"),
        ("T SPINE", [], "spine"),
        ("CLAVICLE_X", [], "chest"),
        ("TOOTH", [], "tooth"),  # no word that is known: its own
        ("", ["t1_se_tra", "MR Thoracic spine"], "spine"),
        ("", ["t1 spin echo"], ""),
        ("", ["CT Thorax Abdomen"], "chest"),  # the first
        ("", ["", "Kopf nativ"], "head"),
        ("", ["Whole-body PET"], "whole body"),
        ("", ["nbd 4", "Schulter"], "my words"),
        ("HAND", ["nbd"], "hand"),  # the body part decides
        ("", ["unknown"], ""),
    ],
)  # fmt: skip
def test_words_of_headers_name_the_region(body_part, texts, region):
    assert Regions({"nbd": "my words", "Two words": "own"}).of(body_part, texts) == region


# --- reading once


def test_headers_are_read_once_and_again_where_a_file_changes(files, monkeypatch):
    read = []
    monkeypatch.setattr(header_cache, "SETTLED", -60)  # files of this second may be kept
    original = header_cache.read_header
    monkeypatch.setattr(header_cache, "read_header", lambda path, names: read.append(path.name) or original(path, names))  # fmt: skip
    for name in "abc":
        write(files / name, SOPInstanceUID=f"1.2.{ord(name)}", PatientID=f"patient-{name}", PatientBirthDate="19700601")  # fmt: skip
    before, _ = run(files)
    assert sorted(read) == ["a", "b", "c"]
    (place,) = Path(".snakemake/radcbir-headers").iterdir()
    assert place.stat().st_mode & 0o777 == 0o600
    assert "Meier" not in place.read_text() and "19700601" not in place.read_text()

    read.clear()
    assert run(files)[0].equals(before) and read == []
    write(files / "d", SOPInstanceUID="1.2.9")
    write(files / "b", SOPInstanceUID="1.2.98", PatientID="patient-b2")
    (files / "c").unlink()
    listed, _ = run(files)
    assert sorted(read) == ["b", "d"]
    assert list(listed.index) == ["a", "b", "d"] and listed.loc["b", "patient_id"] == "patient-b2"
    assert "patient-c" not in place.read_text()  # nothing is kept of a file that is gone

    # a run that was stopped leaves half a line
    with open(place, "a") as handle:
        handle.write('["a",12')
    read.clear()
    write(files / "e", SOPInstanceUID="1.2.10")
    assert len(run(files)[0]) == 4 and read == ["e"]
    read.clear()
    assert len(run(files)[0]) == 4 and read == []

    # a label of another tag needs the headers again, and then not
    write(files / "a", SOPInstanceUID="1.2.11", KVP="120")
    run(files, label="{modality}/{region}/{KVP}")
    assert len(read) == 4
    read.clear()
    run(files)
    run(files, label="{modality}/{region}/{SeriesNumber|Modality}")
    assert len(read) == 4
    read.clear()
    run(files, label="{modality}/{region}/{SeriesNumber|Modality}")
    assert run(files, label="{modality}/{region}/{KVP}")[0]["label"].tolist() == ["CT/chest/120"]
    assert read == []


def test_several_processes_read_the_same(files, monkeypatch):
    """Real files and made-up ones, more than one process takes in one go."""
    (files / "data").symlink_to(Path(get_testdata_file("CT_small.dcm", download=False)).parent)
    for patient in range(3):
        write_series(files / f"{patient}", f"p{patient}", range(0, 90, 3))
    project = checked(files)
    options = project.datasets["set"]["prepare"]
    one, counts = prepare({}, options, files, "set")
    for place in Path(".snakemake/radcbir-headers").iterdir():
        place.unlink()
    processes = []
    made = header_cache.ProcessPoolExecutor
    monkeypatch.setattr(header_cache, "ProcessPoolExecutor", lambda count, *rest, **more: processes.append(count) or made(count, *rest, **more))  # fmt: skip
    several, again = prepare({}, options, files, "set", threads=2)
    assert processes == [2]
    assert several.equals(one) and again.equals(counts) and len(one) >= 90


def test_another_file_size_or_date_is_a_change(files):
    write(files / "a")
    digests = [status_digest(files)]
    os.utime(files / "a", ns=(0, 10**9))
    digests.append(status_digest(files))
    write(files / "b/c")
    digests.append(status_digest(files))
    (files / "a").write_bytes(b"")
    digests.append(status_digest(files))
    assert len(set(digests)) == 4 and status_digest(files) == digests[-1]


def test_the_csv_becomes_a_catalog_and_patients_stay_in_one_split(files):
    for patient in range(12):
        write_series(files / f"{patient}", f"p{patient}", [0, 2.5])
    table, counts = run(files, shares={"train": 0.75, "test": 0.25})
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    assert table.groupby("split")["patient_id"].nunique().to_dict() == {"test": 3, "train": 9}
    assert (counts["label"] == "CT/chest/AXIAL").sum() == 2
    table.reset_index().to_csv("set.csv", index=False)
    made, rejected = catalog.build_catalog("set.csv", "set", files, 0)
    assert len(made) == 24 and rejected.empty
    assert sorted(made["position"].unique()) == [0, 2.5]


def test_shared_places_of_an_enhanced_file(files):
    """One orientation for all frames, a position for each: 3, 6, 9 mm along (0, 0, 1)."""
    shared, item = Dataset(), Dataset()
    item.ImageOrientationPatient = AXIAL
    shared.PlaneOrientationSequence = [item]
    frames = []
    for height in (3, 6, 9):
        place, frame = Dataset(), Dataset()
        place.ImagePositionPatient = [1, 1, height]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    write(files / "a", np.zeros((3, 8, 8), np.uint8), NumberOfFrames=3, ImageOrientationPatient=None, ImagePositionPatient=None, SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames)  # fmt: skip
    table, _ = run(files)
    assert table["position"].to_dict() == {"a#frame=0": "3", "a#frame=1": "6", "a#frame=2": "9"}
    assert set(table["label"]) == {"CT/chest/AXIAL"}
