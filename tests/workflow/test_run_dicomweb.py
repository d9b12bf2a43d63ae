"""From an archive to figures: a real Orthanc, a query, the control encoder, and again with a
patient more."""

import stat

import numpy as np
import pandas as pd
import pytest
from conftest import draw
from dicom_series import write
from orthanc_server import PASSWORD, USER, NoOrthanc, Orthanc

SECRETS = (PASSWORD.encode(), b"Meier", b"St. Anna", b"1.2.9.", b"patient-", b"20240101")
"""What may not get into results: the password, what was asked for, what stands in headers."""


@pytest.fixture
def orthanc(tmp_path):
    try:
        server = Orthanc(tmp_path / "orthanc").start()
    except NoOrthanc as reason:
        pytest.skip(f"no Orthanc: {reason}")
    yield server
    server.stop()


def patient(folder, number: int) -> list:
    """Three slices of chest or abdomen."""
    part = "CHEST" if number % 2 else "ABDOMEN"
    return [
        write(
            folder / f"{number}-{height}", np.asarray(draw(number % 2, number * 3 + height)),
            SOPInstanceUID=f"1.2.9.{number}.{height}", PatientID=f"patient-{number}", StudyDate="20240101",
            StudyInstanceUID=f"1.2.9.{number}", SeriesInstanceUID=f"1.2.9.{number}.7", BodyPartExamined=part,
            ImagePositionPatient=[0, 0, height],
        )
        for height in (0, 5, 10)
    ]  # fmt: skip


def test_from_the_archive_to_figures_and_a_new_patient_is_fetched_alone(fresh, orthanc, monkeypatch):  # fmt: skip
    for number in range(8):
        orthanc.upload(patient(fresh / "files", number))
    orthanc.upload([write(fresh / "files/other", PatientID="patient-x", StudyInstanceUID="1.2.9.99", StudyDate="20200101", SOPInstanceUID="1.2.9.99.1")])  # fmt: skip
    (fresh / "key.txt").write_text("5b1f0c9e7a3d4826b0c1d2e3f4a5968778695a4b3c2d1e0f")
    (fresh / "key.txt").chmod(0o600)
    monkeypatch.setenv("RADCBIR_PACS_USER", USER)
    query = {"PatientID": "patient-*", "StudyDate": "20240101-", "Modality": "CT"}
    prepare = {"from": "dicomweb", "url": orthanc.url, "query": query, "shares": {"train": 0.5, "test": 0.5}}  # fmt: skip
    fresh.configure(
        datasets={"ct": {"prepare": prepare}}, models=["thumbnail"], analyses=[],
        experiments={"own": {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 3}},
        pseudonymise={"key_file": "key.txt"},
    )  # fmt: skip
    wanted = ["results/experiments/own/comparison/precision.csv", "results/datasets/ct/preparation.html", "results/provenance/provenance.html"]  # fmt: skip
    monkeypatch.setenv("RADCBIR_PACS_PASSWORD", PASSWORD)
    said = fresh.snakemake(*wanted)
    assert "24 instances listed: 0 are here, 24 to fetch" in said
    assert not any(secret.decode() in said for secret in (SECRETS[0], SECRETS[4], SECRETS[5]))
    catalog = pd.read_parquet(fresh / "results/datasets/ct/catalog.parquet")
    assert len(catalog) == 24 and catalog["patient_id"].nunique() == 8
    assert sorted(set(catalog["label"])) == ["CT/abdomen/AXIAL", "CT/chest/AXIAL"]
    figures = pd.read_csv(fresh / wanted[0])
    first = figures[(figures["k"] == 1) & (figures["definition"] == "capped")]
    assert first["queries"].tolist() and set(first["queries"]) == {
        int((catalog["split"] == "test").sum())
    }
    for path in (fresh / "results").rglob("*"):
        if path.is_file() and "logs/prepare" not in path.as_posix():
            content = path.read_bytes()
            assert not any(secret in content for secret in SECRETS), path
    archive = fresh / "resources/dicomweb"
    assert stat.S_IMODE(archive.stat().st_mode) == 0o700

    monkeypatch.delenv("RADCBIR_PACS_PASSWORD")
    assert "Nothing to be done" in fresh.snakemake(*wanted)
    monkeypatch.setenv("RADCBIR_PACS_PASSWORD", PASSWORD)
    orthanc.upload(patient(fresh / "files", 8))
    said = fresh.snakemake("results/datasets/ct/shards", "--forcerun", "fetch_dicomweb")
    assert "27 instances listed: 24 are here, 3 to fetch" in said
    assert "3 headers to read, 24 known" in (fresh / "results/logs/prepare/ct.log").read_text()
    assert len(pd.read_parquet(fresh / "results/datasets/ct/catalog.parquet")) == 27
