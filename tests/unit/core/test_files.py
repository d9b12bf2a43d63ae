"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from radcbir.core import files


def test_an_error_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.atomic_write(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_what_fails_verification_is_never_renamed(tmp_path):
    def refuse(part):
        raise ValueError(part.read_text())

    with (
        pytest.raises(ValueError, match="bad"),
        files.atomic_write(tmp_path / "a.h5", verify=refuse) as part,
    ):
        part.write_text("bad")
    assert os.listdir(tmp_path) == []


def test_the_temporary_file_keeps_the_suffix_and_folder(tmp_path):
    with files.atomic_write(tmp_path / "deep" / "a.svg") as part:
        assert part.parent == tmp_path / "deep"
        assert part.suffix == ".svg"
        part.write_text("new")
    assert (tmp_path / "deep" / "a.svg").read_text() == "new"


def test_a_folder_is_replaced_whole(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "old.tsv").write_text("")
    with files.atomic_folder(tmp_path / "shards") as part:
        (part / "new.tsv").write_text("")
        assert os.listdir(tmp_path / "shards") == ["old.tsv"]
    assert os.listdir(tmp_path / "shards") == ["new.tsv"]
    assert os.listdir(tmp_path) == ["shards"]


@pytest.mark.parametrize("write", [files.atomic_write, files.atomic_folder])
def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path, write):
    """And nothing else is: not the parts of another target."""
    target = tmp_path / "a.b.h5"
    victim = (
        f"import sys, os, signal; sys.path[:0] = {sys.path!r}; from radcbir.core import files\n"
    )
    victim += f"with files.{write.__name__}({str(target)!r}) as part:\n"
    victim += "    part.touch()\n"
    victim += "    os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([sys.executable, "-c", victim], check=False).returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1
    (tmp_path / ".a.123.part.h5").touch()
    with write(target) as part:
        part.touch()
    assert sorted(os.listdir(tmp_path)) == [".a.123.part.h5", "a.b.h5"]


def test_digests_do_not_depend_on_the_order_of_keys():
    assert files.digest_of({"a": 1, "b": [1, 2]}) == files.digest_of({"b": [1, 2], "a": 1})
    assert files.digest_of({"a": 1}) != files.digest_of({"a": 2})
    # sha256 of the empty string, a published constant
    assert files.digest(b"") == "e3b0c44298fc1c14"


def test_the_lock_ends_with_its_process_however_it_ends(tmp_path):
    lock = tmp_path / "run.lock"
    hold = (
        f"import sys, time; sys.path[:0] = {sys.path!r}; from radcbir.core.files import hold_lock\n"
    )
    hold += f"assert hold_lock({str(lock)!r}); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        assert not files.hold_lock(lock)
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.05)
    assert files.hold_lock(lock)


def settled(path, text, ago=100.0):
    path.write_text(text)
    os.utime(path, (time.time() - ago,) * 2)


def test_a_digest_goes_by_content_and_reads_a_file_once(tmp_path, monkeypatch):
    path, cache = tmp_path / "a.csv", tmp_path / "cache/digests.json"
    read = []
    whole = files.sha256_of_file
    monkeypatch.setattr(files, "sha256_of_file", lambda each: read.append(each) or whole(each))
    monkeypatch.setattr(files, "SETTLED", -1.0)  # nothing has to settle in this test
    settled(path, "one")
    first = files.content_digest(path, cache)
    assert first == hashlib.sha256(b"one").hexdigest() == files.content_digest(path, cache)
    assert len(read) == 1
    # another content of the same size, with an older date: a backup that is restored
    settled(tmp_path / "b.csv", "two", ago=10_000)
    os.replace(tmp_path / "b.csv", path)
    assert files.content_digest(path, cache) == hashlib.sha256(b"two").hexdigest()
    # edited in place, and the old date set again
    before = path.stat()
    path.write_text("six")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files.content_digest(path, cache) == hashlib.sha256(b"six").hexdigest()
    assert len(read) == 3
    cache.write_text("no JSON {")
    assert files.content_digest(path, cache) == hashlib.sha256(b"six").hexdigest()
    cache.write_text("[1]")
    assert files.content_digest(path, cache) == files.content_digest(path)


def test_what_changed_just_now_is_not_kept(tmp_path):
    path, cache = tmp_path / "a.csv", tmp_path / "digests.json"
    path.write_text("one")
    files.content_digest(path, cache)
    assert not cache.exists()
