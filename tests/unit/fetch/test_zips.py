"""ZIP archives that are damaged, encrypted, or unfold to more than they may."""

import shutil
import zipfile

import pytest
from mutants import outcomes, written

from radcbir.core.errors import InputError
from radcbir.fetch import archives, weights, zips

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
CONTENT = "filepath,split\n" + "".join(f"{number}.png,train\n" for number in range(300))


@pytest.fixture
def pack(tmp_path):
    def pack(content=CONTENT, method=zipfile.ZIP_DEFLATED, name="a.csv"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
            archive.writestr(name, content)
        return tmp_path / "a.zip"

    return pack


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_unpacked(pack, tmp_path, method):
    archives.unpack(pack(method=method), "a.csv", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == CONTENT


def test_a_member_is_no_larger_than_it_may_be(pack, tmp_path, monkeypatch):
    bomb = pack(b"\0" * 20_000_000)
    archives.unpack(bomb, "a.csv", tmp_path / "small.csv")  # less than a gigabyte is never too much
    monkeypatch.setattr(zips, "LEAST_BOUND", 1 << 20)
    with pytest.raises(
        InputError,
        match=r"'a.csv', which unpacks from 19,\d+ to 20,000,000 bytes, more than the [34],\d+,\d+ "
        "that are allowed: .* `unpacked:`",
    ):
        archives.unpack(bomb, "a.csv", tmp_path / "a.csv")
    archives.unpack(bomb, "a.csv", tmp_path / "a.csv", largest=20_000_000)
    with pytest.raises(InputError, match="more than the 19,999,999 that are allowed"):
        archives.unpack(bomb, "a.csv", tmp_path / "b.csv", largest=19_999_999)
    assert not (tmp_path / "b.csv").exists()
    shutil.copy(bomb, tmp_path / "w.zip")
    with pytest.raises(InputError, match="more than the"):
        weights.fetch(
            {"url": (tmp_path / "w.zip").as_uri(), "member": "a.csv"}, tmp_path / "w/model/w.bin"
        )
    assert [path.name for path in (tmp_path / "w/model").iterdir()] == []


def test_what_a_disk_has_no_room_for_is_not_begun(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(InputError, match="GB left, and"):
        archives.unpack(pack(), "a.csv", tmp_path / "a.csv")


def test_an_encrypted_member_is_refused(pack, tmp_path):
    content = bytearray(pack().read_bytes())
    for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags in both headers
        content[content.index(start) + place] |= 1
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(InputError, match="b.zip has 'a.csv' encrypted: unpack it by hand"):
        archives.unpack(tmp_path / "b.zip", "a.csv", tmp_path / "a.csv")


READ = """
from pathlib import Path
from radcbir.fetch.archives import unpack

folder = FOLDER

def read(path):
    unpack(path, "a.csv", Path(folder, "a.csv"))
"""


def test_damaged_archives_are_unpacked_or_refused_in_one_sentence(pack, tmp_path):
    setup = f"FOLDER = {str(tmp_path)!r}\n{READ}"
    files = [
        path
        for method in METHODS
        for path in written(tmp_path / f"mutants{method}", pack(method=method), 120)
    ]
    found = outcomes(setup, files)
    assert set(found) == {"read", "refused"}
    assert found["refused"] > 240
