"""Who may read what: folders below private/, the user's runtime folder."""

import os
import socket
from pathlib import Path

import pytest

from radcbir.core.errors import InputError
from radcbir.core.machine.privacy import own_folder, private_output, runtime_folder


def mode(path):
    return Path(path).stat().st_mode & 0o777


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    yield tmp_path
    os.umask(before)


def test_what_is_written_below_private_is_the_owners_alone(here):
    Path("private/a").mkdir(parents=True)
    Path("private/a/older.csv").write_text("")
    Path("outside").write_text("")
    Path("private/a/link").symlink_to("../../outside")
    with private_output("private/a/pseudonyms.csv"):
        Path("private/a/pseudonyms.csv").write_text("")
        Path("private/a/images").mkdir()
    assert mode("private") == mode("private/a") == mode("private/a/images") == 0o700
    assert mode("private/a/pseudonyms.csv") == mode("private/a/older.csv") == 0o600
    assert mode("outside") == 0o644  # a link's target is not the workflow's
    Path("after").write_text("")
    assert mode("after") == 0o644


def test_results_are_there_to_be_shared(here):
    with private_output("results/datasets/a/dataset.csv"):
        Path("dataset.csv").write_text("")
    assert mode("dataset.csv") == 0o644


def test_the_runtime_folder_is_the_users_own(tmp_path, monkeypatch):
    own, shared = tmp_path / "own", tmp_path / "shared"
    own.mkdir(mode=0o700)
    shared.mkdir()
    shared.chmod(0o755)
    monkeypatch.setattr("os.getuid", lambda: own.stat().st_uid)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    assert runtime_folder() == own
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache = tmp_path / "cache/radcbir" / socket.gethostname()
    system = Path(f"/run/user/{own.stat().st_uid}")
    assert runtime_folder() == (system if system.is_dir() else cache)
    assert mode(own_folder(cache)) == 0o700
    monkeypatch.setattr("os.getuid", lambda: own.stat().st_uid + 1)
    assert runtime_folder() == cache  # not the folder of another user
    with pytest.raises(InputError, match=r"belongs to another user.: set XDG_RUNTIME_DIR"):
        own_folder(own)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used for locks"):
        own_folder(tmp_path / "file")
