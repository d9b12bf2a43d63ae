"""Images of the user's own that ask: what `query:` names, what it may say, and what stands in
table, ledger and page."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from radcbir.core.errors import InputError
from radcbir.images.intensity import INTENSITY
from radcbir.images.thumbnails import Thumbnails
from radcbir.project.configuration import Project
from radcbir.project.targets import query as query_files
from radcbir.query import image_list, results
from radcbir.query import results as query_results
from radcbir.query.image_list import (
    Query,
    find_queries,
    listing_digest,
    read_queries,
    write_queries,
)
from radcbir.query.results import check_readable, page_queries, query_ledger, result_table
from radcbir.report.render import render

TEMPLATE = "query/query.html.j2"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with two images below `ask`, among hidden files."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "sub/a.png", ".hidden.png", ".git/c.png"):
        path = tmp_path / "ask" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), len(name), np.uint8)).save(path)
    return tmp_path


def names(found):
    return [each.name for each in found]


def test_a_folder_an_image_and_a_frame_of_one_are_found_once_each(folder):
    found = find_queries(["ask/sub/a.png", "ask", "ask/b.png#frame=0"])
    assert names(found) == ["ask/sub/a.png", "ask/b.png", "ask/b.png#frame=0"]
    assert found[1].path == str(folder / "ask/b.png")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "b.png\n\n# a comment\nsub/a.png\nnot-there.png\n"),
        ("list.csv", "\ufefflabel, filepath\nx,b.png\ny,sub/a.png\nz,not-there.png\n"),
        ("list.TSV", "path\tlabel\nb.png\tx\nsub/a.png\ty\nnot-there.png\tz\n"),
    ],
)
def test_paths_of_a_list_are_relative_to_it(folder, name, text):
    (folder / "ask" / name).write_text(text)
    assert names(find_queries([f"ask/{name}"])) == [
        "ask/b.png",
        "ask/sub/a.png",
        "ask/not-there.png",
    ]


def test_paths_of_a_list_may_be_relative_to_the_working_directory_or_absolute(folder):
    (folder / "lists").mkdir()
    (folder / "lists/l.txt").write_text(f"ask/b.png\n{folder}/ask/sub/a.png\n")
    assert [each.path for each in find_queries(["lists/l.txt"])] == [
        f"{folder}/ask/b.png",
        f"{folder}/ask/sub/a.png",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing.png", "names nothing.png, which does not exist"),
        ("empty", "names empty, which holds no image"),
        ("other.csv", r"has no column 'filepath' \(it has a, b\)"),
        ("binary.txt", "cannot be read as UTF-16-LE text"),
    ],
)
def test_what_stands_for_nothing_is_an_error(folder, given, message):
    (folder / "empty").mkdir()
    (folder / "other.csv").write_text("a,b\n1,2\n")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=message):
        find_queries([given])


def test_the_listing_tells_replaced_added_and_removed_images(folder):
    first = listing_digest(find_queries(["ask"]))
    assert listing_digest(find_queries(["ask"])) == first
    os.utime(folder / "ask/b.png", ns=(1, 1))
    second = listing_digest(find_queries(["ask"]))
    (folder / "ask/sub/a.png").unlink()
    assert len({first, second, listing_digest(find_queries(["ask"]))}) == 3


def test_odd_names_come_back_from_the_list(tmp_path):
    queries = [Query('a\t"b"\nc.png', '/x/a\t"b"\nc.png'), Query("ü {x}.png", "/ü {x}.png")]
    write_queries(tmp_path / "images.tsv", queries)
    assert read_queries(tmp_path / "images.tsv") == [
        each._replace(path=each.path[1:]) for each in queries
    ]


def test_one_readable_image_is_enough(folder):
    (folder / "bad.png").write_text("no")
    good, bad = Query("good", str(folder / "ask/b.png")), Query("bad", str(folder / "bad.png"))
    check_readable([bad, good], INTENSITY)
    with pytest.raises(
        InputError,
        match=r"none of the 2 query images can be read: bad \(not an image\); gone \(missing\)",
    ):
        check_readable([bad, Query("gone", str(folder / "gone.png"))], INTENSITY)


QUERIES = [Query("<q0>.png", "q0.png"), Query("q1.png", "q1.png"), Query("q2.png", "q2.png")]
CATALOG = pd.DataFrame(
    {
        "id": [7, 8, 9],
        "dataset": ["d", "d", "e"],
        "path": ["p7.png", "<p8>.png", "p9.png"],
        "labels": [["XR/chest/a"], ["XR/chest/a", "XR/chest/b"], []],
        "patient_id": ["d:1", None, "e:1"],
    }
)


def found(rows):
    return pd.DataFrame(rows, columns=["query", "rank", "neighbor", "score"])


def test_the_table_has_a_row_per_query_model_and_neighbor():
    tables = {
        "zeta": found([(0, 1, 8, 0.5), (0, 2, 7, 0.25), (2, 1, 9, 1.0)]),
        "alpha": found([(0, 1, 9, -0.5)]),
    }
    table = result_table(QUERIES, tables, CATALOG)
    assert table.astype(object).fillna("").values.tolist() == [
        ["<q0>.png", "zeta", 1, "<p8>.png", 0.5, "XR/chest/a | XR/chest/b", "d", "", 8, "", ""],
        ["<q0>.png", "zeta", 2, "p7.png", 0.25, "XR/chest/a", "d", "d:1", 7, "", ""],
        ["<q0>.png", "alpha", 1, "p9.png", -0.5, "", "e", "e:1", 9, "", ""],
        ["q2.png", "zeta", 1, "p9.png", 1.0, "", "e", "e:1", 9, "", ""],
    ]


def test_hits_have_a_chance_and_queries_are_told_that_are_unlike():
    """Two hits with one label are looked at: the first one by the score 0.5, then 0.3. A query
    that is unlike the benchmark has no chances."""
    fit = {
        "depth": 2, "priors": {"XR/chest/a": 0.5, "XR/chest/c": 0.5}, "unlike": {"best": 0.45, "mean": 0.4},
        "chance": {"thresholds": [0.0, 1.0], "values": [0.1, 0.9]},
    }  # fmt: skip
    catalog = pd.concat([CATALOG, CATALOG.tail(1).assign(id=10, path="p10.png")])
    catalog["labels"] = [["XR/chest/a"], ["XR/chest/a", "XR/chest/b"], [], ["XR/chest/c"]]
    tables = {
        "m": found(
            [(0, 1, 8, 0.9), (0, 2, 7, 0.5), (0, 3, 10, 0.3), (1, 1, 7, 0.44), (1, 2, 10, 0.43)]
        ),
        "n": found([(0, 1, 7, 0.5), (0, 2, 10, 0.5)]),
    }
    table = result_table(QUERIES, tables, catalog, {"m": fit})
    assert table["chance"].fillna(-1).tolist() == pytest.approx([-1, 0.5, 0.34, -1, -1, -1, -1])
    assert table["unlike"].astype(object).fillna("").tolist() == ["no"] * 3 + ["", ""] + ["yes"] * 2
    shown = page_queries(
        QUERIES, table, {"m": "M", "n": "N"}, Thumbnails({"d": None, "e": None, "": None}, 32)
    )
    (asked, other) = (each["rows"] for each in shown)
    assert [hit["chance"] for hit in asked[0]["neighbors"]] == [
        "",
        "about 5 of 10",
        "about 3 of 10",
    ]
    assert [each["unlike"] for each in (*asked, *other)] == [False, False, True, False]


def test_what_every_model_rejects_alike_is_one_row_of_the_ledger():
    rejected = {
        "m": [(0, "q0.png", "missing"), (1, "q1.png", "zero vector")],
        "n": [(0, "q0.png", "missing")],
    }
    assert query_ledger(QUERIES, rejected).values.tolist() == [
        ["<q0>.png", "query", "", "missing"],
        ["q1.png", "query", "m", "zero vector"],
    ]
    assert query_ledger(QUERIES, {"m": []}).empty
    # A fusion of m and n says which of its members rejects the image.
    of_fusion = {"both": [(0, "q0.png", "m: missing"), (1, "q1.png", "m: zero vector")]}
    assert query_ledger(QUERIES, rejected | of_fusion).values.tolist() == [
        ["<q0>.png", "query", "", "missing"],
        ["q1.png", "query", "m", "zero vector"],
        ["q1.png", "query", "both", "m: zero vector"],
    ]


def test_the_page_shows_queries_neighbors_and_what_was_not_asked_escaped(tmp_path, monkeypatch):
    for name in ("q0.png", "q2.png", "p7.png", "p9.png"):
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / name)
    tables = {
        "m": found([(0, 1, 7, 0.5), (0, 2, 8, 0.25), (2, 1, 9, 1.0)]),
        "n": found([(0, 1, 9, 0.125)]),
    }
    table = result_table(QUERIES, tables, CATALOG)
    thumbnails = Thumbnails(dict.fromkeys(["d", "e", query_results.QUERIES], str(tmp_path)), 32)
    shown = page_queries(QUERIES, table, {"m": "Model <m>", "n": "N"}, thumbnails)
    assert [each["name"] for each in shown] == ["<q0>.png", "q2.png"]
    assert [row["commonest"] for row in shown[0]["rows"]] == [("XR/chest/a", 1), None]
    assert shown[1]["rows"][1]["neighbors"] == []
    ledger = query_ledger(
        QUERIES, {"m": [(1, "q1.png", "<broken>")], "n": [(1, "q1.png", "<broken>")]}
    )
    render(
        TEMPLATE, tmp_path / "page.html", title="Query", pixels=32, experiment="e", listed=3, answered=2, queries=shown,
        rejected=ledger.to_dict("records"), index_note="", score_notes={"n": "mean z-scores"}, names={"m": "Model <m>", "n": "N"},
        thumbnails=thumbnails.data(), rated=False, one="image", several="images",
    )  # fmt: skip
    page = (tmp_path / "page.html").read_text()
    assert (
        "2 of 3 query images searched" in page
        and "Similarity, not a diagnosis" in page
        and "of N mean z-scores" in page
    )
    for escaped in ("&lt;q0&gt;.png", "&lt;p8&gt;.png", "&lt;broken&gt;", "Model &lt;m&gt;"):
        assert escaped in page and escaped.replace("&lt;", "<").replace("&gt;", ">") not in page
    assert page.count("data:image/jpeg;base64,") == 4, "p8 is not at hand"
    assert "http" not in page
    monkeypatch.setattr(results, "SHOWN", 1)
    assert len(page_queries(QUERIES, table, {"m": "M"}, thumbnails)) == 1


CONTROL = {
    "name": "control",
    "loader": "control",
    "architecture": "thumbnail",
    "dimension": 256,
    "licence": "none",
}
CARDS = {
    "one": CONTROL,
    "two": CONTROL,
    "both": {"name": "both", "loader": "fusion", "fusion": {"of": ["one", "two"], "by": "score"}, "licence": "none"},
    "given": {"name": "given", "loader": "precomputed", "path": "{dataset}.h5", "architecture": "x", "dimension": 4, "licence": "none"},
    "mixed": {"name": "mixed", "loader": "fusion", "fusion": {"of": ["one", "given"], "by": "concatenation"}, "licence": "none"},
}  # fmt: skip


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A function that checks a configuration with a given `query:`."""
    monkeypatch.chdir(tmp_path)
    for dataset in ("chest", "head"):
        Path(f"{dataset}.csv").write_text("filepath,split,label\n")
    Path("cards").mkdir()
    for slug, card in CARDS.items():
        Path(f"cards/{slug}.yaml").write_text(yaml.safe_dump(card))

    def check(query, intensity=None):
        experiment = {
            "datasets": ["chest", "head"],
            "index_split": "train",
            "query_splits": ["test"],
        }
        config = {
            "datasets": {
                "chest": {"csv": "chest.csv", "images": "."},
                "head": {"csv": "head.csv", "images": "."}
                | ({"intensity": intensity} if intensity else {}),
            },
            "models": list(CARDS),
            "experiments": {
                "all": experiment,
                "lists": experiment | {"models": ["given"]},
                "few": experiment | {"models": ["two"]},
            },
        }
        return Project(config | query, ["cards"])

    return check


def test_a_query_is_completed_from_its_experiment(configured):
    found = configured(
        {"query": {"images": "dir/Scan 01.nii.gz#axial=3", "experiment": "all", "k": "5"}}
    ).query
    assert (found["images"], found["k"], found["name"]) == (
        ["dir/Scan 01.nii.gz#axial=3"],
        5,
        "scan-01",
    )
    assert found["models"] == ["one", "two", "both"], "those that can embed a new image"
    assert found["intensity"]["policy"] == "window"
    assert configured({}).query is None


def test_an_image_alone_asks_the_only_experiment(configured):
    with pytest.raises(
        InputError, match="`query: experiment` is missing: name one of all, lists, few"
    ):
        configured({"query": "a.png"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"experiment": "al"}, "names 'al', which `experiments` does not list: did you mean 'all'"),
        ({"experiment": "few", "models": ["one"]}, "names 'one', which the experiment 'few' does not list"),
        ({"experiment": "all", "models": "given"}, r"'given', whose embeddings are precomputed, .*: name others \(one, two, both\)"),
        ({"experiment": "all", "models": ["mixed"]}, "'mixed', whose embeddings are precomputed"),
        ({"experiment": "lists"}, "'lists', whose models are all precomputed"),
        ({"experiment": "all", "k": "0"}, "`query: k` is less than 1"),
        ({"experiment": "all", "k": "many"}, "`query: k` is 'many', but has to be a whole number"),
        ({"experiment": "all", "name": "../x"}, "`query: name` is '../x'"),
        ({"experiment": "all", "model": "one"}, "unknown key `model` under `query:`: did you mean `models`"),
        ({"experiment": "all", "intensity_of": "knee"}, "names 'knee', which the experiment 'all' does not list"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_asked_is_refused(configured, query, message):
    with pytest.raises(InputError, match=message):
        configured({"query": {"images": "a.png"} | query})


def test_the_intensity_of_the_query_is_that_of_the_dataset_named(configured):
    query = {"images": "a.png", "experiment": "all"}
    with pytest.raises(InputError, match="`query: intensity_of` is missing"):
        configured({"query": query}, {"policy": "minmax"})
    found = configured({"query": query | {"intensity_of": "head"}}, {"policy": "minmax"}).query
    assert found["intensity"]["policy"] == "minmax"


def test_the_target_without_a_query_says_how_to_name_one(configured):
    with pytest.raises(InputError, match="--config query=image.png"):
        query_files(configured({}))
    files = query_files(
        configured({"query": {"images": ["x/A.png", "b.png"], "experiment": "all"}})
    )
    assert files[0] == "results/queries/a/neighbors.csv"
    assert image_list.PATH_COLUMNS[0] == "filepath", "as in the dataset's CSV"
