"""Volumes with organ masks: slices that show several organs each, and none that shows one alone;
images and series."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest
from conftest import Project, draw
from plain_region_recall import plain_means, plain_region_recall

STRUCTURES = ["CT/chest/heart", "CT/chest/lung", "CT/abdomen/liver", "CT/abdomen/kidney"]
"""A slice of each of the four drawn shapes shows its own and the next one, the last the first."""

EXPERIMENT = {
    "datasets": ["organs"],
    "index_split": "train",
    "query_splits": ["test"],
    "k": 5,
    "labels": "multi",
}
PREPARE = {
    "from": "organ-masks",
    "masks": "{folder}/masks/{name}.nii.gz",
    "structures": {10 * (place + 1): label for place, label in enumerate(STRUCTURES)},
    "patients": True,
    "shares": {"train": 0.6, "test": 0.4},
}
WITHOUT_ONE_LABEL = ["region_recall", "graded_relevance", "gallery", "map"]
EXPERIMENTS = {
    "slices": EXPERIMENT,
    "series": EXPERIMENT | {"unit": "series"},
}


def configure(project, analyses=WITHOUT_ONE_LABEL):
    project.configure(
        datasets={"organs": {"prepare": PREPARE, "images": "data/organs"}},
        experiments=EXPERIMENTS,
        analyses=analyses,
        models=["histogram"],
    )


def kinds_of(series):
    """The shape of each slice of a series."""
    return [(series + place) % 4 for place in range(3)]


@pytest.fixture(scope="module")
def organs(tmp_path_factory):
    """Two series of three slices for each of 12 patients."""
    project = Project(tmp_path_factory.mktemp("organs"))
    project.set_up()
    for series in range(24):
        slices = [draw(kind, 3 * series + place) for place, kind in enumerate(kinds_of(series))]
        masks = np.zeros((48, 48, 3), dtype=np.uint8)
        for place, kind in enumerate(kinds_of(series)):
            masks[8:20, 8:20, place] = 10 * (kind + 1)
            masks[30:40, 8:20, place] = 10 * ((kind + 1) % 4 + 1)
        folder = project / f"data/organs/p{series // 2:02d}"
        (folder / "masks").mkdir(parents=True, exist_ok=True)
        for path, voxels in ((folder, np.stack(slices, axis=-1)), (folder / "masks", masks)):
            image = nibabel.Nifti1Image(voxels, np.diag([1, 1, 2.5, 1]))
            nibabel.save(image, path / f"{series}.nii.gz")
    configure(project)
    project.jobs = project.run()
    return project


def front(project, experiment):
    path = project / f"results/experiments/{experiment}/front.json"
    return json.loads(path.read_text())["splits"][0]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_organs_are_found_as_plain_loops_find_them(organs, experiment):
    folder = organs / f"results/experiments/{experiment}"
    pool = pd.read_parquet(folder / "catalog.parquet").set_index("id")
    assert pool["label"].isna().all()
    lists = pd.read_parquet(folder / "histogram/knn/test.parquet").sort_values("rank")
    plain = plain_region_recall(
        pool["labels"].map(list).to_dict(),
        pool["patient_id"].to_dict(),
        lists.groupby("query")["neighbor"].agg(list).to_dict(),
        pool.index[pool["split"] == "train"].tolist(),
        [1],
    )
    value, chance, labels, _ = plain_means(plain, "fine", 1)
    shown = front(organs, experiment)
    [row] = shown["rows"]
    assert row["share"] == pytest.approx(value) and shown["chance"] == pytest.approx(chance)
    assert shown["classes"] == labels == 4
    counts = pool["split"].value_counts()
    assert counts.sum() == (72 if experiment == "slices" else 24)
    assert (shown["queries"], shown["index_images"]) == (counts["test"], counts["train"])


def test_slices_have_the_labels_of_their_masks_and_series_those_of_their_slices(organs):
    images = pd.read_parquet(organs / "results/experiments/slices/catalog.parquet")
    assert len(images) == 72 and images.groupby("patient_id")["split"].nunique().max() == 1
    for row in images.itertuples():
        series, place = row.series_id.split("/")[1], int(row.instance)
        kind = kinds_of(int(series))[place]
        assert list(row.labels) == sorted({STRUCTURES[kind], STRUCTURES[(kind + 1) % 4]})
        assert row.position == 2.5 * place
    pool = pd.read_parquet(organs / "results/experiments/series/catalog.parquet")
    shown = images.groupby("series_id")["labels"].agg(
        lambda each: {name for of in each for name in of}
    )
    assert len(pool) == 24
    for row in pool.itertuples():
        assert set(row.labels) == shown[row.series_id] and len(row.labels) == 4
    ledger = pd.read_csv(organs / "results/experiments/series/units/ledger.csv")
    assert ledger.empty


def test_the_pages_say_that_there_is_no_precision(organs):
    page = (organs / "results/index.html").read_text()
    assert "no P@1" in page and "How many of the labels that a query shows" in page
    assert "is right for" not in page and "uncertainty" not in front(organs, "slices")["text"]
    models = (organs / "results/experiments/slices/comparison/models.html").read_text()
    assert "No query has exactly one label, so none of this can be measured." in models
    summary = pd.read_csv(organs / "results/experiments/slices/comparison/summary.csv")
    assert summary["value"].isna().all() and (summary["queries"] == 0).all()


def test_analyses_that_would_measure_nothing_are_named_before_anything_is_embedded(organs):
    configure(organs, [*WITHOUT_ONE_LABEL, "levels", "leakage"])
    output = organs.snakemake("results/index.html", fails=True)
    assert (
        "experiment 'slices' has no image with exactly one label in its splits 'test' and 'train', "
        "and these analyses measure only such images: levels, leakage. Give the experiment the others "
        "alone: `analyses: [region_recall, graded_relevance, gallery, map]`"
    ) in output
    configure(organs)
    jobs = organs.run("results/index.html")
    assert jobs["audit_verdict"] == len(EXPERIMENTS)
    assert not jobs["pool"] + jobs["embed"] + jobs["knn"] + jobs["retrieval_metrics"]
