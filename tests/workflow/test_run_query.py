"""The target `query` through Snakemake: the index is used as it is, and answers as it answers the
experiment's queries."""

import shutil

import numpy as np
import pandas as pd
import pydicom.data
import yaml
from conftest import Project, rows
from PIL import Image

OURS = {"query_list", "embed_query", "fuse_query", "query_neighbors", "query_results", "query"}


def ask(project: Project) -> list[str]:
    """A folder: two images of the test split under other names and formats, a DICOM of 16 bit, two
    that are no images."""
    tested = [row["filepath"] for row in rows(48) if row["split"] == "test"][:2]
    (project / "ask/sub").mkdir(parents=True)
    shutil.copy(project / "data/images" / tested[0], project / "ask/one <b>.png")
    Image.open(project / "data/images" / tested[1]).save(project / "ask/sub/two.tiff")
    shutil.copy(
        pydicom.data.get_testdata_file("CT_small.dcm", download=False), project / "ask/slice.dcm"
    )
    (project / "ask/cut.png").write_bytes((project / "ask/one <b>.png").read_bytes()[:200])
    (project / "ask/notes").write_text("no image")
    return tested


def test_a_folder_asks_an_index_that_exists(project):
    tested = ask(project)
    jobs = project.run("query", "--config", "query={images: ask, k: 4, name: first}")
    assert jobs == {
        "query_list": 1,
        "embed_query": 2,
        "query_neighbors": 2,
        "query_results": 1,
        "query": 1,
    }

    table = pd.read_csv(project / "results/queries/first/neighbors.csv")
    assert table.groupby(["query", "model"])["rank"].apply(list).tolist() == [[1, 2, 3, 4]] * 6
    catalog = pd.read_parquet(project / "results/experiments/findings/catalog.parquet")
    ids = catalog.set_index("path")["id"]
    for model in ("thumbnail", "histogram"):
        known = pd.read_parquet(project / f"results/experiments/findings/{model}/knn/test.parquet")
        for query, path in zip(("ask/one <b>.png", "ask/sub/two.tiff"), tested, strict=True):
            expected = known[(known["query"] == ids[path]) & (known["rank"] <= 4)]
            found = table[(table["query"] == query) & (table["model"] == model)]
            assert found["neighbor_id"].tolist() == expected["neighbor"].tolist()
            assert np.allclose(found["score"], expected["score"], rtol=0, atol=1e-6)
    labels = catalog.set_index("id")["label"]
    assert (table["labels"] == labels.loc[table["neighbor_id"]].to_numpy()).all()
    assert set(table["dataset"]) == {"chest"}

    ledger = pd.read_csv(project / "results/queries/first/ledger.csv", keep_default_na=False)
    assert ledger.values.tolist() == [
        ["ask/cut.png", "query", "", "truncated"],
        ["ask/notes", "query", "", "not an image"],
    ]
    page = (project / "results/queries/first/gallery.html").read_text()
    assert (
        "ask/one &lt;b&gt;.png" in page
        and "3 of 5 query images searched" in page
        and "http" not in page
    )

    # nothing is done twice; the query is no part of the other results
    assert "Nothing to be done" in project.snakemake(
        "all", "query", "--config", "query={images: ask, k: 4, name: first}"
    )


def test_only_what_changed_is_asked_again(project):
    ask(project)
    card = yaml.safe_load((project / "config/models/lite0-mobilenetv2.yaml").read_text())
    card["fusion"]["of"] = ["thumbnail", "histogram"]
    (project / "config/models/both.yaml").write_text(yaml.safe_dump(card))
    query = {"images": ["ask"], "models": ["thumbnail"], "name": "mine"}
    settings = {"models": ["thumbnail", "histogram", "both"]}
    project.configure(query=query, **settings)
    assert project.run("query") == {
        "query_list": 1,
        "embed_query": 1,
        "query_neighbors": 1,
        "query_results": 1,
        "query": 1,
    }

    # a fusion: its other member is embedded, the index that is missing is built, and nothing of the
    # first model is done again
    project.configure(query=query | {"models": ["thumbnail", "both"]}, **settings)
    jobs = project.run("query")
    assert jobs == {
        "fuse": 1,
        "index": 1,
        "embed_query": 1,
        "fuse_query": 1,
        "query_neighbors": 1,
        "query_results": 1,
        "query": 1,
    }
    table = pd.read_csv(project / "results/queries/mine/neighbors.csv").set_index(
        ["model", "query", "rank"]
    )["score"]
    assert table.loc["both"].min() >= -1 and table.loc["both"].max() <= 1

    # an image that was replaced, and one more
    shutil.copy(project / "ask/one <b>.png", project / "ask/cut.png")
    jobs = project.run("query")
    assert set(jobs) == OURS and jobs["embed_query"] == 2
    path = project / "results/queries/mine/neighbors.csv"
    table = pd.read_csv(path, keep_default_na=False)
    same = [group.drop(columns="query").to_numpy().tolist() for name, group in table.groupby("query") if name in ("ask/cut.png", "ask/one <b>.png")]  # fmt: skip
    assert same[0] == same[1]


def test_queries_that_cannot_be_asked_are_one_sentence(project):
    (project / "bad.png").write_text("no image")
    output = project.snakemake("query", "--config", "query=bad.png", fails=True)
    assert "Error: the query image cannot be read: bad.png (not an image); mend the files" in output
    assert not (project / "results/queries").exists() or not list(
        (project / "results/queries").rglob("*.csv")
    )
    assert "names gone.png, which does not exist" in project.snakemake(
        "-n", "query", "--config", "query=gone.png", fails=True
    )
    assert "--config query=image.png" in project.snakemake("-n", "query", fails=True)
