"""Adapted and reranked models from stored vectors to the page of gains, a query of one's own and the
page of queries, and what makes them stale."""

import io
import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import CONFIG, Project, draw, rows
from figure_texts import figures_unfit_for_print

from radcbir.app.engine import Engine
from radcbir.app.query_vectors import Upload
from radcbir.app.question import search_question
from radcbir.embedding import store
from radcbir.project.configuration import Project as Configuration
from radcbir.retrieval.adaptation import transform

EXPERIMENT = "results/experiments/findings"
CARDS = {
    "lda": {"name": "Thumbnail, LDA", "loader": "adapted", "licence": "none", "adapted": {"of": "thumbnail", "by": "lda"}},
    "proxy": {"name": "Thumbnail, projection", "loader": "adapted", "licence": "none",
              "adapted": {"of": "thumbnail", "by": "projection", "loss": "proxy", "components": 8, "steps": 20}},
    "spread": {"name": "Thumbnail, LDA, diffusion", "loader": "reranked", "licence": "none", "reranked": {"of": "lda", "by": "diffusion", "neighbors": 5}},
    "expanded": {"name": "Thumbnail, expanded", "loader": "reranked", "licence": "none", "reranked": {"of": "thumbnail", "by": "query_expansion", "neighbors": 3}},
}  # fmt: skip


@pytest.fixture(scope="module")
def adapted(finished, tmp_path_factory):
    """The finished project with four derived models and a query of one image."""
    project = Project(tmp_path_factory.mktemp("adapted") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    for slug, card in CARDS.items():
        (project / f"config/models/{slug}.yaml").write_text(yaml.safe_dump(card))
    draw(1, 5000).save(project / "mine.png")
    project.configure(
        models=["thumbnail", "histogram", *CARDS],
        analyses=["gains", "embedding_space"],
        query={"images": ["mine.png"], "k": 5, "name": "mine", "models": ["thumbnail", "lda"]},
    )
    project.jobs = project.run("all", "query")
    return project


def table(project, path, **columns):
    return pd.read_csv(project / EXPERIMENT / path, **columns)


def test_each_model_has_the_jobs_that_it_needs_and_nothing_is_embedded_again(adapted):
    jobs = adapted.jobs
    assert (jobs["adapt"], jobs["gains_fits"], jobs["gains"]) == (2, 2, 4)
    assert (jobs["rerank"], jobs["index_neighbors"], jobs["knn"]) == (4, 1, 4)
    assert jobs["embed"] == 0 and jobs["embedding_space"] == 4
    assert (jobs["embed_query"], jobs["adapt_query"]) == (1, 1)
    assert not adapted.run("all", "query")


def test_the_vectors_are_those_of_the_base_after_a_fit_on_the_index(adapted):
    catalog = pd.read_parquet(adapted / EXPERIMENT / "catalog.parquet").set_index("id")
    base = [adapted / "results/embeddings/thumbnail/chest.h5"]
    ids, vectors = store.read(base, catalog.index.to_numpy())
    taught = (catalog["split"] == "train").loc[ids].to_numpy()
    found = transform.load(adapted / EXPERIMENT / "lda/adapted/fit.h5")["map"]
    np.testing.assert_allclose(found.mean, vectors[taught].mean(axis=0), atol=1e-6)
    moved = found.apply(vectors)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    again, stored = store.read([adapted / EXPERIMENT / "lda/adapted/embeddings.h5"], ids)
    np.testing.assert_array_equal(again, ids)
    np.testing.assert_allclose(stored, moved, atol=1e-6)
    with h5py.File(adapted / EXPERIMENT / "lda/adapted/embeddings.h5") as file:
        assert file["embeddings"].shape == (len(ids), 3)


def test_gains_are_differences_of_plain_averages(adapted):
    gains = table(adapted, "gains/gains.csv")
    assert list(gains["model"].unique()) == list(CARDS)
    for model, base in (("lda", "thumbnail"), ("spread", "lda"), ("expanded", "thumbnail")):
        metrics = [
            pd.read_parquet(adapted / EXPERIMENT / each / "metrics/per_query.parquet")
            for each in (model, base)
        ]
        for row in gains[gains["model"] == model].to_dict("records"):
            column = {"mean_average_precision": "average_precision"}.get(
                row["metric"], row["metric"]
            )
            one, other = (
                each[
                    (each["query_split"] == row["query_split"])
                    & (each["neighbors"] == row["neighbors"])
                    & (each["relevant_in_index"] > 0)
                ][column].mean()
                for each in metrics
            )
            assert row["base"] == base
            assert row["value"] == pytest.approx(one) and row["base_value"] == pytest.approx(other)
            assert row["difference"] == pytest.approx(one - other)


def test_labels_are_left_out_of_fits_and_asked_once_each(adapted):
    left = table(adapted, "gains/left_out.csv")
    assert set(left["model"]) == {"lda", "proxy"} and set(left["left_out"]) == {"label"}
    asked = left[(left["query_split"] == "test") & (left["metric"] == "precision_at_1")]
    assert set(asked["queries"]) == {12} and set(asked["fits"]) == {4}
    lda = asked[asked["model"] == "lda"]
    assert np.allclose(lda["lost"], lda["value"] - lda["seen_value"])
    page = (adapted / EXPERIMENT / "gains/gains.html").read_text()
    for words in ("A label that was not in the fit", "What it costs", "Thumbnail, LDA, diffusion"):
        assert words in page
    timings = table(adapted, "gains/gain_timings.csv").set_index("model")
    assert (timings.loc[["lda", "proxy"], "fit_seconds"] > 0).all()
    assert (timings.loc[["spread", "expanded"], "milliseconds_per_query"] > 0).all()
    assert figures_unfit_for_print(adapted / EXPERIMENT / "gains") == {}


def test_the_front_page_says_whether_anything_is_gained(adapted):
    [block] = json.loads((adapted / EXPERIMENT / "front.json").read_text())["splits"]
    assert (
        "than the model that it is made from (there are too few patients to tell)" in block["text"]
    )


def test_a_query_of_ones_own_is_asked_in_the_adapted_space(adapted):
    found = pd.read_csv(adapted / "results/queries/mine/neighbors.csv")
    own = found[found["model"] == "lda"]
    [vector] = store.read([adapted / "results/queries/mine/thumbnail.h5"], np.arange(5))[1]
    fitted = transform.load(adapted / EXPERIMENT / "lda/adapted/fit.h5")["map"]
    moved = fitted.apply(vector[None])[0]
    catalog = pd.read_parquet(adapted / EXPERIMENT / "catalog.parquet")
    index = catalog.loc[catalog["split"] == "train", "id"].to_numpy()
    stored = store.read([adapted / EXPERIMENT / "lda/adapted/embeddings.h5"], index)[1]
    best = np.sort(stored @ (moved / np.linalg.norm(moved)))[::-1][:5]
    assert own["score"].to_numpy() == pytest.approx(best, abs=1e-4)


def test_the_page_asks_an_adapted_model_and_says_that_a_reranked_one_is_not_offered(adapted):
    """An upload has the hits of the query above, an image of the catalog those of the benchmark."""
    before = Path.cwd()
    os.chdir(adapted.folder)
    models = ["thumbnail", "histogram", *CARDS]
    engine = Engine(Configuration(CONFIG | {"models": models}, ["config/models"]), 1_000_000)
    try:
        content, asked = io.BytesIO(), {"experiment": "findings", "models": ["lda"], "k": 5}
        draw(1, 5000).save(content, "PNG")
        upload = [Upload("mine.png", content.getvalue())]
        items = [{"kind": "upload", "file": 0}]
        [found] = engine.search(search_question(asked | {"items": items}, 1), upload)["models"]
        expected = pd.read_csv("results/queries/mine/neighbors.csv").query("model == 'lda'")
        assert found["error"] == ""
        scores = [hit["score"] for hit in found["hits"]]
        assert scores == pytest.approx(expected["score"].tolist(), abs=2e-4)
        benchmark = pd.read_parquet(adapted / EXPERIMENT / "lda/knn/test.parquet")
        query = benchmark["query"].iloc[0]
        items = [{"kind": "image", "id": str(query)}]
        [found] = engine.search(search_question(asked | {"items": items}, 0), [])["models"]
        expected = benchmark[benchmark["query"] == query]["score"].tolist()[:5]
        assert [hit["score"] for hit in found["hits"]] == pytest.approx(expected, abs=2e-4)
        [described] = engine.setup()
        shown = {each["slug"]: each for each in described["models"]}
        assert shown["lda"]["missing"] == "" and not shown["lda"]["patches"]
        assert "ask Thumbnail, LDA, which it is made from" in shown["spread"]["missing"]
    finally:
        engine.close()
        os.chdir(before)


def relabelled(project, split):
    """The label of one image of a split changed; what would run."""
    listed = rows(48)
    row = next(each for each in listed if each["split"] == split)
    row["label"] = "CT/abdomen/cross" if row["label"] != "CT/abdomen/cross" else "XR/chest/bar"
    project.write_csv(listed)
    return project.run(f"{EXPERIMENT}/gains/gains.csv", "query")


def test_a_label_of_the_index_fits_again_and_one_of_a_query_does_not(adapted):
    jobs = relabelled(adapted, "test")
    assert (jobs["adapt"], jobs["gains_fits"], jobs["rerank"], jobs["knn"]) == (0, 0, 0, 0)
    assert jobs["adapt_query"] == 0, "the map is the same"
    assert jobs["retrieval_metrics"] == 6 and jobs["gains"] == 4
    jobs = relabelled(adapted, "train")
    assert (jobs["adapt"], jobs["gains_fits"]) == (2, 2)
    assert (jobs["knn"], jobs["rerank"], jobs["embed"]) == (4, 2, 0), "of lda, proxy and spread"
