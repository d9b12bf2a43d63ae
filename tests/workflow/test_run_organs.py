"""Slices that show several organs each, and none that shows one alone: images and series."""

import json

import pandas as pd
import pytest
from conftest import Project
from plain_region_recall import plain_means, plain_region_recall

SHOWN = [
    "CT/chest/heart|CT/chest/lung",
    "CT/abdomen/liver|CT/chest/lung",
    "CT/abdomen/kidney|CT/abdomen/liver",
    "CT/abdomen/kidney|CT/pelvis/bladder",
]
"""What a slice of each drawn shape shows."""

EXPERIMENT = {
    "datasets": ["organs"],
    "index_split": "train",
    "query_splits": ["test"],
    "k": 5,
    "labels": "multi",
}
WITHOUT_ONE_LABEL = ["region_recall", "graded_relevance", "gallery", "map"]
EXPERIMENTS = {
    "slices": EXPERIMENT,
    "series": EXPERIMENT | {"unit": "series", "analyses": WITHOUT_ONE_LABEL},
}


def configure(project, analyses=WITHOUT_ONE_LABEL):
    project.configure(
        datasets={"organs": {"csv": "data/organs.csv", "images": "data/organs"}},
        experiments=EXPERIMENTS,
        analyses=analyses,
        models=["thumbnail", "histogram"],
    )


@pytest.fixture(scope="module")
def organs(tmp_path_factory):
    """Two series of three slices for each of 12 patients, the last four of whom ask."""
    project = Project(tmp_path_factory.mktemp("organs"))
    project.set_up()
    listed = []
    for series in range(24):
        for place in range(3):
            kind, path = (series + place) % 4, f"s{series:02d}/{place}.png"
            project.draw(f"../organs/{path}", kind, 3 * series + place)
            listed.append(
                {
                    "filepath": path,
                    "split": "test" if series >= 16 else "train",
                    "labels": SHOWN[kind],
                    "patient_id": f"p{series // 2}",
                    "study_id": f"t{series // 2}",
                    "series_id": f"{series % 2}",
                    "position": f"{2.5 * place}",
                }
            )
    project.write_csv(listed, "data/organs.csv")
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
    row = next(each for each in shown["rows"] if each["name"] == "gray-value histogram")
    assert row["share"] == pytest.approx(value) and shown["chance"] == pytest.approx(chance)
    assert shown["classes"] == labels == 5
    assert (shown["queries"], shown["index_images"]) == (
        (24, 48) if experiment == "slices" else (8, 16)
    )


def test_a_series_shows_what_any_of_its_slices_shows(organs):
    pool = pd.read_parquet(organs / "results/experiments/series/catalog.parquet")
    images = pd.read_csv(organs / "data/organs.csv")
    expected = images.groupby(images["filepath"].str[:3])["labels"].agg("|".join)
    for row in pool.itertuples():
        assert list(row.labels) == sorted(set(expected[row.path[:3]].split("|")))
        assert 3 <= len(row.labels) <= 5
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
        "and these analyses measure only such images: levels, leakage. Leave them out of the "
        "experiment's `analyses:`"
    ) in output
    configure(organs)
    jobs = organs.run("results/index.html")
    assert jobs["audit_verdict"] == 1
    assert not jobs["pool"] + jobs["embed"] + jobs["knn"] + jobs["retrieval_metrics"]
