"""A tree of DICOM files through to vectors, without names, and again with a patient more."""

import numpy as np
import pandas as pd
from conftest import draw
from dicom_series import code, item, write, write_segmentation, write_series

SECRETS = (b"Meier", b"St. Anna", b"1.2.9.", b"patient-", b"IM-0", b"19700601")
"""What stands in the headers and names of files, and may not get into results."""


def add_patient(root, number: int) -> None:
    """A series of three slices of chest or abdomen."""
    part = "CHEST" if number % 2 else "ABDOMEN"
    paths = write_series(
        root / f"Meier-{number}/DICOM/IM-0", f"patient-{number}", [5, 0, 10], BodyPartExamined=part
    )
    for path, height in zip(paths, [5, 0, 10], strict=True):
        write(
            path, np.asarray(draw(number % 2, number * 3 + height)), SOPInstanceUID=f"1.2.9.{number}.{height}",
            PatientID=f"patient-{number}", StudyInstanceUID=f"1.2.9.{number}", SeriesInstanceUID=f"1.2.9.{number}.7",
            ImagePositionPatient=[-10, -10, height], BodyPartExamined=part, PatientBirthDate="19700601", StudyDate="20240101",
        )  # fmt: skip


def test_an_archive_becomes_vectors_and_a_new_patient_is_read_alone(fresh):
    root = fresh / "archive"
    for number in range(8):
        add_patient(root, number)
    write(root / "scout", PatientID="patient-0", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (root / "VIEWER.EXE").write_bytes(b"MZ")
    broken = (root / "Meier-1/DICOM/IM-0").iterdir()
    path = sorted(broken)[0]
    path.write_bytes(path.read_bytes()[:-900])  # its header is whole, its pixels are not
    (fresh / "key.txt").write_text("5b1f0c9e7a3d4826b0c1d2e3f4a5968778695a4b3c2d1e0f")
    (fresh / "key.txt").chmod(0o600)
    prepare = {"from": "dicom", "label": "{modality}/{region}/{view}", "shares": {"train": 0.5, "test": 0.5}}  # fmt: skip
    fresh.configure(
        datasets={"ct": {"prepare": prepare, "images": "archive", "max_rejected": 0.1}},
        experiments={"own": {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 3}},
        pseudonymise={"key_file": "key.txt"},
        models=["thumbnail"],
    )  # fmt: skip
    wanted = ["results/datasets/ct/ledger.csv", "results/datasets/ct/preparation.html", "results/embeddings/thumbnail/ct.h5"]  # fmt: skip
    assert fresh.run(*wanted)["prepare"] == 1
    catalog = pd.read_parquet(fresh / "results/datasets/ct/catalog.parquet")
    assert len(catalog) == 24
    assert sorted(set(catalog["label"])) == ["CT/abdomen/AXIAL", "CT/chest/AXIAL"]
    assert catalog.groupby("series_id")["position"].agg(sorted).tolist() == [[0, 5, 10]] * 8
    assert catalog["patient_id"].nunique() == 8
    assert catalog.groupby("patient_id")["split"].nunique().max() == 1
    assert catalog["source"].str.fullmatch("[0-9a-f]{16}").all()
    assert set(catalog["age"]) == {53}
    ledger = pd.read_csv(fresh / "results/datasets/ct/ledger.csv")
    assert ledger[["stage", "reason"]].to_numpy().tolist() == [["embed", "truncated"]]
    page = (fresh / "results/datasets/ct/preparation.html").read_text()
    assert "left out, localizers" in page and "left out, no DICOM file (.exe: 1)" in page
    for path in (fresh / "results").rglob("*"):
        if path.is_file() and "logs" not in path.relative_to(fresh / "results").parts:
            content = path.read_bytes()
            assert not any(secret in content for secret in SECRETS), path

    assert "Nothing to be done" in fresh.snakemake(*wanted)
    shards = {path.name for path in (fresh / "results/datasets/ct/shards").iterdir()}
    add_patient(root, 8)
    jobs = fresh.run("results/datasets/ct/shards")
    assert (jobs["prepare"], jobs["catalog"]) == (1, 1)
    log = (fresh / "results/logs/prepare/ct.log").read_text()
    assert "3 headers to read, 26 known" in log
    assert len(pd.read_parquet(fresh / "results/datasets/ct/catalog.parquet")) == 27
    now = {path.name for path in (fresh / "results/datasets/ct/shards").iterdir()}
    assert len(now) >= len(shards) and now != shards


def add_segmentation(root, number: int, *found: tuple[str, int]) -> None:
    """A segmentation of a patient's slices: names and the heights that they have a pixel at."""
    segments = [
        item(SegmentNumber=place, SegmentedPropertyTypeCodeSequence=code(f"{place}", "SCT", name))
        for place, name in enumerate(dict.fromkeys(name for name, _ in found), start=1)
    ]
    numbers = {each.SegmentedPropertyTypeCodeSequence[0].CodeMeaning: each.SegmentNumber for each in segments}  # fmt: skip
    frames = [(numbers[name], 1, f"1.2.9.{number}.{height}") for name, height in found]
    write_segmentation(
        root / f"Meier-{number}/DICOM/SEG", frames, segments, PatientID=f"patient-{number}",
        StudyInstanceUID=f"1.2.9.{number}", SeriesInstanceUID=f"1.2.9.{number}.8", BodyPartExamined=None,
    )  # fmt: skip


def test_segmentations_of_an_archive_are_labels_and_a_new_one_embeds_nothing_twice(fresh):
    root = fresh / "archive"
    for number in (1, 3, 5, 7):
        add_patient(root, number)
        add_segmentation(root, number, ("Nodule", 0), ("Effusion", 10))
    prepare = {"from": "dicom", "label": "{modality}/{region}/{finding}", "shares": {"train": 0.5, "test": 0.5}}  # fmt: skip
    fresh.configure(
        datasets={"ct": {"prepare": prepare, "images": "archive"}},
        experiments={"own": {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 3}},
        models=["thumbnail"], analyses=["leakage"],
    )  # fmt: skip
    wanted = "results/experiments/own/comparison/summary.csv"
    fresh.run(wanted)

    def labels():
        catalog = pd.read_parquet(fresh / "results/datasets/ct/catalog.parquet")
        return catalog.groupby(["label", "position"]).size().to_dict()

    assert labels() == {("CT/chest/Nodule", 0): 4, ("CT/chest/Effusion", 10): 4}
    summary = pd.read_csv(fresh / wanted)
    assert set(summary["queries"]) == {4}
    add_segmentation(root, 7, ("Effusion", 0), ("Effusion", 10))
    jobs = fresh.run(wanted)
    assert jobs["prepare"] == jobs["catalog"] == 1 and not {"embed", "pixels"} & set(jobs)
    assert labels() == {
        ("CT/chest/Nodule", 0): 3, ("CT/chest/Effusion", 0): 1, ("CT/chest/Effusion", 10): 4,
    }  # fmt: skip


def test_studies_of_an_archive_find_as_files_what_they_find_in_it(fresh):
    """Every second slice by position is taken of both, and no localizer; the files are asked together."""
    root = fresh / "archive"
    for number in range(8):
        uids = {"PatientID": f"patient-{number}", "StudyInstanceUID": f"1.2.9.{number}", "SeriesInstanceUID": f"1.2.9.{number}.7"}  # fmt: skip
        for place, height in enumerate([5, 0, 10, 15, 20]):
            write(
                root / f"Meier-{number}/{7 * place % 11}", np.asarray(draw(number % 4, 7 * number + height)),
                SOPInstanceUID=f"1.2.9.{number}.{height}", ImagePositionPatient=[-10, -10, height], **uids,
            )  # fmt: skip
        write(
            root / f"Meier-{number}/scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **uids
        )
    prepare = {"from": "dicom", "label": "{modality}/{region}/{view}", "shares": {"train": 0.5, "test": 0.5}, "step": 2}  # fmt: skip
    fresh.configure(
        datasets={"ct": {"prepare": prepare, "images": "archive"}},
        experiments={"own": {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 3, "unit": "study", "pooling": "median"}},
        models=["thumbnail"], analyses=[],
    )  # fmt: skip
    folder, table = "results/experiments/own", "results/queries/archive/neighbors.csv"
    fresh.run(f"{folder}/thumbnail/knn/test.parquet", "query", "--config", "query={images: archive, k: 3}")  # fmt: skip
    found = pd.read_csv(fresh / table)
    assert set(found["query"]) == {f"1.2.9.{number}" for number in range(8)}
    assert set(found["query_slices"]) == set(found["neighbor_slices"]) == {3}
    studies = pd.read_parquet(fresh / folder / "catalog.parquet").set_index("id")["study_id"]
    known = pd.read_parquet(fresh / folder / "thumbnail/knn/test.parquet")
    known = known[known["rank"] <= 3].sort_values(["query", "rank"])
    assert known["query"].nunique() == 4
    for query, rows in known.groupby("query"):
        of_query = found[found["query"] == studies[query]]
        assert of_query["neighbor_id"].tolist() == rows["neighbor"].tolist()
        np.testing.assert_allclose(of_query["score"], rows["score"], rtol=0, atol=1e-6)
    ledger = pd.read_csv(fresh / "results/queries/archive/ledger.csv")
    assert ledger["reason"].tolist() == ["left out: localizers"] * 8
