"""What counts as a change of an image file: another content, and a reason that may have passed."""

import os
from pathlib import Path

import pandas as pd
import pytest

from radcbir.core import layout
from radcbir.core.files import write_text
from radcbir.datasets import changes
from radcbir.datasets.passing import note_passing
from radcbir.datasets.shards import write_shards
from radcbir.images.raster import AGAIN


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run up to the look at each image: the content of each file, and what a look would find."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()

    def run(*names, looked=True):
        files = changes.ImageFiles("data")
        files.state("img")
        found = changes.look("img", names)
        contents = files.contents("img", found)
        files.save()
        table = pd.DataFrame({"id": range(len(names)), "path": names})
        table["bytes"] = [found[name].bytes for name in names]
        table["content"] = [contents[name] for name in names]
        (digest,) = write_shards(table, layout.SHARDS.format(dataset="data"), 64)
        if looked:
            there = [changes.file_digest(f"img/{name}") for name in names]
            place = layout.INSPECTED_SHARD.format(dataset="data", digest=digest)
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame({"id": range(len(names)), "file_digest": there}).to_parquet(place)
        return contents

    return run


def state():
    return changes.ImageFiles("data").state("img")


def test_first_sights_and_new_dates_are_no_change(run):
    write_text("img/a", "one")
    assert run("a") == {"a": ""}
    assert state() == ""
    os.utime("img/a", (1, 1))
    assert state() != ""  # the catalog has to look
    assert run("a") == {"a": ""}  # and finds the same


def test_a_copy_with_the_same_dates_is_no_change_where_its_content_is_known(run):
    for name in ("a", "b"):
        write_text(f"img/{name}", name * 3)
    run("a", "b")
    dates = {name: Path(f"img/{name}").stat() for name in ("a", "b")}
    for name, text in (("a", "aaa"), ("b", "xyz")):
        Path(f"img/{name}").unlink()
        write_text(f"img/{name}", text)
        os.utime(f"img/{name}", ns=(dates[name].st_atime_ns, dates[name].st_mtime_ns))
    assert state() != ""  # b has another content
    write_text("img/b", "bbb")
    os.utime("img/b", ns=(dates["b"].st_atime_ns, dates["b"].st_mtime_ns))
    contents = run("a", "b")
    assert contents == {"a": "", "b": ""}
    before = state()
    Path("img/a").chmod(0o600)
    assert state() == before


def test_another_content_is_a_change_and_the_first_one_again_is_another(run):
    write_text("img/a", "one")
    run("a")
    dates = Path("img/a").stat()
    write_text("img/a", "two")
    os.utime("img/a", ns=(dates.st_atime_ns, dates.st_mtime_ns))
    before = state()
    changed = run("a")
    assert changed == {"a": changes.file_digest("img/a")} != {"a": ""}
    assert state() == before  # the same until there is another change
    os.utime("img/a", (1, 1))
    assert run("a") == changed
    write_text("img/a", "one")
    assert run("a") == {"a": changes.file_digest("img/a")} != changed
    assert state() != before


def test_without_a_look_another_date_is_a_change(run):
    """Nothing says what the content was."""
    write_text("img/a", "one")
    run("a", looked=False)
    os.utime("img/a", (1, 1))
    assert run("a") == {"a": changes.file_digest("img/a")}


def test_what_was_gone_or_not_listed_is_compared_when_it_is_back(run):
    write_text("img/a", "one")
    write_text("img/b", "one")
    run("a", "b")
    Path("img/a").unlink()
    assert run("a", "b", looked=False)["a"] == changes.GONE
    write_text("img/a", "two")
    assert run("a", "b")["a"] == changes.file_digest("img/a")
    run("a")
    write_text("img/b", "two")
    assert run("a", "b")["b"] == changes.file_digest("img/b")


def test_reasons_that_may_pass_are_tried_again_once_a_run(run):
    write_text("img/a", "one")
    run("a")
    rejected = [("a", f"no memory left{AGAIN}"), ("b", "truncated")]
    note_passing("data", "shard", rejected)
    first = state()
    assert first != ""
    digest = changes.file_digest("img/a")
    assert run("a") == {"a": digest}
    assert state() == first  # nothing is noted any more
    note_passing("data", "shard", rejected)
    assert state() != first
    assert run("a") == {"a": f"{digest}.2"}
    note_passing("data", "shard", [])
    assert run("a") == {"a": f"{digest}.2"}


def test_a_damaged_memory_is_as_good_as_none(run):
    write_text("img/a", "one")
    run("a")
    write_text(layout.SEEN_IMAGES.format(dataset="data"), "a\tnonsense\n")
    assert run("a") == {"a": ""}
    write_text("img/a", "two")
    changed = run("a")
    write_text(layout.SEEN_IMAGES.format(dataset="data"), "a\tnonsense\n")
    assert run("a") == changed != {"a": ""}  # the image lists know it
