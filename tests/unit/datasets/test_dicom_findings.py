"""Labels from DICOM segmentations and structured reports, made up and worked out by hand."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from dicom_series import code, item, write, write_segmentation, write_series
from pydicom.uid import UID

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import prepare
from radcbir.datasets.providers.dicom import findings
from radcbir.project.configuration import Project

LABEL = "{modality}/{region}/{finding}"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two patients of four slices each, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    for patient in ("p1", "p2"):
        write_series(tmp_path / "files" / patient, patient, [0, 2, 4, 6])
    return tmp_path / "files"


def run(root, label=LABEL):
    """The table of the dataset and the counts by step."""
    config = {
        "datasets": {"set": {"prepare": {"from": "dicom", "label": label}, "images": str(root)}},
        "models": ["thumbnail"],
        "experiments": {
            "one": {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}
        },
    }
    cards = Path(__file__).parents[3] / "config/models"
    project = Project(yaml.safe_load(yaml.safe_dump(config)), [cards], "my.yaml")
    table, counts = prepare(
        project.provider_files["set"], project.datasets["set"]["prepare"], root, "set"
    )
    steps = counts[counts["split"] == "all"].set_index("step")["images"].to_dict()
    return table, steps


def slices(root, patient):
    """The SOPInstanceUIDs of a patient's slices, from the lowest up."""
    headers = [pydicom.dcmread(each) for each in (root / patient).iterdir()]
    headers = [each for each in headers if each.Modality == "CT"]
    return [each.SOPInstanceUID for each in sorted(headers, key=lambda each: each.InstanceNumber)]


LIVER = item(
    SegmentNumber=1, SegmentLabel="Segment 1",
    SegmentedPropertyTypeCodeSequence=code("10200004", "SCT", "Liver"),
)  # fmt: skip
NODULE = item(SegmentNumber=2, SegmentLabel="nodule")


def labels(table, patient):
    """Per slice of a patient its labels, by position."""
    rows = table[table["patient_id"] == patient]
    column = "labels" if "labels" in table else "label"
    return {
        float(position): {each.removeprefix("CT/chest/") for each in given.split("|")}
        for position, given in zip(rows["position"], rows[column], strict=True)
    }


def test_an_image_has_the_segments_that_have_a_pixel_in_it(files):
    first, second, third, _ = slices(files, "p1")
    write_segmentation(
        files / "p1/seg",
        [(1, 1, first), (1, 1, second), (1, 0, third), (2, 1, second)],
        [LIVER, NODULE],
    )
    table, steps = run(files)
    assert labels(table, "p1") == {0: {"Liver"}, 2: {"Liver", "nodule"}}
    assert "p2" not in set(table["patient_id"]), "no finding, no label"
    assert next(count for step, count in steps.items() if "segmentation: 1" in step) == 1
    assert next(count for step, count in steps.items() if "blank in images" in step) == 2


def test_a_finding_of_a_report_is_about_the_images_nearest_to_it(files):
    one, other = slices(files, "p1"), slices(files, "p2")

    def finding(meaning, images=(), absent=False):
        children = [image(each) for each in images]
        if absent:
            children.append(item(ConceptCodeSequence=code("2667000", "SCT", "Absent")))
        return item(
            ConceptNameCodeSequence=code("121071", "DCM", "Finding"),
            ConceptCodeSequence=code("1", "SCT", meaning),
            ContentSequence=children,
        )

    def image(uid):
        reference = item(ReferencedSOPClassUID=UID("1.2"), ReferencedSOPInstanceUID=UID(uid))
        return item(ValueType="IMAGE", ReferencedSOPSequence=[reference])

    series = item(ReferencedSOPSequence=[image(each).ReferencedSOPSequence[0] for each in other])
    evidence = [item(ReferencedSeriesSequence=[series])]
    write(
        files / "p1/sr", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR", Rows=None, Columns=None,
        ContentSequence=[
            item(ContentSequence=[finding("Nodule", [one[0]]), finding("Effusion"), image(one[2])]),
            item(ContentSequence=[finding("Fracture", [one[1]], absent=True)]),
        ],
    )  # fmt: skip
    write(
        files / "p2/sr", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", Rows=None, Columns=None,
        CurrentRequestedProcedureEvidenceSequence=evidence, ContentSequence=[finding("Cyst")],
    )  # fmt: skip
    table, _ = run(files)
    # Nodule names its image. Effusion names none, so it is about all images of its group.
    assert labels(table, "p1") == {0: {"Nodule", "Effusion"}, 4: {"Effusion"}}
    assert labels(table, "p2") == {each: {"Cyst"} for each in (0, 2, 4, 6)}


def test_a_segmentation_of_a_frame_is_about_that_frame(files):
    path = write(files / "p3/cine", np.zeros((3, 8, 8), np.uint8), NumberOfFrames=3, PatientID="p3")
    uid = pydicom.dcmread(path).SOPInstanceUID
    write_segmentation(files / "p3/seg", [(1, 1, uid)], [LIVER])
    file = pydicom.dcmread(files / "p3/seg")
    group = file.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    group.SourceImageSequence[0].ReferencedFrameNumber = 2
    file.save_as(files / "p3/seg")
    table, _ = run(files)
    assert table["filepath"].tolist() == ["p3/cine#frame=1"]


def test_a_damaged_segmentation_is_counted_and_nothing_else_is_lost(files):
    first, *_ = slices(files, "p1")
    write_segmentation(files / "p1/seg", [(1, 1, first)], [LIVER])
    write_segmentation(files / "p1/huge", [(1, 1, first)], [NODULE], Rows=60000, Columns=60000)
    write(files / "p1/empty", SOPClassUID=findings.BINARY, Modality="SEG", PatientID="p1")
    table, steps = run(files)
    assert labels(table, "p1") == {0: {"Liver"}}
    assert steps["left out, segmentations and reports that cannot be read"] == 2


def test_without_any_finding_one_sentence_says_so(files):
    with pytest.raises(InputError, match=r"no image below .* gets a label: .*finding: 8"):
        run(files)
