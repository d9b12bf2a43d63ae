"""Studies and series that the page takes from an archive by UID: from a made server, decoded by the
page's own decoder."""

import io
import itertools
import json
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import made_dicomweb
import numpy as np
import pydicom
import pytest
from dicom_series import CT, item, write, write_series
from image_files import BIG, DEFLATED, EXPLICIT, IMPLICIT, RLE, dicom_file
from starlette.testclient import TestClient

from radcbir.app.archive import fetching, taken
from radcbir.app.archive.images import image_of, without_names
from radcbir.app.archive.taken import Archive
from radcbir.app.archive.where import archives
from radcbir.app.decoder import Decoder
from radcbir.app.routes import IMAGE_HEADER, KEY_HEADER, application
from radcbir.core.errors import InputError
from radcbir.datasets.providers.dicom import LEAVE_OUT
from radcbir.project.configuration import Project

CARDS = Path(__file__).parents[3] / "config" / "models"
KEY = "the-key"


def project(*urls: str, unit: str = "series", app: dict | None = None, prepare: dict | None = None, **more) -> Project:  # fmt: skip
    """A configuration whose datasets come from these archives, the first two of one."""
    Path("images").mkdir(exist_ok=True)
    Path("own.csv").write_text("filepath,split,label\na.png,train,a/b/c\n")
    datasets: dict = {"own": {"csv": "own.csv", "images": "images"}}
    for place, url in enumerate([*urls[:1], *urls]):
        query = {"PatientID": "p*"}
        datasets[f"pacs{place}"] = {
            "prepare": {"from": "dicomweb", "url": url, "query": query} | (prepare or {})
        }
    experiment = {"datasets": list(datasets), "index_split": "train", "query_splits": ["test"], "k": 3, "unit": unit}  # fmt: skip
    settings = {
        "datasets": datasets, "models": ["thumbnail"], "analyses": [],
        "experiments": {"x": experiment}, "app": app or {"archive": True}, **more,
    }  # fmt: skip
    return Project(settings, [CARDS], "my.yaml")


class Here:
    """The decoder of a child process in this one."""

    def decode(self, task, *arguments):
        return getattr(Decoder(1_000_000), task)(*arguments)


def archive(checked: Project) -> Archive:
    unit = checked.experiments["x"]["unit"]
    stored = SimpleNamespace(project=checked, unit=lambda name: unit, check_experiment=lambda name: None)  # fmt: skip
    return Archive(stored, Here())


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(taken, "PAUSE", 0.01)


def slices(folder: Path, uid: str, count: int, series: str = "2", **more) -> list[Path]:
    """A series with other pixels in each slice, its numbers against its positions."""
    return [
        write(
            folder / f"{series}-{place}", np.full((8, 8), place * 20 % 256, np.uint8),
            **{
                "StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.{series}", "PatientID": "secret-1",
                "SOPInstanceUID": f"{uid}.{series}.{place + 1}", "InstanceNumber": count - place,
                "ImagePositionPatient": [0, 0, 5 * place], "SeriesNumber": int(series),
                "SeriesDescription": f"body {series}",
            } | more,
        )
        for place in range(count)
    ]  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """A study of two series of images and a report, a study of a report alone, one of a scout."""
    report = {"Modality": "SR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11", "Rows": None}
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    paths = [
        *slices(tmp_path / "a", "1.2.1", 5), *slices(tmp_path / "a", "1.2.1", 3, "3"),
        *slices(tmp_path / "a", "1.2.1", 1, "4", **report),
        *slices(tmp_path / "b", "1.2.2", 2, **report),
        *slices(tmp_path / "c", "1.2.3", 2, **scout),
        *slices(tmp_path / "d", "1.2.4", 2), *slices(tmp_path / "d", "1.2.4", 1, "9", SeriesInstanceUID="1.2.4.2", **scout),
    ]  # fmt: skip
    with made_dicomweb.served(paths) as server:
        yield server


def gray(found) -> list[int]:
    """The value of each file of a query, in order."""
    return [int(pydicom.dcmread(io.BytesIO(each)).pixel_array[0, 0]) for _, each in found.files]


# --- what is found --------------------------------------------------------------------------------


def test_a_series_comes_in_the_order_of_its_slices(made):
    found = archive(project(made.url)).take("x", "1.2.1.2")
    assert gray(found) == [0, 20, 40, 60, 80]  # by position, not by number
    assert [name for name, _ in found.files] == [f"{place}.dcm" for place in range(1, 6)]
    assert (found.uid, found.dataset) == ("1.2.1.2", "pacs0")
    assert found.said == f"From {made.url}: 5 images."


def test_of_a_study_a_series_is_chosen_and_reports_are_none(made):
    choice = archive(project(made.url)).take("x", "1.2.1")
    assert choice.choices == [
        {"uid": "1.2.1.2", "words": "CT · series 2 · body 2"},
        {"uid": "1.2.1.3", "words": "CT · series 3 · body 3"},
    ]
    assert (choice.count, choice.of) == (2, "series")
    assert not [path for path in made.asked if "/instances/" in path]


@pytest.mark.parametrize("uid", ["1.2.1", "1.2.1.3"])
def test_where_studies_are_found_a_series_stands_for_its_study(made, uid):
    found = archive(project(made.url, unit="study")).take("x", uid)
    assert gray(found) == [0, 20, 40, 60, 80, 0, 20, 40]
    assert found.uid == "1.2.1"


def test_where_images_are_found_one_is_chosen(made):
    asked = archive(project(made.url, unit="image"))
    assert asked.take("x", "1.2.1").of == "series"
    choice = asked.take("x", "1.2.1.2")
    assert (choice.count, choice.of) == (5, "images")
    # Listed by number, which runs against position here.
    assert choice.choices[1] == {"uid": "1.2.1.2", "image": "1.2.1.2.4", "words": "2 of 5"}
    found = asked.take("x", "1.2.1.2", "1.2.1.2.4")
    assert gray(found) == [60] and found.said.endswith(": 1 image.")


def test_of_too_many_images_one_in_two_or_more_is_fetched(tmp_path):
    with made_dicomweb.served(slices(tmp_path / "a", "1.2.1", 260)) as server:
        found = archive(project(server.url)).take("x", "1.2.1")
        assert len(found.files) == 87 and "one in 3 of 260 images" in found.said
        assert sum("/instances/" in path for path in server.asked) == 87
        # Evenly: the values are 20 apart per slice.
        assert {(two - one) % 256 for one, two in itertools.pairwise(gray(found))} == {60}  # fmt: skip


def test_no_more_megabytes_are_fetched_than_a_query_may_have(tmp_path):
    megabyte = np.zeros((1024, 768), np.uint8)  # 0.75 MB
    paths = [
        write(tmp_path / str(place), megabyte, SOPInstanceUID=f"1.2.9.{place}", StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.1")
        for place in range(8)
    ]  # fmt: skip
    huge = write(tmp_path / "huge", np.zeros((2048, 1024), np.uint8), StudyInstanceUID="1.2.8", SeriesInstanceUID="1.2.8.1")  # fmt: skip
    with made_dicomweb.served([*paths, huge]) as server:
        small = {"archive": True, "upload_megabytes": 2}
        found = archive(project(server.url, app=small)).take("x", "1.2.9")
        assert len(found.files) == 2 and "one in 4 of 8 images" in found.said
        assert sum("/instances/" in path for path in server.asked) == 2
        one = {"archive": True, "upload_megabytes": 1}
        with pytest.raises(InputError, match=r"are larger than the 1 MB that a query may have: raise `app: upload_megabytes:`"):  # fmt: skip
            archive(project(server.url, app=one)).take("x", "1.2.8")


def test_localizers_in_a_series_are_left_out_as_in_the_dataset(made):
    found = archive(project(made.url)).take("x", "1.2.4.2")
    assert gray(found) == [0, 20]
    assert found.said.endswith(": 2 images; left out, localizers: 1.")


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "sentence"),
    [
        ("1.2.99", "neither the catalog of the experiment 'x' nor http://127.0.0.1:{port} has a study or series with this UID: correct it"),
        ("1.2.2", "http://127.0.0.1:{port} has no image with this UID, only SR: take another"),
        ("1.2.3", "http://127.0.0.1:{port} has no image with this UID to ask with (left out, localizers: 2): take another"),
        ("1.2/../../admin", "'1.2/../../admin' is no UID, which has digits and dots, 64 at most"),
        ("1.2?limit=9", "is no UID"), ("", "is no UID"), ("1" * 65, "is no UID"), ("1.2\n", "is no UID"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_one_sentence(made, uid, sentence):
    with pytest.raises(InputError) as error:
        archive(project(made.url)).take("x", uid)
    assert str(error.value).startswith(sentence.format(port=made.url.rsplit(":")[-1])) or sentence in str(error.value)  # fmt: skip
    assert "\n" not in str(error.value)
    assert not [path for path in made.asked if ".." in path or "admin" in path]


def test_an_archive_that_fails_is_one_sentence_without_the_password(made, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("RADCBIR_PACS_USER", "reader")
    monkeypatch.setenv("RADCBIR_PACS_PASSWORD", "open sesame")
    asked = archive(project(made.url))
    for failure, sentence in (
        (
            401,
            r"does not let this user in \(401\): set RADCBIR_PACS_USER and RADCBIR_PACS_PASSWORD",
        ),
        (503, r"fails \(503\) and did not list everything: try again later$"),
    ):
        made.fail = lambda path, times, failure=failure: failure
        with pytest.raises(InputError, match=sentence) as error:
            asked.take("x", "1.2.1.2")
        assert "sesame" not in str(error.value)
    made.fail = lambda path, times: 500 if path.endswith("1.2.1.2.3") else None
    with pytest.raises(InputError, match=r"did not deliver an image of it \(the server failed \(500\)\): try again later$"):  # fmt: skip
        asked.take("x", "1.2.1.2")
    made.fail = lambda path, times: b"no DICOM" if "/instances/" in path else None
    with pytest.raises(InputError, match=r"no image with this UID to ask with \(left out, .*: 5\)"):
        asked.take("x", "1.2.1.2")
    made.fail = lambda path, times: "cut" if "/instances/" in path and times == 1 else None
    made.asked.clear()
    assert gray(asked.take("x", "1.2.1.2")) == [0, 20, 40, 60, 80]
    assert not any(secret in caplog.text for secret in ("sesame", "1.2.1", "secret-1", "Meier"))


def test_an_archive_that_is_too_slow_is_given_up(made, monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS", 0.3)
    made.fail = lambda path, times: time.sleep(0.2)
    with pytest.raises(
        InputError, match=r"did not deliver everything within 0\.3 seconds: try again"
    ):
        archive(project(made.url)).take("x", "1.2.1.2")


def test_certificates_are_verified(tmp_path):
    certificate = made_dicomweb.certified(tmp_path / "certificate")
    with made_dicomweb.served(slices(tmp_path / "a", "1.2.1", 2), certificate) as server:
        with pytest.raises(
            InputError, match="certificate of .* is not one that this machine trusts"
        ):
            archive(project(server.url)).take("x", "1.2.1.2")
        assert not server.asked
        trusted = project(server.url, prepare={"ca_bundle": str(certificate[0])})
        assert gray(archive(trusted).take("x", "1.2.1.2")) == [0, 20]


def test_several_archives_are_asked_in_order(made, tmp_path):
    nobody = "http://127.0.0.1:9"
    with made_dicomweb.served(slices(tmp_path / "z", "1.2.7", 2)) as other:
        checked = project(nobody, made.url, other.url)
        assert [name for name, _ in archives(checked, "x")] == ["pacs0", "pacs2", "pacs3"]
        assert archive(checked).take("x", "1.2.1.2").dataset == "pacs2"
        assert archive(checked).take("x", "1.2.7").dataset == "pacs3"
        with pytest.raises(InputError, match=r"127\.0\.0\.1:9 cannot be reached \(nothing listens there\): correct `url:`, or try again later"):  # fmt: skip
            archive(checked).take("x", "1.2.99")


# --- when it is asked -----------------------------------------------------------------------------


def test_nothing_is_asked_unless_it_is_switched_on(made):
    for checked in (project(made.url, app={"port": 0}), project(made.url, unit="patient")):
        assert archives(checked, "x") == []
        with pytest.raises(InputError, match="the page asks no archive for the experiment 'x'"):
            archive(checked).take("x", "1.2.1.2")
    with pytest.raises(InputError, match="`offline: true` is set, so that no archive is asked"):
        archive(project(made.url, offline=True)).take("x", "1.2.1.2")
    assert not made.asked
    with pytest.raises(InputError, match=r"no dataset of an experiment comes from one \(`prepare: \{from: dicomweb\}`\): take it out"):  # fmt: skip
        project()


def test_it_goes_with_the_viewer_and_with_pseudonyms(made):
    viewer = "https://pacs.example.org/viewer?study={study_uid}"
    assert archives(project(made.url, app={"archive": True, "viewer": viewer}), "x")
    key = Path("key")
    key.write_text("5b1f0c9e7a3d4826b0c1d2e3f4a5968778695a4b3c2d1e0f")
    key.chmod(0o600)
    hidden = project(made.url, pseudonymise={"key_file": "key"})
    assert gray(archive(hidden).take("x", "1.2.1.3")) == [0, 20, 40]


def test_only_the_page_with_its_key_is_answered(made):
    checked = archive(project(made.url))
    engine = Mock(archived=checked.take)
    client = TestClient(application(engine, 1, KEY), base_url="http://127.0.0.1")
    path = "/api/archive/x?uid=%201.2.1.2%20&image="
    assert client.get(path).status_code == 403
    client.headers[KEY_HEADER] = KEY
    assert client.get(path, headers={"origin": "http://elsewhere"}).status_code == 403
    assert not made.asked
    answer = client.get(path)
    said = json.loads(answer.headers[IMAGE_HEADER])
    assert [each["name"] for each in said["files"]] == [f"{place}.dcm" for place in range(1, 6)]
    assert sum(each["bytes"] for each in said["files"]) == len(answer.content)
    assert pydicom.dcmread(io.BytesIO(answer.content[: said["files"][0]["bytes"]])).pixel_array[0, 0] == 0  # fmt: skip
    assert client.get("/api/archive/x?uid=1.2.1").json()["count"] == 2
    wrong = client.get("/api/archive/x?uid=../x")
    assert wrong.status_code == 404 and "is no UID" in wrong.json()["error"]


# --- what the browser gets ------------------------------------------------------------------------

SECRETS = (b"Meier", b"p1", b"secret", b"St. Anna", b"ACME", b"1.2.55.", b"20240101", b"private")


def test_names_and_dates_stay_in_the_server(tmp_path):
    frames = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8)
    groups = [
        item(
            FrameContentSequence=[item(FrameAcquisitionDateTime="20240101120000")],
            PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=place, RescaleType="HU")],
            ReferencedImageSequence=[item(ReferencedSOPInstanceUID="1.2.55.9")],
        )
        for place in (0, 100)
    ]  # fmt: skip
    path = write(
        tmp_path / "a", frames, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups, StudyDate="20240101",
        SOPInstanceUID="1.2.55.1", StudyInstanceUID="1.2.55.2", SeriesInstanceUID="1.2.55.3", PatientID="secret-1",
    )  # fmt: skip
    file = pydicom.dcmread(path)
    file.private_block(0x0011, "private", create=True).add_new(1, "LO", "private words")
    file.save_as(path)
    before, after = path.read_bytes(), without_names(str(path))
    assert all(each in before for each in SECRETS if each != b"p1")
    assert not any(each in after for each in SECRETS)
    decoder = Decoder(1_000_000)
    for part in ({"frame": 0}, {"frame": 1}):
        source = {"name": "a.dcm", "intensity": INTENSITY, "part": part}
        assert decoder.values(source | {"bytes": after}) == decoder.values(source | {"bytes": before})  # fmt: skip
        assert decoder.image(source | {"bytes": after}) == decoder.image(source | {"bytes": before})


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED, RLE])
@pytest.mark.parametrize("signed", [0, 1])
def test_pixels_are_as_they_were_in_each_transfer_syntax(tmp_path, syntax, signed):
    """Signed and unsigned words of 16 bit, with padding, slope and a lookup table."""
    cells = (np.arange(64).reshape(8, 8) * 900 % 4000).astype(">u2" if syntax == BIG else "<u2")
    elements = {
        "SOPClassUID": CT, "SOPInstanceUID": "1.2.55.1", "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME1", "Rows": 8, "Columns": 8, "BitsAllocated": 16,
        "BitsStored": 16, "HighBit": 15, "PixelRepresentation": signed, "PixelPaddingValue": 900,
        "RescaleSlope": 2, "RescaleIntercept": -100, "PixelSpacing": [0.5, 0.7],
        "VOILUTSequence": [{"LUTDescriptor": [256, 0, 16], "LUTData": np.arange(256) ** 2}],
    }  # fmt: skip
    fragments = None
    if syntax == RLE:  # one literal run of 64 bytes per byte of the words
        halves = [bytes([63]) + cells.astype(">u2").tobytes()[each::2] for each in (0, 1)]
        lengths = np.array([2, 64, 64 + 66, *[0] * 13], "<u4")
        fragments = [lengths.tobytes() + b"".join(each + b"\0" for each in halves)]
    else:
        elements["PixelData"] = cells.tobytes()
    path = tmp_path / "a"
    path.write_bytes(dicom_file(elements, syntax, fragments=fragments))
    before, after = path.read_bytes(), without_names(str(path))
    decoder, source = Decoder(1_000_000), {"name": "a.dcm", "intensity": INTENSITY}
    for task in (decoder.values, decoder.image):
        shown = task(source | {"bytes": before})
        assert len(set(shown[-1])) > 20
        assert task(source | {"bytes": after}) == shown
    assert b"1.2.55" in before or syntax == DEFLATED
    assert b"1.2.55" not in after


INTENSITY = {"policy": "auto", "low": 1, "high": 99}


def test_another_image_than_the_one_asked_for_is_not_taken(tmp_path):
    [path] = write_series(tmp_path, "p1", [0])
    uid = str(pydicom.dcmread(path).SOPInstanceUID)
    assert image_of(str(path), uid, LEAVE_OUT)["reason"] == ""
    assert image_of(str(path), "1.2.3", LEAVE_OUT)["reason"].startswith("another instance")
