"""From an archive to figures: a real Orthanc, a query, the control encoder, the page, and again with
a patient more."""

import itertools
import json
import stat
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import draw
from dicom_series import write
from live_page import barriers, opened, running, shown, until
from orthanc_server import PASSWORD, USER, NoOrthanc, Orthanc
from starlette.testclient import TestClient

from radcbir.app.engine import Engine
from radcbir.app.routes import IMAGE_HEADER, KEY_HEADER, application
from radcbir.project.configuration import Project as Configuration

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
            StudyInstanceUID=f"1.2.9.{number}", SeriesInstanceUID=f"1.2.9.{number}.7", BodyPartExamined=part, SeriesNumber=7,
            ImagePositionPatient=[0, 0, height],
        )
        for height in (0, 5, 10)
    ]  # fmt: skip


@contextmanager
def page_of(project, monkeypatch):
    """The page's answers, in this process."""
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    with monkeypatch.context() as here:
        here.chdir(project.folder)
        engine = Engine(Configuration(config, ["config/models"]), pixels=1_000_000)
        client = TestClient(application(engine, 1, "key"), base_url="http://127.0.0.1", headers={KEY_HEADER: "key"})  # fmt: skip
        try:
            yield client
        finally:
            engine.close()


def hits(client, **question) -> list[dict]:
    """What is found by an item of the catalog, or by files."""
    files = question.pop("files", [])
    asked = {"experiment": "series", "models": ["thumbnail"], "k": 10, **question}
    asked.setdefault("items", [{"kind": "upload", "file": place} for place in range(len(files))])
    parts = [("file", ("a.dcm", each)) for each in files] or [("none", ("", b""))]
    answer = client.post("/api/search", data={"question": json.dumps(asked)}, files=parts).json()
    [model] = answer["models"]
    assert model["error"] == ""
    return model["hits"]


def ask_with_what_is_not_in_the_catalog(project, orthanc, monkeypatch, paths):
    """By its UID, and the same files as an upload; then with a wrong password, and nobody there."""
    before = {path for path in project.folder.rglob("*") if path.is_file()}
    with page_of(project, monkeypatch) as client:
        # A real UID finds what the catalog has under its pseudonym, and asks no archive.
        [known] = client.get("/api/named/series?uid=1.2.9.3.7").json()["units"]
        assert known["study_id"] != "1.2.9.3" and known["slices"] == 3
        assert len(hits(client, items=[{"kind": "image", "id": known["id"]}])) >= 3
        named = client.get("/api/named/own?uid=1.2.9.3").json()
        assert named["count"] == 3 and {each["patient_id"] for each in named["units"]} == {known["patient_id"]}  # fmt: skip

        unknown = client.get("/api/named/series?uid=1.2.9.8")
        assert "no series of the experiment 'series' has the StudyInstanceUID" in unknown.text
        answer = client.get("/api/archive/series?uid=1.2.9.8")
        said = json.loads(answer.headers[IMAGE_HEADER])
        assert said["said"] == f"From {orthanc.url}: 3 images." and said["uid"] == "1.2.9.8.7"
        assert not any(secret in answer.content for secret in SECRETS)
        ends = np.cumsum([0, *(each["bytes"] for each in said["files"])])
        files = [answer.content[start:end] for start, end in itertools.pairwise(ends)]
        found = hits(client, files=files)
        uploaded = hits(client, files=[path.read_bytes() for path in paths])
        assert [(each["id"], each["score"]) for each in found] == [(each["id"], each["score"]) for each in uploaded]  # fmt: skip
        assert found[0]["labels"] == ["CT/abdomen/AXIAL"] and found[0]["score"] > 0.5
        # By its series, and of one image where images are found.
        assert client.get("/api/archive/series?uid=1.2.9.8.7").content == answer.content
        choice = client.get("/api/archive/own?uid=1.2.9.8").json()
        assert (choice["count"], choice["of"]) == (3, "images")
        one = client.get(f"/api/archive/own?uid=1.2.9.8&image={choice['choices'][0]['image']}")
        assert one.content in files

        missing = client.get("/api/archive/series?uid=1.2.9.77").json()["error"]
        assert missing.startswith(f"neither the catalog of the experiment 'series' nor {orthanc.url} has")  # fmt: skip
        only = client.get("/api/archive/series?uid=1.2.9.50").json()["error"]
        assert only.startswith(f"{orthanc.url} has no image with this UID, only SR")
        monkeypatch.setenv("RADCBIR_PACS_PASSWORD", "wrong")
        refused = client.get("/api/archive/series?uid=1.2.9.8").json()["error"]
        assert "does not let this user in (401): set RADCBIR_PACS_USER and" in refused
        assert "wrong" not in refused
        monkeypatch.setenv("RADCBIR_PACS_PASSWORD", PASSWORD)
        orthanc.stop()
        gone = client.get("/api/archive/series?uid=1.2.9.8").json()["error"]
        assert "cannot be reached (nothing listens there): correct `url:`, or try again" in gone
        orthanc.start()
    assert {path for path in project.folder.rglob("*") if path.is_file()} == before


def type_the_uid(browser, project, orthanc):
    """The same on the page, of a study of two series and a report, and by an address."""
    size = {"width": 1280, "height": 900}
    with running(project, "config/config.yaml", snakemake=False) as link:
        with opened(browser, link + "#experiment=series", viewport=size) as page:
            page.fill("#uid", "1.2.9.8")
            page.press("#uid", "Enter")
            until(page, "document.querySelectorAll('#named button').length === 2")
            assert "The archive has 2 series of it: choose one." in page.inner_text("#named")
            assert barriers(page) == []
            page.get_by_role("button", name="CT · series 7 · 3 images").click()
            labels = shown(page)
            assert labels[0] == "CT/abdomen/AXIAL"
            assert f"From {orthanc.url}: 3 images." in page.inner_text("#named")
            listed = page.locator("#items li .head span").all_inner_texts()
            assert listed == ["1.dcm", "2.dcm", "3.dcm"]
            assert page.evaluate("location.hash").endswith("uid=1.2.9.8.7")
            page.reload()
            assert shown(page) == labels
            page.locator(".hit .picture").first.click()
            until(
                page, "[...document.querySelectorAll('.readout')].every(each => each.textContent)"
            )
            until(page, "document.querySelectorAll('.slices')[0].textContent.includes('of 3 (uploaded)')")  # fmt: skip
            page.keyboard.press("Escape")
            page.fill("#uid", "1.2.9.77")
            page.click("#find")
            until(page, "document.querySelector('#error').checkVisibility()")
            assert page.inner_text("#error").startswith("Neither the catalog of the experiment")
            assert page.locator(".hit").count() == 0, "they are of the query before"
        with opened(browser, link + "#experiment=own&uid=1.2.9.8.7", viewport=size) as page:
            until(page, "document.querySelectorAll('#named button').length === 3")
            page.get_by_role("button", name="image 2 of 3").click()
            assert shown(page)[0] == "CT/abdomen/AXIAL"
            assert "uid=1.2.9.8.7&instance=1.2.9.8." in page.evaluate("location.hash")
            page.reload()
            shown(page)
            assert page.locator("#items li").count() == 1


def test_from_the_archive_to_figures_and_a_new_patient_is_fetched_alone(fresh, orthanc, monkeypatch, browser):  # fmt: skip
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
        experiments={
            "own": {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 3},
            "series": {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 3, "unit": "series"},
        },
        pseudonymise={"key_file": "key.txt"}, app={"archive": True, "port": 0},
    )  # fmt: skip
    wanted = ["results/experiments/own/comparison/precision.csv", "results/datasets/ct/preparation.html", "results/provenance/provenance.html", "results/experiments/series/thumbnail/knn/test.parquet"]  # fmt: skip
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
    new = patient(fresh / "files", 8)
    orthanc.upload(new)
    orthanc.upload([write(fresh / "files/report", StudyInstanceUID="1.2.9.50", SeriesInstanceUID="1.2.9.50.1", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Rows=None)])  # fmt: skip
    ask_with_what_is_not_in_the_catalog(fresh, orthanc, monkeypatch, new)
    of_new = {
        "PatientID": "patient-x",
        "StudyInstanceUID": "1.2.9.8",
        "SeriesInstanceUID": "1.2.9.8.8",
    }
    orthanc.upload([write(fresh / "files/more", SOPInstanceUID="1.2.9.8.8.1", SeriesNumber=8, **of_new)])  # fmt: skip
    type_the_uid(browser, fresh, orthanc)
    orthanc.delete("series", "1.2.9.8.8")
    said = fresh.snakemake("results/datasets/ct/shards", "--forcerun", "fetch_dicomweb")
    assert "27 instances listed: 24 are here, 3 to fetch" in said
    assert "3 headers to read, 24 known" in (fresh / "results/logs/prepare/ct.log").read_text()
    assert len(pd.read_parquet(fresh / "results/datasets/ct/catalog.parquet")) == 27
