"""Published archives from a local server: whole, cut off, wrong, missing, and with members that are
not what they seem."""

import hashlib
import stat
import threading
import zipfile

import pytest
from record import Record

from radcbir.core.errors import InputError
from radcbir.fetch import archives


@pytest.fixture
def server(tmp_path):
    with Record() as running:
        packed = tmp_path / "packed.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("datasets/nih14.csv", "filepath,split\n" + "a,b\n" * 100_000)
            archive.writestr("datasets/mimic.csv", "other")
        running.files["datasets.zip"] = packed.read_bytes()
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "resources/reference/archives/datasets.zip"


def left(target):
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.exists() else []


def fetch(server, target, offline=False, **settings):
    archives.fetch_archive(
        "datasets.zip", settings, f"{server.url}/record", target, pause=0.01, offline=offline
    )


def test_an_archive_that_the_record_lists(server, target):
    fetch(server, target)
    assert target.read_bytes() == server.files["datasets.zip"]
    assert left(target) == ["datasets.zip"]


def test_cut_connections_are_taken_up_where_they_broke_off(server, target):
    server.cuts = [100_000, 50_000, 0, 0, 100_000]
    fetch(server, target)
    assert target.read_bytes() == server.files["datasets.zip"]
    assert [asked for path, asked in server.asked if "files" in path] == [
        None, "bytes=100000-", "bytes=150000-", "bytes=150000-", "bytes=150000-", "bytes=250000-",
    ]  # fmt: skip


def test_a_line_that_stays_dead_keeps_what_has_come(server, target):
    server.cuts = [100_000, *[0] * 20]
    with pytest.raises(
        InputError,
        match=r"'datasets.zip' cannot be fetched .* put the file at .*datasets.zip by hand",
    ):
        fetch(server, target)
    assert left(target) == [".datasets.zip.part"]
    server.cuts = []
    fetch(server, target)
    assert server.asked[-1][1] == "bytes=100000-"
    assert target.read_bytes() == server.files["datasets.zip"]
    assert left(target) == ["datasets.zip"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"checksum": "md5:" + "0" * 32},
            r"has the checksum md5:[0-9a-f]{32} instead of md5:0{32}",
        ),
        ({"size": 5}, r"has \d+ bytes instead of 5"),
    ],
)
def test_another_archive_than_the_record_says_is_not_kept(server, target, change, message):
    server.changes["datasets.zip"] = change
    with pytest.raises(InputError, match=message):
        fetch(server, target)
    assert left(target) == []


def test_the_configuration_goes_before_the_record(server, target):
    sha256 = "sha256:" + hashlib.sha256(server.files["datasets.zip"]).hexdigest()
    fetch(server, target, url=f"{server.url}/files/datasets.zip", checksum=sha256)
    assert [path for path, _ in server.asked] == ["/files/datasets.zip"]
    with pytest.raises(InputError, match="instead of sha256:0000"):
        fetch(server, target.with_name("other.zip"), checksum="sha256:" + "0" * 64)
    with pytest.raises(
        InputError, match=r"nothing says the checksum of the archive 'datasets.zip'"
    ):
        archives.fetch_archive(
            "datasets.zip", {"url": f"{server.url}/files/datasets.zip"}, None, target
        )


def test_records_that_do_not_help(server, target):
    server.files["other.zip"] = server.files.pop("datasets.zip")
    with pytest.raises(
        InputError, match=r"lists no file 'datasets.zip', but other.zip: correct the name"
    ):
        fetch(server, target)
    with pytest.raises(InputError, match=r"answered 404 .*: run again with network"):
        archives.fetch_archive("a.zip", {}, f"{server.url}/nowhere", target)
    with pytest.raises(InputError, match="is not a JSON with `files:`"):
        archives.fetch_archive("a.zip", {}, f"{server.url}/files/other.zip", target)
    with pytest.raises(InputError, match="Connection refused"):
        archives.fetch_archive("a.zip", {}, "http://127.0.0.1:9/record", target)


def test_offline_nothing_is_asked_for(server, target):
    with pytest.raises(
        InputError,
        match=r"cannot be fetched \(`offline: true` is set\): .* put the file at .* by hand",
    ):
        fetch(server, target, offline=True)
    assert server.asked == []


# --- unpacking
# ------------------------------------------------------------------------------------------------------


@pytest.fixture
def pack(tmp_path):
    def write(**members):
        with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return tmp_path / "some.zip"

    return write


def unpacked(archive, wanted, tmp_path):
    archives.unpack(archive, wanted, tmp_path / "out" / wanted)
    return (tmp_path / "out" / wanted).read_text()


def test_only_what_is_wanted_is_unpacked(pack, tmp_path):
    archive = pack(**{"datasets/nih14.csv": "n", "datasets/mimic.csv": "m", "../evil.txt": "e"})
    assert unpacked(archive, "datasets/nih14.csv", tmp_path) == "n"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [
        "some.zip",
        "nih14.csv",
    ]
    assert not (tmp_path.parent / "evil.txt").exists()


def test_folders_in_front_may_differ(pack, tmp_path):
    archive = pack(**{"v2/datasets/nih14.csv": "n", "v2/old/nih14.csv": "old", "mimic.csv": "m"})
    assert unpacked(archive, "datasets/nih14.csv", tmp_path) == "n"
    assert unpacked(archive, "datasets/mimic.csv", tmp_path) == "m"
    with pytest.raises(
        InputError, match=r"several files that 'nih14.csv' may mean \(v2/datasets/nih14.csv, v2/old"
    ):
        unpacked(archive, "nih14.csv", tmp_path)


def test_a_missing_member_is_named_with_those_there_are(pack, tmp_path):
    archive = pack(**{"datasets/nih.csv": "n", "readme.txt": "r"})
    with pytest.raises(
        InputError,
        match=r"has no file 'datasets/nih14.csv', but datasets/nih.csv: correct `files:`",
    ):
        unpacked(archive, "datasets/nih14.csv", tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["../datasets/nih14.csv", "/datasets/nih14.csv", "x/../../datasets/nih14.csv"]
)
def test_members_that_leave_the_folder_are_refused(pack, tmp_path, name):
    archive = pack(**{name: "evil"})
    with pytest.raises(InputError, match="a path that leaves its folder"):
        unpacked(archive, "datasets/nih14.csv", tmp_path)
    assert not (tmp_path / "out").exists()


def test_links_and_damage_are_refused(pack, tmp_path):
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("datasets/nih14.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="a link or device"):
        unpacked(tmp_path / "link.zip", "datasets/nih14.csv", tmp_path)
    whole = pack(**{"datasets/nih14.csv": "some content that is stored"}).read_bytes()
    (tmp_path / "bad.zip").write_bytes(whole.replace(b"some content", b"sime content"))
    with pytest.raises(InputError, match="is damaged or of a kind that cannot be read .*CRC"):
        unpacked(tmp_path / "bad.zip", "datasets/nih14.csv", tmp_path)
    (tmp_path / "cut.zip").write_bytes(whole[:40])
    with pytest.raises(InputError, match="is damaged"):
        unpacked(tmp_path / "cut.zip", "datasets/nih14.csv", tmp_path)
    assert not (tmp_path / "out/datasets/nih14.csv").exists()
