"""Images of a PACS: from a real Orthanc, and from a made server that fails as it is told."""

import os
import shutil
import stat
import sys
from pathlib import Path

import made_dicomweb
import pandas as pd
import pytest
import yaml
from dicom_series import write, write_series
from orthanc_server import PASSWORD, USER, NoOrthanc, Orthanc, free_port

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import prepare
from radcbir.datasets.providers import dicomweb
from radcbir.datasets.providers.dicomweb.query import contradicts
from radcbir.fetch.dicomweb import instances
from radcbir.fetch.dicomweb.server import Server
from radcbir.fetch.dicomweb.session import authorization
from radcbir.project import side_by_side, targets
from radcbir.project.configuration import Project

CARDS = Path(__file__).parents[3] / "config" / "models"
IMAGES, LIST = Path("resources/dicomweb/set/images"), Path("resources/dicomweb/set/instances.csv")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    try:
        server = Orthanc(tmp_path_factory.mktemp("orthanc")).start()
    except NoOrthanc as reason:
        pytest.skip(f"no Orthanc: {reason}")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A project of its own, and the password of the tests' Orthanc."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("RADCBIR_PACS_USER", USER)
    monkeypatch.setenv("RADCBIR_PACS_PASSWORD", PASSWORD)


@pytest.fixture
def made(tmp_path):
    """A made server of five images of two patients."""
    paths = [*write_series(tmp_path / "a", "p1", [0, 5, 10]), *write_series(tmp_path / "b", "p2", [0, 5])]  # fmt: skip
    with made_dicomweb.served(paths) as server:
        server.paths = {read_uid(path): path for path in paths}
        yield server


def read_uid(path: Path) -> str:
    import pydicom

    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def run(url: str, query: dict | None = None, max_rejected: float = 0, tries: int = 3, **more) -> pd.DataFrame:  # fmt: skip
    """Fetch, and the list of what was asked for."""
    options = dicomweb.with_defaults({"url": url, "query": query or {"StudyDate": "19000101-"}} | more)  # fmt: skip
    instances.fetch("set", options, max_rejected, tries, 0.001)
    return pd.read_csv(LIST, dtype=str, keep_default_na=False)


def here() -> dict[str, bytes]:
    """UID -> content of each file that is here."""
    assert not [path for path in IMAGES.rglob("*") if path.name.startswith(".")]
    return {path.stem: path.read_bytes() for path in IMAGES.rglob("*.dcm")}


def contents(paths) -> dict[str, bytes]:
    return {read_uid(path): path.read_bytes() for path in paths}


# --- a real server --------------------------------------------------------------------------------


def test_what_matches_comes_as_the_archive_has_it(orthanc, tmp_path):
    old = write_series(tmp_path / "old", "x1", [0, 5], StudyDate="20231231")
    first = write_series(tmp_path / "1", "x1", [0, 5, 10], StudyDate="20240101", StudyDescription="Thorax nativ")  # fmt: skip
    second = write_series(tmp_path / "2", "x2", [0, 5], StudyDate="20240630", Modality="MR", BodyPartExamined="HEAD")  # fmt: skip
    orthanc.upload([*old, *first, *second])
    listed = run(orthanc.url, {"PatientID": ["x1", "x2"], "StudyDate": "20240101-20241231"})
    assert here() == contents([*first, *second])
    assert sorted(listed["instance"]) == sorted(here())
    assert all((IMAGES / file).is_file() for file in listed["file"])
    assert stat.S_IMODE(Path("resources/dicomweb").stat().st_mode) == 0o700

    run(orthanc.url, {"PatientID": "x*", "Modality": "MR", "BodyPartExamined": "HE*"})
    assert here() == contents(second)
    run(orthanc.url, {"PatientID": "x1", "InstanceNumber": 2})
    assert sorted(here()) == sorted(contents([old[1], first[1]]))
    run(orthanc.url, {"StudyDescription": "thorax?nat*"})
    assert sorted(here()) == sorted(contents(first))


def test_only_what_is_new_is_fetched_and_what_is_gone_leaves(orthanc, tmp_path, caplog):
    first = write_series(tmp_path / "1", "y1", [0, 5, 10])
    orthanc.upload(first)
    run(orthanc.url, {"PatientID": "y*"})
    for path in IMAGES.rglob("*.dcm"):
        os.utime(path, (1, 1))
    second = write_series(tmp_path / "2", "y2", [0, 5])
    orthanc.upload(second)
    orthanc.delete("instances", read_uid(first[0]))
    caplog.set_level("INFO")
    listed = run(orthanc.url, {"PatientID": "y*"})
    assert here() == contents([*first[1:], *second])
    assert len(listed) == 4
    dates = {path.stem: path.stat().st_mtime for path in IMAGES.rglob("*.dcm")}
    assert {uid for uid, date in dates.items() if date == 1} == set(contents(first[1:]))
    assert "4 instances listed: 2 are here, 2 to fetch; 1 that are no longer listed were deleted" in caplog.text  # fmt: skip
    assert not any(secret in caplog.text for secret in ("y1", "y*", PASSWORD, "Meier", "1.2.9."))

    before = LIST.read_bytes()
    orthanc.delete("studies", listed["study"].iloc[0])
    with pytest.raises(InputError, match=r"`query:` matches nothing of http://127.0.0.1:\d+/dicom-web \(0 studies"):  # fmt: skip
        run(orthanc.url, {"PatientID": "nobody"})
    assert len(here()) == 4 and LIST.read_bytes() == before


def test_a_server_that_goes_away_and_comes_back(tmp_path, monkeypatch):
    paths = write_series(tmp_path / "1", "z1", [0, 5, 10, 15, 20])
    try:
        server = Orthanc(tmp_path / "orthanc").start()
    except NoOrthanc as reason:
        pytest.skip(f"no Orthanc: {reason}")
    try:
        server.upload(paths)
        fetched, whole = [], Server.instance

        def instance(self, *uids):
            fetched.append(uids[-1])
            if len(fetched) == 3:
                server.stop()
            return whole(self, *uids)

        monkeypatch.setattr(Server, "instance", instance)
        with pytest.raises(InputError, match=r"cannot be reached \(nothing listens there\).*what was fetched is kept"):  # fmt: skip
            run(server.url, {"PatientID": "z1"}, connections=1, tries=2)
        assert len(here()) == 2 and not LIST.exists()
        with pytest.raises(InputError, match="cannot be reached"):
            run(server.url, {"PatientID": "z1"}, tries=2)
        server.start()
        fetched.clear()
        monkeypatch.setattr(Server, "instance", lambda self, *uids: (fetched.append(uids[-1]), whole(self, *uids))[1])  # fmt: skip
        run(server.url, {"PatientID": "z1"})
        assert here() == contents(paths)
        assert len(fetched) == 3
    finally:
        server.stop()


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("", ""), ("nöbody", PASSWORD)])
def test_a_wrong_password_is_one_sentence_without_it(orthanc, monkeypatch, caplog, user, password):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("RADCBIR_PACS_USER", user)
    monkeypatch.setenv("RADCBIR_PACS_PASSWORD", password)
    with pytest.raises(InputError) as error:
        run(orthanc.url)
    said = str(error.value)
    assert "does not let this user in (401): set RADCBIR_PACS_USER and RADCBIR_PACS_PASSWORD" in said  # fmt: skip
    assert not password or (password not in said and password not in caplog.text)


def test_the_credentials_of_another_archive_have_names_of_their_own(orthanc, tmp_path, monkeypatch):
    orthanc.upload(write_series(tmp_path / "1", "w1", [0]))
    monkeypatch.setenv("RADCBIR_PACS_PASSWORD", "of the other archive")
    monkeypatch.setenv("SECOND_USER", USER)
    monkeypatch.setenv("SECOND_PASSWORD", PASSWORD)
    assert len(run(orthanc.url, {"PatientID": "w1"}, credentials="SECOND")) == 1


def test_an_address_that_is_no_dicomweb(orthanc):
    for address in (orthanc.root, f"{orthanc.root}/nothing", f"{orthanc.root}/app/explorer.html"):
        with pytest.raises(InputError, match="correct `url:`, which has to be the DICOMweb root"):
            run(address)


# --- a server that fails as it is told ------------------------------------------------------------


@pytest.mark.parametrize("failure", ["cut", "open", 503])
def test_what_fails_once_is_asked_for_again(made, failure):
    made.fail = lambda path, times: failure if "/instances/" in path and times == 1 else None
    run(made.url)
    assert here() == contents(made.paths.values())
    assert {count for path, count in made.asked.items() if "/instances/" in path} == {2}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("cut", "the connection broke off 3 times"), ("open", "the connection broke off 3 times"),
        (500, "the server failed (500)"), (403, "it may not be read (403)"), (406, "the server failed (406)"),
        (b"<html>", "no DICOM file"),
    ],
)  # fmt: skip
def test_what_cannot_be_delivered_is_listed_and_the_rest_goes_on(made, failure, reason):
    bad = sorted(made.paths)[1]
    made.fail = lambda path, times: failure if path.endswith(f"/{bad}") else None
    with pytest.raises(InputError) as error:
        run(made.url, max_rejected=0.1, connections=1)
    assert f"did not deliver 1 of 5 instances ({reason}: 1), more than `max_rejected: 0.1`" in str(error.value)  # fmt: skip
    listed = run(made.url, max_rejected=0.2).set_index("instance")
    assert set(here()) == set(made.paths) - {bad}
    assert listed["reason"].to_dict() == dict.fromkeys(made.paths, "") | {bad: reason}
    assert listed.loc[bad, "file"] == ""

    made.fail = lambda path, times: None
    made.asked.clear()
    assert not run(made.url)["reason"].any()
    assert [path for path in made.asked if path.endswith(f"/{bad}")] and set(here()) == set(made.paths)  # fmt: skip
    assert sum("/instances/" in path for path in made.asked) == 1


def test_the_instance_inside_has_to_be_the_one_that_was_asked_for(made):
    one, other = sorted(made.paths)[:2]
    content = made.paths[other].read_bytes()
    made.fail = lambda path, times: content if path.endswith(f"/{one}") else None
    listed = run(made.url, max_rejected=1).set_index("instance")
    assert listed.loc[one, "reason"] == "another instance than the one that was asked for"
    assert one not in here() and other in here()


def test_a_study_that_vanishes_while_it_is_listed_or_fetched_is_left_out(made, caplog):
    caplog.set_level("WARNING")
    studies = sorted({uids[0] for uids in made.files})
    gone = {uids[2] for uids in made.files if uids[0] == studies[0]}
    made.fail = lambda path, times: 404 if f"/{studies[0]}/" in path and times == 1 else None
    listed = run(made.url)
    assert set(listed["instance"]) == set(here()) == set(made.paths) - gone
    assert "1 of 2 studies went away" in caplog.text
    made.fail = lambda path, times: 404 if studies[0] in path and "/series/" in path else None
    assert set(run(made.url)["instance"]) == set(here()) == set(made.paths) - gone
    assert f"{len(gone)} instances went away" in caplog.text
    made.fail = lambda path, times: 404 if "/series/" in path else None
    for path in list(IMAGES.rglob("*.dcm")):
        path.unlink()
    with pytest.raises(InputError, match="lists 5 instances and delivers none of them"):
        run(made.url)


def test_a_list_that_is_not_whole_deletes_nothing(made):
    run(made.url)
    last = sorted({uids[0] for uids in made.files})[-1]
    made.fail = lambda path, times: 500 if f"/{last}/" in path else None
    with pytest.raises(InputError, match=r"fails \(500\) and did not list everything"):
        run(made.url)
    assert set(here()) == set(made.paths)


def test_a_server_that_ignores_the_query_is_refused(made):
    with pytest.raises(InputError, match="ignores the key PatientID of `query:`"):
        run(made.url, {"PatientID": "p1"})
    with pytest.raises(InputError, match="matches more than 1 studies of .*raise `most_studies:`"):
        run(made.url, most_studies=1)


def test_identifiers_are_no_paths(made, tmp_path):
    uids = next(iter(made.files))
    made.files[(uids[0], uids[1], "../../../../escaped")] = made.files[uids]
    listed = run(made.url, max_rejected=0.2)
    assert listed.loc[listed["reason"] != "", "reason"].tolist() == ["an identifier that is none"]
    assert len(here()) == 5
    assert not list(tmp_path.rglob("escaped*"))


def test_a_token_is_sent_and_half_of_a_password_is_a_sentence(made, monkeypatch):
    monkeypatch.delenv("RADCBIR_PACS_USER")
    with pytest.raises(InputError, match="RADCBIR_PACS_PASSWORD is set without RADCBIR_PACS_USER"):
        run(made.url)
    monkeypatch.delenv("RADCBIR_PACS_PASSWORD")
    monkeypatch.setenv("RADCBIR_PACS_TOKEN", "abc.def")
    run(made.url)
    assert made.headers["Authorization"] == "Bearer abc.def"
    with pytest.raises(InputError) as error:
        authorization("A", {"A_TOKEN": "secret\n1"})
    assert "secret" not in str(error.value)
    with pytest.raises(InputError, match="A_TOKEN is set beside A_USER"):
        authorization("A", {"A_TOKEN": "x", "A_USER": "y"})


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl makes a certificate")
def test_certificates_are_verified_and_may_be_ones_own(made, tmp_path, monkeypatch):
    pair = made_dicomweb.certified(tmp_path / "keys")
    with made_dicomweb.served(list(made.paths.values()), pair) as secure:
        with pytest.raises(InputError, match="the certificate of https://.* is not one that this machine trusts"):  # fmt: skip
            run(secure.url)
        assert not secure.headers
        (tmp_path / "other.pem").touch()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
        assert len(run(secure.url, ca_bundle=str(pair[0]))) == 5


def test_netrc_is_not_read(made, tmp_path, monkeypatch):
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"RADCBIR_PACS_{name}")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    run(made.url)
    assert "Authorization" not in made.headers


def test_without_the_library_one_sentence_says_what_to_install(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "dicomweb_client", None)
    with pytest.raises(InputError, match=r"the library dicomweb_client is missing.*make setup"):  # fmt: skip
        run(made.url)


def test_nobody_at_the_address():
    with pytest.raises(InputError, match=r"cannot be reached \(nothing listens there\)"):
        run(f"http://127.0.0.1:{free_port()}/dicom-web")


# --- the configuration, and what follows ----------------------------------------------------------


def project(**prepare) -> Project:
    given = {"from": "dicomweb", "url": "https://pacs.example.org/dicom-web", "query": {"PatientID": "secret-1"}}  # fmt: skip
    config = {
        "models": ["thumbnail"],
        "experiments": {"one": {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}},
    }  # fmt: skip
    config |= {key: prepare.pop(key) for key in ("app", "pseudonymise") if key in prepare}
    config["datasets"] = {"set": {"prepare": given | prepare}}
    images = config["datasets"]["set"]["prepare"].pop("images", None)
    config["datasets"]["set"] |= {"images": images} if images else {}
    return Project(yaml.safe_load(yaml.safe_dump(config)), [CARDS], "my.yaml")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"query": {"PatientsName": "x"}}, "has 'PatientsName', which is no DICOM keyword: did you mean 'PatientName'"),
        ({"query": {"PixelData": "x"}}, "'PixelData', which is no text, date or number"),
        ({"query": {"StudyDate": "2024"}}, "StudyDate` is '2024': write a date as '20240131' and a range"),
        ({"query": {"StudyDate": ["20240101", "01.02.2024"]}}, "write a date as"),
        ({"query": {"BodyPartExamined": "CHEST"}}, "no key by which studies are found"),
        ({"query": {}}, "`datasets: set: prepare: query` is empty"),
        ({"url": "https://me:hidden@pacs.example.org/x"}, "`prepare: url:` has a user name or a password in it"),
        ({"url": "pacs.example.org"}, "is no address of a DICOMweb server: write it as https://"),
        ({"url": "https://x/y?key=hidden"}, "is no address of a DICOMweb server"),
        ({"ca_bundle": "no.pem"}, "`prepare: ca_bundle:` names no.pem, which does not exist"),
        ({"images": "/data"}, "images` has no use beside `prepare: {from: dicomweb}`"),
        ({"metadata": "/data"}, "unknown key `metadata`"),
        ({"label": "{PatientName}/x/y"}, "may tell who the patient is"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences_before_anything_is_asked(given, sentence):
    with pytest.raises(InputError) as error:
        project(**given)
    assert sentence in str(error.value)
    assert "hidden" not in str(error.value)


def test_what_is_asked_for_is_fetched_first_and_not_among_the_results(tmp_path):
    checked = project()
    assert checked.datasets["set"]["images"] == str(IMAGES)
    assert checked.provider_files["set"] == {"instances": str(LIST)}
    assert targets.archived(checked) == [str(LIST)]
    assert targets.missing_downloads(checked) == [str(LIST)]
    side_by_side.record(checked, ["my.yaml"])
    recorded = next(tmp_path.rglob("configurations.json")).read_text()
    for shown in (recorded, yaml.safe_dump(checked.shown_settings)):
        assert "secret-1" not in shown and "pacs.example.org" in shown
    assert checked.settings["datasets"]["set"]["prepare"]["query"] == {"PatientID": "secret-1"}


def test_the_viewer_of_the_archive_needs_the_uid_of_a_study(tmp_path):
    address = "https://pacs.example.org/viewer?study={study_uid}"
    assert project(app={"viewer": address}).settings["app"]["viewer"] == address
    for wrong in ("javascript:{study_uid}", "https://pacs.example.org/", "https://x/{study}"):
        with pytest.raises(InputError, match="app: viewer` is"):
            project(app={"viewer": wrong})
    key = tmp_path / "key"
    key.write_text("5b1f0c9e7a3d4826b0c1d2e3f4a5968778695a4b3c2d1e0f")
    key.chmod(0o600)
    with pytest.raises(InputError, match="`app: viewer:` needs the UIDs of studies, which `pseudonymise:` takes"):  # fmt: skip
        project(app={"viewer": address}, pseudonymise={"key_file": str(key)})


def test_what_was_not_delivered_is_counted_by_the_preparation(made):
    bad = sorted(made.paths)[0]
    made.fail = lambda path, times: 500 if path.endswith(f"/{bad}") else None
    run(made.url, max_rejected=0.2)
    checked = project(shares={"train": 0.5, "test": 0.5})
    table, counts = prepare(checked.provider_files["set"], checked.datasets["set"]["prepare"], IMAGES, "set")  # fmt: skip
    assert len(table) == 4 and set(table["patient_id"]) == {"p1", "p2"}
    assert set(table["label"]) == {"CT/chest/AXIAL"}
    first = counts.iloc[0]
    assert first["step"] == "left out, the server did not deliver: the server failed (500)"
    assert first["images"] == 1


@pytest.mark.parametrize(
    ("kind", "wanted", "found", "contradiction"),
    [
        ("DA", "20240101-20241231", ["20240630"], False), ("DA", "20240101-", ["20231231"], True),
        ("DA", "-20240101", ["20231231"], False), ("DA", "20240101", ["20240102"], True),
        ("CS", "CT", ["CT", "PR"], False), ("CS", "ct", ["CT"], False), ("CS", "MR", ["CT"], True),
        ("LO", "thorax*", ["Thorax nativ"], False), ("LO", "th?rax", ["Thorax nativ"], True),
        ("LO", "a.c", ["abc"], True), ("UI", "1.2,1.3", ["1.3"], False), ("UI", "1.2", ["1.20"], True),
        ("CS", "ORIGINAL\\PRIMARY", ["ORIGINAL", "PRIMARY"], False), ("LO", "x", [], False), ("PN", "Meier", [{"Alphabetic": "Huber"}], False),
    ],
)  # fmt: skip
def test_an_answer_that_contradicts_the_query(kind, wanted, found, contradiction):
    """PS3.4, C.2.2.2: single values, ranges, wildcards and lists of UIDs."""
    assert contradicts(kind, wanted, found) is contradiction


def test_a_file_of_another_kind_comes_and_is_left_to_the_preparation(orthanc, tmp_path):
    """A report without pixels is an instance as any other: the preparation counts it."""
    orthanc.upload([write(tmp_path / "r", PatientID="v1", Modality="SR", Rows=None, Columns=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")])  # fmt: skip
    assert len(run(orthanc.url, {"PatientID": "v1"})) == 1
