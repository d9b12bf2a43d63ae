"""Downloads from a server that breaks off, replaces its file, heeds or ignores what it is asked, and
says odd things.
"""

import hashlib
import http.server
import json
import logging
import threading

import pytest

from radcbir.core import files
from radcbir.core.errors import InputError
from radcbir.core.text import addresses
from radcbir.fetch import archives, weights
from radcbir.fetch.download import TooLarge, Unreachable, download, read

OLD, NEW = b"old " * 50_000, b"NEW " * 50_000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves ``server.content`` with ``server.headers``; ``server.heeds`` says whether it looks at
    If-Range; the next bodies are cut after ``server.cuts`` bytes.
    """

    def do_GET(self):
        server = self.server
        server.asked.append({name: self.headers.get(name) for name in ("Range", "If-Range")})
        server.credentials.append(self.headers.get("Authorization"))
        if self.path.startswith("/odd"):
            self.send_response(302 if "Location" in server.headers else 200)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            return
        content, begin = server.content, 0
        if self.headers.get("Range"):
            begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        same = self.headers.get("If-Range") in (None, *server.headers.values())
        if begin and server.heeds and not same:
            begin = 0
        if begin >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = content[begin:]
        if server.cuts:
            body = body[: server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.content, running.headers, running.heeds = OLD, {"ETag": '"1"'}, True
        running.cuts, running.asked, running.credentials = [], [], []
        running.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def part(tmp_path):
    return tmp_path / "downloads/.file.part"


def broken_off(server, part, url=None, **options):
    """Begin a download that breaks off after 100,000 bytes."""
    server.cuts = [100_000]
    with pytest.raises(Unreachable, match="broke off|IncompleteRead"):
        download(url or f"{server.url}/file", part, **options)
    assert part.read_bytes() == OLD[:100_000]


def left(part):
    return sorted(path.name for path in part.parent.iterdir())


VERSIONS = [
    ({"ETag": '"1"'}, {"ETag": '"2"'}),
    ({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}),
    ({"ETag": 'W/"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"ETag": 'W/"1"', "Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}),
]  # fmt: skip


@pytest.mark.parametrize("heeds", [True, False], ids=["heeds If-Range", "ignores it"])
@pytest.mark.parametrize(("before", "after"), VERSIONS)
def test_a_file_that_was_replaced_meanwhile_is_never_mixed(server, part, heeds, before, after):
    server.headers, server.heeds = before, heeds
    broken_off(server, part)
    server.content, server.headers = NEW, after
    download(f"{server.url}/file", part)
    assert part.read_bytes() == NEW
    assert server.asked[1]["Range"] == "bytes=100000-"
    assert server.asked[1]["If-Range"] in before.values()
    assert left(part) == [".file.part"]


@pytest.mark.parametrize(("headers", "_"), VERSIONS)
def test_the_same_file_goes_on_where_it_broke_off(server, part, headers, _):
    server.headers = headers
    broken_off(server, part)
    download(f"{server.url}/file", part, checked=False)
    assert part.read_bytes() == OLD and server.asked[1]["Range"] == "bytes=100000-"


def test_a_file_of_another_size_is_another_file(server, part):
    """The server says the same ETag for both, and goes on where it was asked to."""
    broken_off(server, part)
    server.content = NEW + b"more"
    download(f"{server.url}/file", part)
    assert part.read_bytes() == NEW + b"more"


def test_without_versions_an_attempt_goes_on_only_where_the_result_is_checked(server, part):
    server.headers = {}
    broken_off(server, part, checked=False)
    server.content = NEW
    download(f"{server.url}/file", part, checked=False)
    assert part.read_bytes() == NEW and server.asked[1]["Range"] is None
    part.unlink()
    server.content = OLD
    broken_off(server, part)
    download(f"{server.url}/file", part)
    assert part.read_bytes() == OLD and server.asked[-1]["Range"] == "bytes=100000-"


def test_another_address_is_another_file(server, part):
    broken_off(server, part)
    server.content = NEW
    download(f"{server.url}/other", part, checked=False)
    assert part.read_bytes() == NEW and server.asked[1]["Range"] is None


def test_what_is_whole_already_stays_and_what_is_longer_does_not(server, part):
    broken_off(server, part)
    part.write_bytes(OLD)
    download(f"{server.url}/file", part, checked=False)
    assert part.read_bytes() == OLD
    broken_off_note = part.with_name(".file.part.json")
    assert not broken_off_note.exists()
    part.write_bytes(OLD + b"more")
    download(f"{server.url}/file", part)
    assert part.read_bytes() == OLD


def test_weights_without_a_digest_are_recorded_as_one_file_not_as_two_halves(server, tmp_path):
    target = tmp_path / "resources/weights/some-model/weights.bin"
    server.headers = {"ETag": '"1"'}
    server.cuts = [100_000]
    with pytest.raises(InputError, match="cannot be fetched"):
        weights.fetch({"url": f"{server.url}/weights.bin"}, target)
    server.content, server.headers = NEW, {"ETag": '"2"'}
    weights.fetch({"url": f"{server.url}/weights.bin"}, target)
    lock = weights.read_lock(target.parents[1] / weights.LOCK)
    assert lock["some-model"]["weights.bin"]["sha256"] == hashlib.sha256(NEW).hexdigest()


def test_a_server_that_changes_its_file_with_every_answer_has_an_end(server, part):
    class Changing(dict):
        def items(self):
            self["ETag"] = f'"{len(server.asked)}"'
            return super().items()

    server.headers, server.heeds = Changing(), False
    server.cuts = [10] * 100
    with pytest.raises(Unreachable, match="changes while it is fetched|broke off|IncompleteRead"):
        download(f"{server.url}/file", part, tries=3, pause=0)


# --- limits ---


def test_nothing_is_larger_than_it_may_be(server, part, tmp_path):
    with pytest.raises(TooLarge, match="200000 bytes"):
        download(f"{server.url}/file", part, limit=199_999)
    server.headers = {"Transfer-Encoding": "identity"}
    assert left(part) == []
    server.content = b"x" * 200_001
    with pytest.raises(InputError, match=r"'a.zip' .* has 200001 bytes instead of 199999: correct"):
        archives.fetch_archive(
            "a.zip",
            {"url": f"{server.url}/a.zip", "checksum": "md5:" + "0" * 32, "size": 199_999},
            None,
            tmp_path / "a.zip",
        )
    assert read(f"{server.url}/file", 200_001) == server.content
    with pytest.raises(Unreachable, match="larger than"):
        read(f"{server.url}/file", 200_000)


def test_a_disk_that_is_full_is_one_sentence(server, part, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(InputError, match="GB left, and .* are to come: make room and run again"):
        download(f"{server.url}/file", part)
    monkeypatch.undo()
    with pytest.raises(InputError, match="/dev/full cannot be written .No space left on device"), files.writable("/dev/full") as file:  # fmt: skip
        file.write(OLD)


# --- odd answers ---


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Content-Length": "many"}, "says that it has 'many' bytes"),
        ({"Content-Length": "-5"}, "says that it has '-5' bytes"),
        ({"Content-Length": "9" * 50}, "says that it has '9999"),
        ({"Location": "file:///etc/passwd"}, "answered 302"),
        ({"Location": "http://[::1/x"}, "leads to, an address that is none"),
        ({"Location": "http://host:port/x"}, "leads to, an address that is none"),
        ({"Location": "http://" + "a" * 70 + ".example/x"}, "leads to, an address|: "),
        ({"Location": "/odd"}, "answered 302"),
        ({"Content-Length": "100"}, "broke off|IncompleteRead"),
    ],
)
def test_odd_headers_are_one_sentence(server, part, headers, reason):
    server.headers = headers
    with pytest.raises(Unreachable, match=reason) as caught:
        download(f"{server.url}/odd", part)
    assert "\n" not in str(caught.value)
    with pytest.raises(Unreachable, match=reason):
        read(f"{server.url}/odd")


@pytest.mark.parametrize(
    "url", ["http://[::1/x", "ftp://example.org/x", "http://host:port/x", "", "http://a b/x"]
)
def test_an_address_that_is_none(url, part):
    with pytest.raises(Unreachable, match="an address that is none"):
        download(url, part)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"checksum": "sha3:abc"}, "gives the checksum of 'a.zip' as 'sha3:abc'"),
        ({"checksum": 5}, "gives the checksum of 'a.zip' as '5'"),
        ({"size": "large"}, "gives the size of 'a.zip' as 'large'"),
        ({"links": {"self": "file:///etc/passwd"}}, "gives the url of 'a.zip' as 'file:///etc"),
        ({"links": {"self": 7}}, "gives the url of 'a.zip' as '7'"),
        ({"links": ["self"]}, "answered|bytes instead|checksum"),
    ],
)
def test_odd_records_are_one_sentence(server, tmp_path, change, reason):
    entry = {"key": "a.zip", "size": 5, "checksum": "md5:" + "0" * 32} | change
    server.content = json.dumps({"files": [entry]}).encode()
    with pytest.raises(InputError, match=reason):
        archives.fetch_archive("a.zip", {}, f"{server.url}/record", tmp_path / "a.zip")
    server.content = b"[" * 100_000
    with pytest.raises(InputError, match="is not a JSON with `files:`"):
        archives.fetch_archive("a.zip", {}, f"{server.url}/record", tmp_path / "a.zip")


# --- secrets ---


def test_passwords_and_tokens_are_used_and_never_shown(server, part, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    host = server.url.removeprefix("http://")
    url = f"http://anna:geheim%40@{host}/file?token=s3cret#x"
    server.cuts = [10, 10]
    with pytest.raises(Unreachable) as caught:
        download(url, part, tries=1)
    download(url, part, tries=3, pause=0)
    assert server.credentials[-1] == "Basic YW5uYTpnZWhlaW1A"  # anna:geheim@
    messages = [str(caught.value), caplog.text]
    for address in (url.replace("/file", "/odd"), url.replace(host, "127.0.0.1:9")):
        server.headers = {"Location": "http://bob:geheim@[::1/s3cret?s3cret"}
        for call, *arguments in (
            (read, address),
            (download, address, part),
            (archives.fetch_archive, "a.zip", {}, address, tmp_path / "a.zip"),
            (weights.fetch, {"url": address}, tmp_path / "w/model/weights.bin"),
        ):
            with pytest.raises((Unreachable, InputError)) as caught:
                call(*arguments)
            messages.append(str(caught.value))
    shown = " ".join(messages)
    assert f"http://{host}/file?..." in shown
    for secret in ("geheim", "s3cret", "anna", "YW5uY"):
        assert secret not in shown
    noted = [path.read_text() for path in part.parent.glob("*.json")]
    assert not any("geheim" in each or "s3cret" in each for each in noted)


def test_a_password_from_netrc_goes_to_its_host_alone(server, part, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login anna password geheim\n")
    (tmp_path / ".netrc").chmod(0o600)
    download(f"{server.url}/file", part)
    assert server.credentials == ["Basic YW5uYTpnZWhlaW0="]
    server.headers = {"Location": f"http://localhost:{server.server_port}/file"}
    download(f"{server.url}/odd", part.with_name("second"))
    assert server.credentials[1:] == ["Basic YW5uYTpnZWhlaW0=", None]


def test_messages_of_others_lose_their_secrets():
    text = "Cannot reach https://u:p@h.example/a?sig=1 or\nhttps://h.example/b ('http://x:y@z')"
    assert addresses.without_secrets(text) == (
        "Cannot reach https://h.example/a?... or https://h.example/b ('http://z')"
    )
    assert addresses.shown("http://[::1/x") == "an address that is none"
