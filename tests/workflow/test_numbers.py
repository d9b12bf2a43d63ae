"""The figures of a finished run against a second way to get them, from the image files on."""

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from conftest import PATTERNS, rows
from PIL import Image

import radcbir

COMPARISON = "results/experiments/findings/comparison"


def thumbnail_correlation(one, other):
    blocks = [image.reshape(16, 3, 16, 3).mean(axis=(1, 3)).ravel() for image in (one, other)]
    return np.corrcoef(*blocks)[0, 1]


def histogram_overlap(one, other):
    shares = [
        np.histogram(image, bins=64, range=(0, 256))[0] / image.size for image in (one, other)
    ]
    return np.sqrt(shares[0] * shares[1]).sum()


SIMILARITY = {"thumbnail": thumbnail_correlation, "histogram": histogram_overlap}


@pytest.fixture(scope="module", params=SIMILARITY)
def neighbors(finished, request):
    """The model, and per query split the labels of its queries and of all index images for each,
    best first."""
    listed = rows(48)
    pixels = {
        row["filepath"]: np.asarray(Image.open(finished / "data/images" / row["filepath"]), float)
        for row in listed
    }
    index = [row for row in listed if row["split"] == "train"]
    found = {}
    for split in ("val", "test"):
        queries = [row for row in listed if row["split"] == split]
        ranked = []
        for query in queries:
            scores = [
                SIMILARITY[request.param](pixels[query["filepath"]], pixels[each["filepath"]])
                for each in index
            ]
            ranked.append([index[place]["label"] for place in np.argsort(scores)[::-1]])
        found[split] = [row["label"] for row in queries], ranked
    return request.param, found


def by_hand(labels, ranked, k, capped, macro):
    """P@k of one split, the slow way."""
    values = {label: [] for label in PATTERNS}
    for label, others in zip(labels, ranked, strict=True):
        length = min(k, others.count(label)) if capped else k
        values[label].append(sum(other == label for other in others[:length]) / length)
    if macro:
        return np.mean([np.mean(each) for each in values.values() if each])
    return np.mean([value for each in values.values() for value in each])


def test_precision_equals_a_count_by_hand(finished, neighbors):
    model, found = neighbors
    table = pd.read_csv(finished / COMPARISON / "precision.csv")
    assert table["value"].nunique() > 10, "figures that are all alike would prove nothing"
    table = table[(table["model"] == model) & (table["neighbors"] == "all")]
    assert len(table) == 2 * 2 * 2 * 5  # splits, definitions, averages, k
    for row in table.itertuples():
        expected = by_hand(
            *found[row.query_split], row.k, row.definition == "capped", row.average == "macro"
        )
        assert row.value == pytest.approx(expected, abs=1e-12), row
        assert row.queries == 12, row


def test_other_metrics_equal_a_count_by_hand(finished, neighbors):
    model, found = neighbors
    table = pd.read_csv(finished / COMPARISON / "summary.csv")
    table = table[
        (table["model"] == model) & (table["neighbors"] == "all") & (table["average"] == "micro")
    ]
    for split, (labels, ranked) in found.items():
        values = table[table["query_split"] == split].set_index("metric")["value"]
        hits = [
            np.array([other == label for other in others])
            for label, others in zip(labels, ranked, strict=True)
        ]
        reciprocal = [1 / (1 + each[:5].argmax()) if each[:5].any() else 0 for each in hits]
        assert values["mean_reciprocal_rank"] == pytest.approx(np.mean(reciprocal), abs=1e-12)
        discounts = 1 / np.log2(np.arange(2, 7))
        gains = [
            (each[:5] * discounts).sum() / discounts[: min(5, each.sum())].sum() for each in hits
        ]
        assert values["ndcg"] == pytest.approx(np.mean(gains), abs=1e-12)


def test_the_workflow_tells_signal_from_none(finished):
    """Shapes are found by their thumbnails and hardly by their histograms: the controls control
    something."""
    table = pd.read_csv(finished / COMPARISON / "summary.csv")
    kept = (
        (table["metric"] == "precision_at_1")
        & (table["average"] == "micro")
        & (table["neighbors"] == "all")
    )
    values = table[kept].groupby("model")["value"].mean()
    assert values["thumbnail"] > 0.9
    assert values["histogram"] < values["thumbnail"]


def test_embedding_files_say_what_made_them(finished):
    with open(finished / "results/provenance/provenance.csv", newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [(row["model"], row["images"]) for row in table] == [
        ("thumbnail", "48"),
        ("histogram", "48"),
    ]
    assert all(
        f"numpy {np.__version__}" in row["libraries"] and row["card_digest"] for row in table
    )


def test_zarr_on_request(project):
    project.run("results/embeddings/thumbnail/chest.zarr")
    group = zarr.open_group(project / "results/embeddings/thumbnail/chest.zarr", mode="r")
    assert group["embeddings"].shape == (48, 256)
    assert json.loads(group.attrs["card"])["architecture"] == "thumbnail"


def test_exports_on_request(project):
    project.configure(export={"sqlite": True})
    assert project.run("export") == {"export": 1, "export_experiment": 2, "export_sqlite": 2}
    again = project.run("export", "--forcerun", "export_sqlite")
    assert again == {"export": 1, "export_sqlite": 2}
    for model, dimension in (("thumbnail", 256), ("histogram", 64)):
        export = radcbir.open_export(project / "results/exports/findings" / model)
        assert export.images["split"].tolist() == ["train"] * 24 + ["val"] * 12 + ["test"] * 12
        assert export.manifest["model"]["meaning"]["architecture"] == model
        assert export.manifest["experiment"]["k"] == 5
        catalog = radcbir.experiment_catalog(project.folder, "findings").set_index("id")
        assert export.images["path"].tolist() == catalog["path"][export.ids].tolist()
        queries, vectors = export.of_split("test")
        assert vectors.shape == (12, dimension)
        found = export.index().search(vectors, 1)[1][:, 0]
        right = catalog["label"][found].to_numpy() == queries["label"].to_numpy()
        [stated] = [
            each["value"]
            for each in export.manifest["metrics"]
            if (each["query_split"], each["metric"], each["average"])
            == ("test", "precision_at_1", "micro")
        ]
        assert right.mean() == pytest.approx(stated)
        nearest = export.neighbors("test").query("rank == 1").set_index("query")["neighbor"]
        for query, vector in zip(queries["id"], vectors, strict=True):
            first = nearest_in_sqlite(
                project / f"results/exports/findings/{model}.sqlite", vector.tobytes()
            )
            assert first == (nearest[query], catalog["path"][nearest[query]])


def nearest_in_sqlite(path, query):
    """Id and path of the image that sqlite-vec finds."""
    apsw, sqlite_vec = pytest.importorskip("apsw"), pytest.importorskip("sqlite_vec")
    database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    database.enable_load_extension(True)
    database.load_extension(sqlite_vec.loadable_path())
    search = "SELECT id, path FROM images ORDER BY vec_distance_cosine(vector, ?), id LIMIT 1"
    with contextlib.closing(database):
        return database.execute(search, (query,)).fetchone()


def test_a_bundle_gives_the_same_metrics_where_nothing_else_is(project, tmp_path):
    assert project.run("bundle") == {"bundle": 1, "export_bundle": 1}
    theirs = shutil.copytree(project / "results/bundles/findings", tmp_path / "theirs")
    command = [sys.executable, "-P", "-m", "radcbir.export.bundle.reevaluate", str(theirs)]
    library = Path(radcbir.__file__).parents[1]

    def reevaluated():
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(library)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    assert reevaluated() == (0, "8 of 8 tables came out with the same bytes.\n")
    summary = (project / "results/experiments/findings/thumbnail/metrics/summary.csv").read_bytes()
    copy = theirs / "models/thumbnail/metrics/summary.csv"
    assert copy.read_bytes() == summary
    rows_there = pd.read_csv(copy)
    rows_there.loc[0, "value"] += 0.01
    rows_there.to_csv(copy, index=False)
    code, said = reevaluated()
    assert code == 1 and "Other values: models/thumbnail/metrics/summary.csv." in said
    described = json.loads((theirs / "experiment.json").read_text())
    assert list(described["models"]) == ["thumbnail", "histogram"]
    assert described["experiment"]["k"] == 5 and "chest" in described["datasets"]


def test_the_report_is_one_file_that_needs_no_network(project):
    project.snakemake("--report", "report.html")
    page = (project / "report.html").read_text()
    assert (project / "report.html").stat().st_size < 25e6
    for what in (
        "P@k curves",
        "table of models",
        "table of labels",
        "gallery, queries: test",
        "ledger",
        "provenance",
        "which encoder is best",
    ):
        assert what in page
    assert "its nearest image is right for" in page, "the report begins with the verdict"
    decoder = json.JSONDecoder()
    categories, shown = (
        decoder.raw_decode(page, re.search(rf"{name} = (?={{)", page).end())[0]
        for name in ("categories", "results")
    )
    assert set(categories) == {"All experiments", "findings"}
    for sections in categories.values():
        assert all(re.match("[1-5] ", each) for each in sections), "in the order of the questions"
    longest = max(shown.values(), key=lambda each: len(each["job_properties"]["params"]))
    assert len(longest["job_properties"]["params"]) < 600, longest
    figures = [each for path, each in shown.items() if path.endswith("_figure.html")]
    assert len(figures) == 2 and not any(path.endswith(".svg") for path in shown)
    project.snakemake("--report", "report.zip")
    assert (project / "report.zip").stat().st_size < 25e6
