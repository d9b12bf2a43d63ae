"""kNN classification and linear probing through Snakemake: figures against a count by hand, pages,
and the report."""

import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import Project
from figure_texts import figure_texts, figures_unfit_for_print

FINDINGS = "results/experiments/findings"
KNN, LINEAR = f"{FINDINGS}/knn_classification", f"{FINDINGS}/linear_probing"
PAGES = [f"{KNN}/knn_classification.html", f"{LINEAR}/linear_probing.html"]


@pytest.fixture(scope="module")
def classified(finished, tmp_path_factory):
    """A copy of the finished project in which both analyses have run."""
    copy = Project(tmp_path_factory.mktemp("classified") / "project")
    shutil.copytree(finished.folder, copy.folder, copy_function=shutil.copy2, symlinks=True)
    small = {"epochs": 30, "label_fractions": [0.3, 1], "shots": [1], "tries": 2}
    copy.configure(
        analyses=["gallery", "knn_classification", "linear_probing"], classification=small
    )
    copy.done = copy.run(*PAGES)
    return copy


def test_nothing_is_searched_or_embedded_again(classified):
    assert classified.done == {
        "knn_classification": 2, "knn_classification_summary": 1, "linear_probing": 2, "linear_probing_summary": 1,
    }  # fmt: skip


def votes_by_hand(project, model, split, k, weighted):
    """Accuracy of the votes of k neighbors, from the neighbor table, query by query."""
    folder = project / "results/experiments/findings"
    labels = pd.read_parquet(folder / "catalog.parquet").set_index("id")["label"].to_dict()
    right = []
    for query, found in pd.read_parquet(folder / model / "knn" / f"{split}.parquet").groupby(
        "query"
    ):
        votes = {}
        for row in found.sort_values("rank").head(k).itertuples():
            label = labels[row.neighbor]
            votes[label] = votes.get(label, 0) + (
                np.exp(float(row.score) / 0.07) if weighted else 1
            )
        right.append(
            max(votes, key=votes.get) == labels[query]
        )  # of equal votes, the first that was voted for
    return np.mean(right)


@pytest.mark.parametrize("model", ["thumbnail", "histogram"])
@pytest.mark.parametrize("votes", ["equal", "weighted"])
def test_accuracy_of_votes_equals_a_count_by_hand(classified, model, votes):
    curve = pd.read_csv(classified / KNN / "knn_classification_curve.csv")
    here = (curve["model"] == model) & (curve["votes"] == votes) & (curve["neighbors"] == "all")
    curve = curve[here & (curve["metric"] == "f1") & (curve["average"] == "micro")].set_index(
        ["query_split", "k"]
    )
    by_hand = {
        (split, k): votes_by_hand(classified, model, split, k, votes == "weighted")
        for split in ("val", "test")
        for k in range(1, 6)
    }
    assert curve["value"].to_dict() == pytest.approx(by_hand, abs=1e-12)
    chosen = pd.read_csv(classified / KNN / "knn_classification.csv")
    here = (chosen["model"] == model) & (chosen["votes"] == votes) & (chosen["neighbors"] == "all")
    assert set(chosen["query_split"]) == {"test"}
    assert set(chosen.loc[here, "k"]) == {max(range(1, 6), key=lambda k: by_hand["val", k])}


def test_linear_classifiers_tell_shapes_by_their_pixels(classified):
    table = pd.read_csv(classified / LINEAR / "linear_probing.csv")
    accuracy = table[table["metric"] == "accuracy"].set_index(["model", "probe"])["value"]
    assert accuracy["thumbnail", "lbfgs"] == accuracy["thumbnail", "adamw"] == 1
    assert accuracy["histogram", "lbfgs"] < 1
    assert set(table["selected_on"]) == {"val"}
    assert set(table["train_images"]) == {24}
    mean = pd.read_csv(classified / LINEAR / "label_fractions_mean.csv")
    accuracy = mean[(mean["metric"] == "accuracy") & (mean["model"] == "thumbnail")].set_index(
        ["subset", "amount"]
    )
    assert accuracy.loc[("fraction", 1.0), "tries"] == 1
    assert accuracy.loc[("shots", 1.0), ["tries", "train_images", "train_classes"]].tolist() == [
        2,
        4,
        4,
    ]


def test_pages_and_figures_show_every_model(classified):
    for page in PAGES:
        text = (classified / page).read_text()
        assert "thumbnail 16x16" in text
        assert "Queries: test" in text
    assert "k was chosen on val." in (classified / PAGES[0]).read_text()
    for name in (
        f"{KNN}/knn_classification",
        f"{KNN}/knn_calibration",
        f"{LINEAR}/label_fractions",
        f"{LINEAR}/linear_calibration",
    ):
        texts = figure_texts(classified / f"{name}.svg")
        assert any("thumbnail 16x16" in each for each in texts), texts
        assert (classified / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_report_explains_them(classified):
    classified.snakemake("--report", "report.html", *PAGES)
    page = (classified / "report.html").read_text()
    for what in (
        "kNN classification against k",
        "linear probing with few labels",
        "calibration of linear probing",
    ):
        assert what in page


def test_figures_can_be_printed(classified):
    assert figures_unfit_for_print(classified / "results") == {}
