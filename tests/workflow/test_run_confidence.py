"""The chance that a hit is right and for whom a model works, from the run to the front page, a query of one's own and the page of
queries: they all say what the fit says."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CONFIG, Project, draw, rows
from figure_texts import figures_unfit_for_print
from starlette.testclient import TestClient

from radcbir.analyses.confidence.stored import in_ten, rated, read_stored
from radcbir.app.engine import Engine
from radcbir.app.routes import KEY_HEADER, application
from radcbir.project.configuration import Project as Configuration

EXPERIMENT = "results/experiments/findings"
MODELS = ["thumbnail", "histogram"]


@pytest.fixture(scope="module")
def sure(finished, tmp_path_factory):
    """The finished project with queries of 20 more patients, 120 images, and a query of one image."""
    project = Project(tmp_path_factory.mktemp("sure") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    listed = rows(48) + [row | {"split": "test"} for row in rows(120, start=48)]
    listed = [row | {"sex": "FM"[int(row["patient_id"][1:]) % 2]} for row in listed]
    for number, row in enumerate(listed[48:], start=48):
        project.draw(row["filepath"], number % 4, number)
    project.write_csv(listed)
    draw(1, 5000).save(project / "mine.png")
    project.settings = {
        "analyses": ["gallery", "confidence", "subgroups"],
        "experiments": {"findings": CONFIG["experiments"]["findings"] | {"k": 12}},
        "query": {"images": ["mine.png"], "k": 12, "name": "mine"},
    }
    project.configure(**project.settings)
    project.jobs = project.run("all", "query")
    return project


def fits(project):
    return {
        each: read_stored(project / EXPERIMENT / each / "confidence/fitted.json") for each in MODELS
    }


def test_each_model_is_fitted_by_a_job_of_its_own(sure):
    assert sure.jobs["confidence"] == 2
    assert sure.jobs["confidence_summary"] == 1
    assert not sure.run("all", "query")
    table = pd.read_csv(sure / EXPERIMENT / "confidence/confidence.csv")
    assert list(table["model"].unique()) == MODELS
    # 8 + 8 images of `val` and `test` were there, of 4 patients.
    assert set(table["queries"]) == {24 + 120}
    assert set(table["patients"]) == {4 + 20}
    for model, fit in fits(sure).items():
        own = table[(table["model"] == model) & table["chosen"]].set_index("measure")["value"]
        assert own["auc"] > 0.5
        assert fit["patients"] == 24
        assert fit["index_images"] == 24
        assert fit["depth"] == 10
    page = (sure / EXPERIMENT / "confidence/confidence.html").read_text()
    assert "How many hits are enough" in page
    assert "Unlike the benchmark" in page
    sets = pd.read_csv(sure / EXPERIMENT / "confidence/sets.csv")
    assert sets["size"].between(1, 12).any()
    unlike = pd.read_csv(sure / EXPERIMENT / "confidence/unlike.csv")
    assert (unlike["classes"] == 4).all()


def test_the_share_of_right_hits_is_that_of_plain_counts(sure):
    catalog = pd.read_parquet(sure / EXPERIMENT / "catalog.parquet").set_index("id")["label"]
    table = pd.read_csv(sure / EXPERIMENT / "confidence/confidence.csv")
    for model in MODELS:
        paths = [sure / EXPERIMENT / model / f"knn/{split}.parquet" for split in ("val", "test")]
        found = pd.concat(map(pd.read_parquet, paths))
        found = found[found["rank"] <= 10]
        right = catalog.loc[found["neighbor"]].to_numpy() == catalog.loc[found["query"]].to_numpy()
        own = table[(table["model"] == model) & table["chosen"]].set_index("measure")
        assert own.loc["right", "value"] == pytest.approx(right.mean())


def test_the_front_page_says_how_right_the_surest_half_is(sure):
    front = json.loads((sure / EXPERIMENT / "front.json").read_text())
    table = pd.read_csv(sure / EXPERIMENT / "confidence/confidence.csv")
    [block] = front["splits"]
    best = {"thumbnail 16x16": "thumbnail", "gray-value histogram": "histogram"}[block["best"]]
    own = table[(table["model"] == best) & table["chosen"]].set_index("measure")["value"]
    share = round(100 * own["right_of_surest_half"])
    pooled = "(the surest half, of the query splits val and test together)"
    assert f"sure {pooled}, {share} of 100 are right" in block["text"]
    assert "the surest half" in (sure / "results/index.html").read_text()


def test_the_figures_fit_a_paper(sure):
    assert figures_unfit_for_print(sure / "results") == {}


def test_a_query_of_ones_own_has_the_chance_of_its_hits(sure):
    table = pd.read_csv(sure / "results/queries/mine/neighbors.csv")
    page = (sure / "results/queries/mine/gallery.html").read_text()
    for model, fit in fits(sure).items():
        own = table[table["model"] == model]
        expected = rated(fit, own["score"].to_numpy(), own["labels"].tolist())
        assert own["chance"].to_numpy() == pytest.approx(expected.chance, abs=1e-4, nan_ok=True)
        assert own["chance"].notna().sum() == 10
        assert set(own["unlike"]) == {"yes" if expected.unlike else "no"}
        assert f"right in {in_ten(expected.chance[0])}" in page


def test_each_sex_has_the_share_of_plain_counts(sure):
    assert sure.jobs["subgroups"] == 2
    catalog = pd.read_parquet(sure / EXPERIMENT / "catalog.parquet").set_index("id")
    table = pd.read_csv(sure / EXPERIMENT / "subgroups/subgroups.csv")
    gaps = pd.read_csv(sure / EXPERIMENT / "subgroups/gaps.csv")
    for model in MODELS:
        found = pd.read_parquet(sure / EXPERIMENT / model / "knn/test.parquet")
        found = found[found["rank"] == 1]
        asked, near = (catalog.loc[found[each]] for each in ("query", "neighbor"))
        right = pd.Series(asked["label"].to_numpy() == near["label"].to_numpy())
        plain = right.groupby(asked["sex"].to_numpy()).mean()
        own = table[
            (table["model"] == model) & (table["k"] == 1) & (table["query_split"] == "test")
        ]
        of_sex = own[own["attribute"] == "sex"].set_index("group")["precision"]
        assert of_sex.to_dict() == pytest.approx(plain.to_dict())
        [gap] = gaps[
            (gaps["model"] == model) & (gaps["k"] == 1) & (gaps["query_split"] == "test")
        ].to_dict("records")
        assert gap["gap"] == pytest.approx(plain.max() - plain.min())
    assert "Largest gaps" in (sure / EXPERIMENT / "subgroups/subgroups.html").read_text()


@pytest.fixture(scope="module")
def client(sure):
    before = Path.cwd()
    os.chdir(sure.folder)
    settings = {each: sure.settings[each] for each in ("analyses", "experiments")}
    engine = Engine(Configuration(CONFIG | settings, ["config/models"]), pixels=1_000_000)
    yield TestClient(
        application(engine, 1, "k"), base_url="http://127.0.0.1", headers={KEY_HEADER: "k"}
    )
    engine.close()
    os.chdir(before)


def answer(client, image=None, **question):
    asked = {"experiment": "findings", "models": ["thumbnail"], "k": 12, "fold": None} | question
    asked.setdefault("items", [{"kind": "upload", "file": 0}])
    files = [("file", ("x.png", image))] if image else [("none", ("", b""))]
    found = client.post("/api/search", data={"question": json.dumps(asked)}, files=files)
    assert found.status_code == 200, found.text
    assert found.json()["models"][0]["error"] == ""
    return found.json()["models"][0]


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


SAID = {"of_patients", "unlike", "set_size", "set_sure"}


def test_the_page_says_what_the_query_says(sure, client):
    table = pd.read_csv(sure / "results/queries/mine/neighbors.csv")
    own, fit = table[table["model"] == "thumbnail"], fits(sure)["thumbnail"]
    found = answer(client, png(draw(1, 5000)))
    chances = [hit.get("chance", np.nan) for hit in found["hits"]]
    assert chances == pytest.approx(own["chance"].tolist(), abs=1e-3, nan_ok=True)
    assert found["of_patients"] == 24
    assert found["unlike"] == (own["unlike"].iloc[0] == "yes")
    assert found.get("set_size") == fit["set"]["size"]
    few = answer(client, png(draw(1, 5000)), k=3)
    assert [hit["chance"] for hit in few["hits"]] == chances[:3], "the list is looked at deeper"


def test_noise_is_unlike_the_benchmark(client):
    noise = draw(0, 1).copy()
    noise.putdata(np.random.default_rng(0).permutation(np.arange(48 * 48) % 256).tolist())
    found = answer(client, png(noise))
    assert SAID & set(found) == {"unlike"}
    assert found["unlike"] is True
    assert not any("chance" in hit for hit in found["hits"])


def test_the_page_says_nothing_of_what_the_benchmark_does_not_ask(sure, client):
    image, catalog = png(draw(1, 5000)), pd.read_parquet(sure / EXPERIMENT / "catalog.parquet")
    of_index, of_queries = (
        catalog.loc[catalog["split"] == split, "id"].astype(str).iloc[0]
        for split in ("train", "test")
    )
    whole = {"kind": "upload", "file": 0}
    silent = [
        answer(client, image, items=[whole | {"crop": [0, 0, 0.5, 0.5]}]),
        answer(client, image, items=[whole, {"kind": "image", "id": of_queries}]),
        answer(client, image, filters={"modality": ["XR"]}),
        answer(client, image, right=[of_index]),
        answer(client, items=[{"kind": "image", "id": of_index}]),
    ]
    for each in silent:
        assert not SAID & set(each)
        assert not any("chance" in hit for hit in each["hits"])
    assert SAID & set(answer(client, items=[{"kind": "image", "id": of_queries}]))


def test_a_fit_of_another_index_is_not_used(sure, client):
    path = sure / EXPERIMENT / "histogram/confidence/fitted.json"
    image, text = png(draw(1, 5000)), path.read_text()
    assert SAID & set(answer(client, image, models=["histogram"]))
    path.write_text(json.dumps(json.loads(text) | {"index_images": 25}))
    assert not SAID & set(answer(client, image, models=["histogram"]))
    path.unlink()
    assert not SAID & set(answer(client, image, models=["histogram"]))
    path.write_text(text)
