"""From a record of published archives to the paper's table: through Snakemake, without an image and
without a GPU."""

import csv
import os
import shutil
import threading
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY, Project
from published import GROUP, MODEL, Published
from record import Record

CONFIG = "config/paper-biomedclip.yaml"
EXPERIMENT = "results/experiments/radiology"
COMPARISON = f"{EXPERIMENT}/comparison"
DATASETS = ("nih14", "mimic", "radimagenet", "chexpert")
LISTS = "biomedclip-published"
TARGETS = [
    f"{COMPARISON}/models.html",
    "results/experiments/radiology/gallery/test.html",
    "results/datasets/nih14/ledger.html",
    f"{EXPERIMENT}/paper_mode/paper_mode.html",
    f"{EXPERIMENT}/knn_classification/knn_classification.html",
    "reference_exports",
]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Published(tmp_path_factory.mktemp("published"), k=20, lone=False).write()


@pytest.fixture(scope="module")
def server(published, tmp_path_factory):
    with Record() as running:
        for name, path in published.archive(tmp_path_factory.mktemp("archives")).items():
            running.files[name] = path.read_bytes()
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def evaluated(server, tmp_path_factory):
    """A project that ran the shipped configuration against a record on this machine; only k and the
    address differ."""
    project = Project(tmp_path_factory.mktemp("evaluated"))
    for name in ("workflow", "config", "envs"):
        shutil.copytree(
            REPOSITORY / name, project / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    configuration = yaml.safe_load((project / CONFIG).read_text())
    configuration["resources"]["reference"]["record"] = f"{server.url}/record"
    configuration["experiments"]["radiology"]["k"] = 20
    (project / CONFIG).write_text(yaml.safe_dump(configuration, sort_keys=False))
    server.cuts = [2_000]
    project.first_run = project.run(*TARGETS, "--configfile", CONFIG)
    return project


@pytest.fixture
def copy(evaluated, tmp_path):
    """The evaluated project for a test to change, dates included."""
    project = Project(tmp_path / "project")
    shutil.copytree(evaluated.folder, project.folder, symlinks=True)
    for folder, _, _ in os.walk(evaluated.folder):
        shutil.copystat(folder, project.folder / Path(folder).relative_to(evaluated.folder))
    return project


def test_one_command_from_the_record_to_the_table(evaluated, published, server):
    jobs = evaluated.first_run
    assert (
        jobs["fetch_archive"],
        jobs["unpack"],
        jobs["take_embeddings"],
        jobs["take_neighbors"],
    ) == (2, 6, 4, 2)
    assert not {"embed", "gather", "index", "knn"} & set(jobs)
    assert "bytes=2000-" in [asked for _, asked in server.asked], (
        "the cut connection was taken up again"
    )
    assert sorted(path.name for path in (evaluated / "resources/reference").iterdir()) == [
        "archives", "datasets", "experiments",
    ]  # fmt: skip
    table = pd.read_csv(evaluated / COMPARISON / "precision.csv")
    table = table[(table["query_split"] == "test") & (table["definition"] == "capped")]
    for average in ("micro", "macro"):
        values = table[table["average"] == average].sort_values("k")["value"].to_numpy()
        expected = [row[f"{average}_precision_mean"] for row in published.precision(last=20)]
        np.testing.assert_allclose(values, expected, atol=1e-12, rtol=0)
        assert len(set(values)) > 5


def test_exports_are_the_published_files(evaluated, published):
    """What the reference's scripts wrote from the same embeddings, column by column."""
    theirs = published.folder / f"experiments/{GROUP}/{MODEL}"
    ours = evaluated / f"results/experiments/radiology/{LISTS}/reference"
    assert (ours / "knn.csv").read_text() == (theirs / "knn.csv").read_text().replace("\r\n", "\n")
    for name in ("retrieval.csv", "knn_validation_val.csv", "knn_classification.csv"):
        expected, found = pd.read_csv(theirs / name), pd.read_csv(ours / name)
        assert list(found.columns) == list(expected.columns), name
        np.testing.assert_allclose(
            found.to_numpy(), expected.to_numpy(), atol=1e-12, rtol=0, err_msg=name
        )


def test_paper_mode_stands_beside_the_corrected_figures(evaluated, published):
    table = pd.read_csv(evaluated / EXPERIMENT / "paper_mode/paper_mode.csv").set_index("metric")
    assert table.loc["micro_precision_at_10", "paper"] == pytest.approx(
        published.precision()[9]["micro_precision_mean"]
    )
    k, figures = published.classification()
    assert table.loc["knn_k", "paper"] == k
    assert table.loc["knn_macro_recall", "paper"] == pytest.approx(figures["macro_recall"])
    precision = pd.read_csv(evaluated / COMPARISON / "precision.csv").set_index(
        ["query_split", "definition", "average", "k"]
    )
    for average in ("micro", "macro"):
        corrected = precision.loc[("test", "plain", average, 10), "value"]
        assert table.loc[f"{average}_precision_at_10", "corrected"] == pytest.approx(
            corrected, abs=1e-12
        )
        assert table.loc[f"{average}_precision_at_10", "cut_list"] > 0
    knn = pd.read_csv(evaluated / EXPERIMENT / "knn_classification/knn_classification.csv")
    assert set(knn["votes"]) == {"equal"}, "lists without scores have no weighted votes"
    knn = knn[knn["query_split"] == "test"].set_index(["metric", "average"])
    assert set(knn["k"]) == {table.loc["knn_k", "corrected"]}
    for metric, average in (("roc_auc", "micro"), ("f1", "macro"), ("recall", "macro")):
        corrected = table.loc[f"knn_{average}_{metric}", "corrected"]
        assert knn.loc[(metric, average), "value"] == pytest.approx(corrected, abs=1e-12)
    page = (evaluated / EXPERIMENT / "paper_mode/paper_mode.html").read_text()
    assert "<code>k_off_by_one</code> \N{MINUS SIGN}1" in page and "label_leak" in page


def test_pages_do_without_images_and_scores(evaluated):
    gallery = (evaluated / "results/experiments/radiology/gallery/test.html").read_text()
    assert " blank" in gallery and "data:image" not in gallery and "nan" not in gallery
    with open(evaluated / "results/datasets/nih14/coverage.csv", newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert row["listed"] == row["embedded"]
    assert "BiomedCLIP ViT-B/16 (published)" in (evaluated / COMPARISON / "models.html").read_text()


def test_a_finished_run_has_nothing_to_do(evaluated):
    assert "Nothing to be done" in evaluated.snakemake(*TARGETS, "--configfile", CONFIG)


def test_published_embeddings_give_what_published_lists_give(copy, published):
    """Searched here, from the HDF5 files with one dataset per image, one of them under another name
    than the dataset, and one with each vector as the row of a matrix."""
    project = copy
    shutil.copytree(published.folder / "embeddings", project / "resources/reference/embeddings")
    with h5py.File(project / f"resources/reference/embeddings/{MODEL}/mimic.h5", "r+") as file:
        for path in [path for path in published.vectors if path in file]:
            vector = file[path][:]
            del file[path]
            file[path] = vector[None]
        assert file[path].shape == (1, 16)
    card = yaml.safe_load((project / "config/models/biomedclip-published.yaml").read_text())
    del card["metadata"]
    card |= {
        "path": f"resources/reference/embeddings/{MODEL}/{{dataset}}.h5",
        "files": {"radimagenet": "radiology_ai", "chexpert": "CheXpert"},
        "dimension": 16,
    }
    (project / "config/models/from-vectors.yaml").write_text(yaml.safe_dump(card))
    configuration = yaml.safe_load((project / CONFIG).read_text())
    (project / CONFIG).write_text(
        yaml.safe_dump(configuration | {"models": ["from-vectors", LISTS]})
    )
    tables = [
        f"results/experiments/radiology/{model}/metrics/precision.csv"
        for model in ("from-vectors", LISTS)
    ]
    jobs = project.run(tables[0], "--configfile", CONFIG)
    assert (jobs["take_embeddings"], jobs["index"], jobs["knn"], jobs["take_neighbors"]) == (
        4,
        1,
        2,
        0,
    )
    assert (project / tables[0]).read_text() == (project / tables[1]).read_text()

    # A file of embeddings that changed is taken again; a label that is edited takes nothing.
    project.edit(
        "resources/reference/datasets/nih14.csv",
        ",train,XR,chest,1.0,0.0,0.0",
        ",train,XR,chest,0.0,1.0,0.0",
    )
    with open(project / f"resources/reference/embeddings/{MODEL}/mimic.h5", "ab") as file:
        file.write(b"\0")
    jobs = project.run(
        *(f"results/embeddings/from-vectors/{name}.h5" for name in DATASETS), "--configfile", CONFIG
    )
    assert (jobs["catalog"], jobs["shards"], jobs["take_embeddings"]) == (1, 1, 1)
