"""The page of queries where series and studies are retrieved: its answers against the workflow's
tables, then the page itself in a headless browser."""

import csv
import gzip
import io
import json
import os
import re
import shutil
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import dicom_series
import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Project
from live_page import barriers, opened, png, running, shown, until
from made_volumes import LABELS, slices, write
from PIL import Image
from plain_aggregation import cosine
from plain_localization import plain_place
from starlette.testclient import TestClient

from radcbir.app.engine import Engine
from radcbir.app.inventory import experiments
from radcbir.app.routes import KEY_HEADER, application
from radcbir.app.stored import Stored
from radcbir.app.units import places
from radcbir.embedding import store
from radcbir.project.configuration import Project as Configuration

KEY, BASE = "the-key", "http://127.0.0.1"
SERIES = 24
WHITENED = {
    "name": "Thumbnail, whitened", "loader": "adapted", "licence": "none",
    "adapted": {"of": "thumbnail", "by": "pca_whitening", "components": 8},
}  # fmt: skip
BOTH = {
    "name": "Thumbnail and histogram", "loader": "fusion", "licence": "none",
    "fusion": {"of": ["thumbnail", "histogram"], "by": "score"},
}  # fmt: skip
EXPERIMENT = {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 10}
EXPERIMENTS = {
    "volumes": EXPERIMENT | {"unit": "series", "models": ["thumbnail", "whitened", "both"]},
    "studies": EXPERIMENT | {"unit": "study", "pooling": "median", "models": ["thumbnail"]},
    "patients": EXPERIMENT | {"unit": "patient", "models": ["thumbnail"]},
}
ASKED = [("volumes", "thumbnail"), ("volumes", "whitened"), ("studies", "thumbnail"), ("patients", "thumbnail")]  # fmt: skip


@pytest.fixture(scope="module")
def volumes(finished, tmp_path_factory):
    """The finished project with experiments of series, studies and patients, as far as neighbors."""
    project = Project(tmp_path_factory.mktemp("units") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    write(project, slices(SERIES))
    for slug, card in (("whitened", WHITENED), ("both", BOTH)):
        (project / f"config/models/{slug}.yaml").write_text(yaml.safe_dump(card))
    project.configure(
        datasets={"ct": {"csv": "data/ct.csv", "images": "data/ct"}},
        models=["thumbnail", "whitened", "histogram", "both"],
        experiments=EXPERIMENTS,
        analyses=[],
        app={"port": 0},
    )
    tables = [f"{name}/{model}/knn/test.parquet" for name, model in ASKED]
    wanted = [*tables, "volumes/both/index/train.faiss"]
    project.run(*(f"results/experiments/{each}" for each in wanted))
    return project


@pytest.fixture(scope="module")
def client(volumes):
    before = Path.cwd()
    os.chdir(volumes.folder)
    config = yaml.safe_load((volumes / "config/config.yaml").read_text())
    engine = Engine(Configuration(config, ["config/models"]), pixels=1_000_000)
    client = TestClient(application(engine, 1, KEY), base_url=BASE, headers={KEY_HEADER: KEY})
    yield client
    engine.close()
    os.chdir(before)


def ask(client, experiment="volumes", model="thumbnail", path="search", files=(), **question):
    asked = {"experiment": experiment, "models": [model], "k": 10, "fold": None} | question
    asked.setdefault("items", [{"kind": "upload", "file": place} for place in range(len(files))])
    parts = [("file", ("x.png", each)) for each in files]
    return client.post(
        f"/api/{path}", data={"question": json.dumps(asked)}, files=parts or [("none", ("", b""))]
    )


def hits(response):
    assert response.status_code == 200, response.text
    [answer] = response.json()["models"]
    assert answer["error"] == ""
    return answer["hits"]


def catalog(volumes, experiment):
    pool = pd.read_parquet(volumes / f"results/experiments/{experiment}/catalog.parquet")
    images = pd.read_parquet(volumes / f"results/experiments/{experiment}/units/images.parquet")
    return pool.set_index("id"), images


def image_vectors(volumes):
    path = volumes / "results/embeddings/thumbnail/ct.h5"
    ids, found = store.read([path], store.read_ids(path))
    return dict(zip(ids.tolist(), found.astype(float), strict=True))


def unit(identity):
    return [{"kind": "image", "id": str(identity)}]


# --- answers
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("experiment", "model"), ASKED)
def test_a_unit_of_a_query_split_has_the_neighbors_and_scores_of_the_workflow(
    client, volumes, experiment, model
):
    table = pd.read_parquet(
        volumes / f"results/experiments/{experiment}/{model}/knn/test.parquet"
    ).sort_values(["query", "rank"])
    assert table["query"].nunique() == (4 if experiment == "volumes" else 2)
    for query, rows in table.groupby("query"):
        found = hits(ask(client, experiment, model, items=unit(query)))
        assert len(found) == 10
        assert [int(each["id"]) for each in found] == rows["neighbor"].tolist()
        np.testing.assert_allclose([each["score"] for each in found], rows["score"], atol=6e-5)


def test_each_hit_shows_the_slice_that_is_nearest_to_one_of_the_query(client, volumes):
    pool, images = catalog(volumes, "studies")
    vectors = image_vectors(volumes)
    places = set()
    for query in pool.index[pool["split"] == "test"]:
        own = images.loc[images["unit"] == query, "id"].tolist()
        for hit in hits(ask(client, "studies", items=unit(query))):
            theirs = images[images["unit"] == int(hit["id"])]
            alone = "alone.png" in set(theirs["path"])  # of the study, and of no series
            assert hit["slices"] == len(theirs) == 6 + alone
            pairs = {
                (one, other): cosine(vectors[one], vectors[other])
                for one in own for other in theirs["id"]
            }  # fmt: skip
            best = max(pairs, key=lambda pair: pairs[pair])
            nearest = hit["nearest"]
            assert (int(nearest["query"]), int(nearest["id"])) == best
            assert nearest["score"] == pytest.approx(pairs[best], abs=1e-4)
            path = theirs.set_index("id")["path"][best[1]]
            assert nearest["file"] == f"data/ct/{path}"
            # The slices of a study: series by series, each by position.
            ordered = theirs.sort_values(["series_id", "position"], na_position="first")
            assert ordered["id"].iloc[nearest["place"]] == best[1]
            places.add(nearest["place"])
    assert len(places) > 2


def test_a_unit_and_each_of_its_slices_have_all_slices_around_them(client, volumes):
    pool, images = catalog(volumes, "volumes")
    one = pool.index[3]
    ordered = images[images["unit"] == one].sort_values("position")
    for identity, place in [(one, 1), *zip(ordered["id"], range(3), strict=True)]:
        found = client.get(f"/api/item/volumes/{identity}").json()
        assert found["series"]["kind"] == "series" and found["series"]["place"] == place
        assert [int(each["id"]) for each in found["series"]["images"]] == ordered["id"].tolist()
        listed = [(each["file"], each["position"]) for each in found["series"]["images"]]
        files = [f"data/ct/{path}" for path in ordered["path"]]
        assert listed == list(zip(files, ordered["position"], strict=True))
        assert found["image"]["path"] == ordered["path"].iloc[place]
        assert found["image"]["patient_id"] == ordered["patient_id"].iloc[place]
        assert client.get(f"/api/image/volumes/{identity}").headers["content-type"] == "image/jpeg"
    assert client.get("/api/item/volumes/12").json()["error"].startswith("an image is not in")


def files_of(volumes, images, identity):
    """The files of a unit's slices, in the order of their names."""
    paths = sorted(images.loc[images["unit"] == identity, "path"])
    return paths, [(volumes / "data/ct" / path).read_bytes() for path in paths]


@pytest.mark.parametrize(("experiment", "model"), [*ASKED, ("volumes", "both")])
def test_slices_that_are_uploaded_find_what_their_unit_finds(client, volumes, experiment, model):
    pool, images = catalog(volumes, experiment)
    paths = images.set_index("id")["path"]
    query = pool.index[pool["split"] == "test"][0]
    names, files = files_of(volumes, images, query)
    found = hits(ask(client, experiment, model, files=files))
    wanted = hits(ask(client, experiment, model, items=unit(query)))
    assert [each["id"] for each in found] == [each["id"] for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=2e-4)
        assert one["nearest"]["id"] == other["nearest"]["id"]
        assert names[int(one["nearest"]["query"])] == paths[int(other["nearest"]["query"])]


def test_one_slice_is_compared_with_the_vectors_of_whole_series(client, volumes):
    pool, images = catalog(volumes, "volumes")
    vectors = image_vectors(volumes)
    means = {one: np.mean([vectors[each] for each in here["id"]], axis=0) for one, here in images.groupby("unit")}  # fmt: skip
    one = images[images["split"] == "test"].iloc[4]
    content = (volumes / "data/ct" / one["path"]).read_bytes()
    found = hits(ask(client, files=[content], k=200))
    train = pool.index[pool["split"] == "train"]
    nearest = sorted(train, key=lambda each: -cosine(vectors[one["id"]], means[each]))
    assert [int(each["id"]) for each in found] == nearest
    for each in found:
        known = cosine(vectors[one["id"]], means[int(each["id"])])
        assert each["score"] == pytest.approx(known, abs=2e-4)
    mixed = [{"kind": "upload", "file": 0}, *unit(pool.index[0])]
    assert "take the others away" in ask(client, files=[content], items=mixed).json()["error"]


def test_a_unit_of_the_index_does_not_find_itself_and_each_patient_is_found_once(client, volumes):
    pool, _ = catalog(volumes, "volumes")
    one = pool.index[pool["split"] == "train"][0]
    found = hits(ask(client, items=unit(one), k=200))
    assert len(found) == SERIES - 4 - 1 and str(one) not in {each["id"] for each in found}
    found = hits(ask(client, items=unit(one), k=200, per_patient=True))
    assert len({each["patient_id"] for each in found}) == len(found) == (SERIES - 4) // 2
    assert sorted(each["patient_images"] for each in found) == [0, *[1] * (len(found) - 1)]
    filtered = hits(ask(client, items=unit(one), k=200, filters={"label": LABELS[:1]}))
    assert {each["labels"][0] for each in filtered} == set(LABELS[:1])


def test_a_unit_is_found_by_the_name_of_its_study_or_series(client, volumes):
    pool, _ = catalog(volumes, "studies")
    [found] = client.get("/api/named/studies?uid=%20t7").json()["units"]
    assert pool["study_id"][int(found["id"])] == "t7" and found["slices"] == 6
    answer = client.get("/api/named/volumes?uid=t7").json()
    assert (len(answer["units"]), answer["count"]) == (2, 2)
    assert {each["study_id"] for each in answer["units"]} == {"t7"}
    answer = client.get("/api/named/volumes?uid=1").json()  # in each study there is such a series
    assert (len(answer["units"]), answer["count"]) == (SERIES // 2, SERIES // 2)
    [found] = client.get("/api/named/patients?uid=t7").json()["units"]
    assert found["patient_id"] == "ct:p7"
    for uid in ("1.2.840.1", "", "%25", "t"):
        missing = client.get(f"/api/named/studies?uid={uid}")
        assert missing.status_code == 404
        known = "no study of the experiment 'studies' has the StudyInstanceUID, SeriesInstanceUID"
        assert missing.json()["error"].startswith(known)
        assert missing.json()["error"].endswith(": ask with slices of it")
    stranger = TestClient(client.app, base_url=BASE)
    assert stranger.get("/api/named/studies?uid=t7").status_code == 403


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"items": [{"kind": "text", "text": "a disc"}]}, "finds series, which are not compared with words"),
        ({"items": [unit(1)[0] | {"slices": [0, 1]}], "place": True}, "an image is not in the catalog"),
        ({"items": unit(1), "right": ["2"]}, "finds series, by which no search is refined"),
        ({"items": unit(1), "fold": 0.99}, "of which near duplicates are not known"),
        ({"items": unit(1) * 2}, "ask with one series of the catalog, or with slices of your own"),
        ({"items": unit(1)}, "an image is not in the catalog"),
        ({"items": unit(1), "path": "match", "id": "2"}, "where a match is, is not known"),
    ],
)  # fmt: skip
def test_what_is_not_offered_for_units_is_one_sentence(client, question, message):
    answer = ask(client, **question).json()
    assert message in answer["error"] and answer["error"].count("\n") == 0


def by_unit(volumes, split):
    """The slices of each series of a split, as (position, vector), by position."""
    pool, images = catalog(volumes, "volumes")
    vectors = image_vectors(volumes)
    ordered = images[images["unit"].isin(pool.index[pool["split"] == split])].sort_values(
        "position"
    )
    return {
        int(one): [(place, vectors[each]) for place, each in zip(here["position"], here["id"], strict=True)]
        for one, here in ordered.groupby("unit")
    }  # fmt: skip


def test_a_slab_finds_the_series_in_the_order_of_its_best_places(client, volumes):
    """Against plain loops: the best place in all series, then in all others, and so on."""
    index, asking = by_unit(volumes, "train"), by_unit(volumes, "test")
    _, images = catalog(volumes, "volumes")
    path = images.set_index("id")["path"]
    for query, own in asking.items():
        asked = [unit(query)[0] | {"slices": [1, 2]}]
        found = hits(ask(client, items=asked, place=True, k=200))
        left = dict(index)
        for hit in found:
            series, position = plain_place(own[2][0], own[1:], left)
            assert (int(hit["id"]), hit["nearest"]["position"]) == (series, position)
            center = [place for place, _ in index[series]].index(position)
            pairs = [
                cosine(own[each][1], index[series][center - 2 + each][1])
                for each in (1, 2) if center - 2 + each >= 0
            ]  # fmt: skip
            assert hit["score"] == pytest.approx(np.mean(pairs), abs=1e-4)
            part, theirs = hit["part"], images[images["unit"] == series].sort_values("position")
            assert (part["first"], part["last"]) == (max(center - 1, 0), center)
            assert (part["fit"], part["of"]) == (len(pairs), 2)
            assert part["first_file"] == f"data/ct/{theirs['path'].iloc[max(center - 1, 0)]}"
            assert hit["nearest"]["place"] == center and hit["slices"] == 3 and not part["turned"]
            middle = images[images["unit"] == query].sort_values("position")["id"].iloc[2]
            assert int(hit["nearest"]["query"]) == middle
            assert hit["nearest"]["file"] == f"data/ct/{path[int(hit['nearest']['id'])]}"
            del left[series]
        assert left == {}
    one = hits(ask(client, items=asked, place=True, k=200, per_patient=True))
    assert len(one) == (SERIES - 4) // 2 and one[0]["id"] == found[0]["id"]
    beside = [each for hit in one for each in hit["patient"]]
    assert len(beside) == (SERIES - 4) // 2 and all("part" in each for each in beside)
    some = hits(ask(client, items=asked, place=True, filters={"label": LABELS[:1]}))
    assert {each["labels"][0] for each in some} == set(LABELS[:1])


def test_a_slab_without_a_place_is_compared_with_whole_series(client, volumes):
    index, asking = by_unit(volumes, "train"), by_unit(volumes, "test")
    query, slices = next(iter(asking.items()))
    mean = np.mean([vector for _, vector in slices[:2]], axis=0)
    found = hits(ask(client, items=[unit(query)[0] | {"slices": [0, 1]}], k=200))
    for hit in found:
        whole = np.mean([vector for _, vector in index[int(hit["id"])]], axis=0)
        assert hit["score"] == pytest.approx(cosine(mean, whole), abs=2e-4)
        assert hit["nearest"]["query"] in [str(each) for each in catalog(volumes, "volumes")[1].query(f"unit == {query}").sort_values("position")["id"].iloc[:2]]  # fmt: skip
    whole = hits(ask(client, items=unit(query), k=200))
    assert [each["score"] for each in found] != [each["score"] for each in whole]


@pytest.mark.parametrize("model", ["thumbnail", "both", "whitened"])
def test_a_box_of_the_catalog_is_that_of_the_files_and_is_embedded_as_an_image(
    client, volumes, model
):
    pool, images = catalog(volumes, "volumes")
    query = pool.index[pool["split"] == "test"][2]
    ordered = images[images["unit"] == query].sort_values("position")
    files = [(volumes / "data/ct" / path).read_bytes() for path in ordered["path"]]
    box = [0.25, 0, 0.75, 0.5]
    asked = [unit(query)[0] | {"slices": [1, 1], "crop": box}]
    found = hits(ask(client, model=model, items=asked, place=True, k=200))
    upload = [{"kind": "upload", "file": 0, "crop": box}]
    same = hits(ask(client, model=model, files=files[1:2], items=upload, place=True, k=200))
    with Image.open(io.BytesIO(files[1])) as picture:
        width, height = picture.size
        cut = png(picture.crop((width // 4, 0, 3 * width // 4, height // 2)))
    apart = hits(ask(client, model=model, files=[cut], place=True, k=200))
    whole = hits(ask(client, model=model, files=files[1:2], place=True, k=200))
    for other in (same, apart):
        assert [each["id"] for each in other] == [each["id"] for each in found]
        assert [each["score"] for each in other] == pytest.approx(
            [each["score"] for each in found], abs=2e-4
        )
    assert [each["score"] for each in whole] != [each["score"] for each in found]
    assert all(each["part"]["first"] == each["part"]["last"] for each in found)
    # All slices in the box, from the catalog and from the files.
    found = hits(ask(client, model=model, items=[unit(query)[0] | {"crop": box}], place=True))
    items = [{"kind": "upload", "file": place, "crop": box} for place in range(3)]
    same = hits(ask(client, model=model, files=files, items=items, place=True))
    ahead = {each["id"]: each["score"] for each in same if not each["part"]["turned"]}
    assert ahead and all(
        each["score"] == pytest.approx(ahead[each["id"]], abs=2e-4)
        for each in found if each["id"] in ahead
    )  # fmt: skip


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"experiment": "volumes", "slices": [0, 3]}, "this series has 3 slices: choose from the first, 1, to the last, 3"),
        ({"experiment": "volumes", "slices": [2, 1]}, "do not go from a first to a last one"),
        ({"experiment": "patients", "slices": [2, 3]}, "are of several series or planes"),
    ],
)  # fmt: skip
def test_slices_that_make_no_slab_are_refused(client, volumes, question, message):
    experiment, slices = question.values()
    query = catalog(volumes, experiment)[0].index[-1]
    asked = [unit(query)[0] | {"slices": slices}]
    answer = ask(client, experiment, items=asked, place=True).json()
    said = answer.get("error") or answer["models"][0]["error"]
    assert message in said and said.count("\n") == 0


def test_of_a_large_index_the_most_similar_series_alone_are_laid_over(client, volumes, monkeypatch):
    query = next(iter(by_unit(volumes, "test")))
    asked = [unit(query)[0] | {"slices": [0, 1]}]
    everywhere = hits(ask(client, items=asked, place=True, k=200))
    pooled = [each["id"] for each in hits(ask(client, items=asked, k=200))]
    monkeypatch.setattr(places, "KEPT_BYTES", 0)
    monkeypatch.setattr(places, "CANDIDATES", 5)
    [answer] = ask(client, items=asked, place=True, k=200).json()["models"]
    assert answer["not_compared"] == SERIES - 4 - 5
    wanted = [each["id"] for each in everywhere if each["id"] in pooled[:5]]
    assert [each["id"] for each in answer["hits"]] == wanted


def test_the_page_says_what_is_retrieved_and_offers_no_words_and_no_map(client, volumes):
    found = {each["name"]: each for each in client.get("/api/setup").json()["experiments"]}
    assert [found[name]["unit"] for name in EXPERIMENTS] == ["series", "study", "patient"]
    assert [found[name]["images"] for name in EXPERIMENTS] == [SERIES - 4, *[SERIES // 2 - 2] * 2]
    assert [found[name]["patients"] for name in EXPERIMENTS] == [True, True, False]
    for each in found.values():
        assert each["missing"] == ""
        assert not any(model["patches"] or model["text"] for model in each["models"])
    vectors = volumes / "results/embeddings/thumbnail/ct.h5"
    vectors.rename(vectors.with_suffix(".away"))
    [missing] = client.get("/api/setup").json()["experiments"][1]["models"]
    vectors.with_suffix(".away").rename(vectors)
    assert "ct.h5 is missing, the vectors of the slices: run `snakemake" in missing["missing"]


def test_an_index_that_was_pooled_otherwise_is_not_asked(client, volumes):
    config = yaml.safe_load((volumes / "config/config.yaml").read_text())
    config["experiments"]["volumes"]["pooling"] = "median"
    found = experiments(Stored(Configuration(config, ["config/models"])))[0]["models"]
    for each in found:
        assert (
            "`pooling:` of the experiment has changed since its index was made" in each["missing"]
        )


# --- the target `query`
# -----------------------------------------------------------------------------------------------


def known_neighbors(volumes, experiment, model, k):
    """Query -> its first neighbors and scores in the experiment's own table."""
    path = volumes / f"results/experiments/{experiment}/{model}/knn/test.parquet"
    table = pd.read_parquet(path).sort_values(["query", "rank"])
    table = table[table["rank"] <= k]
    return {query: (rows["neighbor"].tolist(), rows["score"].tolist()) for query, rows in table.groupby("query")}  # fmt: skip


def target(volumes, name, **query):
    """Run the target `query`; its jobs, its table and its ledger."""
    asked = json.dumps(query | {"name": name})
    jobs = volumes.run("query", "--config", f"query={asked}")
    folder = volumes / f"results/queries/{name}"
    table = pd.read_csv(folder / "neighbors.csv", keep_default_na=False)
    return jobs, table, pd.read_csv(folder / "ledger.csv", keep_default_na=False)


def test_folders_of_slices_find_what_their_series_find(client, volumes):
    """Five folders: one of the index, one of another split with a slice that is cut off."""
    pool, images = catalog(volumes, "volumes")
    folders = {path.split("/")[0]: query for query, path in pool["path"].items()}
    shutil.copytree(volumes / "data/ct/s22", volumes / "ask/ü <b>")
    (volumes / "ask/ü <b>/cut.png").write_bytes((volumes / "ask/ü <b>/0.png").read_bytes()[:99])
    (volumes / "ask/ü <b>/notes").write_text("no image")
    given = [f"data/ct/s{number}" for number in (20, 21, 22, 23)] + ["ask", "data/ct/s20/1.png"]
    asked = {"images": given, "experiment": "volumes", "k": 4}
    jobs, table, ledger = target(volumes, "series", **asked)
    assert jobs["query_list"] == jobs["query_unit_results"] == jobs["adapt_query"] == 1
    assert (jobs["embed_query"], jobs["fuse_query"], jobs["pool_query"]) == (2, 1, 2)
    assert jobs["query_neighbors"] == 3 and jobs["query_results"] == jobs["knn"] == 0
    assert set(table["query"]) == {*given[:4], "ask/ü <b>"}, "a slice of a folder is no query twice"
    assert set(table["query_slices"]) == set(table["neighbor_slices"]) == {3}
    for model in ("thumbnail", "whitened"):
        known = known_neighbors(volumes, "volumes", model, 4)
        for name, rows in table[table["model"] == model].groupby("query"):
            neighbors, scores = known[folders["s22" if name.startswith("ask") else name[-3:]]]
            assert rows["neighbor_id"].tolist() == neighbors
            np.testing.assert_allclose(rows["score"], scores, rtol=0, atol=1e-6)
    both = table[table["model"] == "both"]
    assert both["neighbor_id"].tolist() and (both["chance"] == "").all()
    # What the table says of each hit is what the catalog says, and the slices are those of the page.
    known = pool.loc[table["neighbor_id"]]
    assert table["labels"].tolist() == known["label"].tolist()
    assert table["study_id"].tolist() == known["study_id"].tolist()
    assert table["patient_id"].tolist() == known["patient_id"].tolist()
    one = table[(table["query"] == given[0]) & (table["model"] == "whitened")].reset_index()
    wanted = hits(ask(client, "volumes", "whitened", items=unit(folders["s20"]), k=4))
    paths = images.set_index("id")["path"]
    for row, hit in zip(one.to_dict("records"), wanted, strict=True):
        assert str(row["neighbor_id"]) == hit["id"]
        assert f"data/ct/{row['neighbor']}" == hit["nearest"]["file"]
        assert row["query_slice"] == f"data/ct/{paths[int(hit['nearest']['query'])]}"
    assert ledger.to_numpy().tolist() == [
        ["ask/ü <b>/cut.png", "slice", "", "truncated"],
        ["ask/ü <b>/notes", "slice", "", "not an image"],
    ]
    page = (volumes / "results/queries/series/gallery.html").read_text()
    assert "5 of 5 query series searched" in page and "the nearest series of the index" in page
    assert "ask/ü &lt;b&gt;" in page and "4 slices" in page and "like 2 of the query" in page
    assert page.count("data:image/jpeg") > 10 and "http" not in page
    again = json.dumps(asked | {"name": "series"})
    assert "Nothing to be done" in volumes.snakemake("query", "--config", f"query={again}")


@pytest.mark.parametrize("experiment", ["studies", "patients"])
def test_a_table_names_the_units_of_its_rows_as_a_dataset_does(volumes, experiment):
    pool, images = catalog(volumes, experiment)
    with open(volumes / "data/ct.csv", newline="") as handle:
        listed = [row for row in csv.DictReader(handle) if row["split"] == "test"]
    with open(volumes / "data/ct/list.csv", "w", newline="") as handle:
        writer = csv.DictWriter(handle, list(listed[0]))
        writer.writeheader()
        writer.writerows([*listed, listed[0] | {"filepath": "gone.png", "patient_id": "p", "study_id": "t"}])  # fmt: skip
    _, table, ledger = target(volumes, "listed", images="data/ct/list.csv", experiment=experiment, k=5)  # fmt: skip
    known = known_neighbors(volumes, experiment, "thumbnail", 5)
    names = {
        query: "/".join(filter(None, [row["patient_id"].split(":")[1], row["study_id"] if experiment == "studies" else ""]))
        for query, row in pool.loc[list(known)].iterrows()
    }  # fmt: skip
    assert set(table["query"]) == set(names.values()) and len(names) == 2
    for query, (neighbors, scores) in known.items():
        rows = table[table["query"] == names[query]]
        assert rows["neighbor_id"].tolist() == neighbors
        np.testing.assert_allclose(rows["score"], scores, rtol=0, atol=1e-6)
        assert set(rows["query_slices"]) == {(images["unit"] == query).sum()} == {6}
    gone = "p/t" if experiment == "studies" else "p"
    assert ledger.to_numpy().tolist() == [
        ["data/ct/gone.png", "slice", "", "missing"],
        [gone, "query", "", "nothing of it is embedded"],
    ]


# --- the page
# ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def link(volumes):
    with running(volumes, "config/config.yaml", snakemake=False) as link:
        yield link


@pytest.fixture
def page(browser, link):
    with opened(browser, link, viewport={"width": 1280, "height": 720}) as page:
        yield page


def ask_with_sample(page):
    page.get_by_text("Start from a ").click()
    page.locator("#samples button").first.click()
    return shown(page)


def open_viewer(page):
    page.locator(".hit .picture").first.click()
    until(page, "[...document.querySelectorAll('.readout')].every(each => each.textContent)")
    until(page, "document.querySelectorAll('.slices button').length === 4")


def test_the_page_shows_series_and_steps_through_their_slices(page, client, volumes):
    pool, images = catalog(volumes, "volumes")
    assert page.locator("#experiment").input_value() == "volumes"
    assert page.inner_text("#filtered") == f"{SERIES - 4} series"
    page.uncheck("#per-patient")
    ask_with_sample(page)
    asked = page.evaluate("location.hash").split("image=")[1]
    assert pool["split"][int(asked)] == "test"
    wanted = hits(ask(client, page.locator("#experiment").input_value(), page.locator("#model").input_value(), items=unit(asked), k=24))  # fmt: skip
    cards = page.locator(".hit")
    assert [each.get_attribute("data-id") for each in cards.all()] == [each["id"] for each in wanted]  # fmt: skip
    first = wanted[0]
    text = cards.first.inner_text()
    at = f"{first['nearest']['position']:g}\u00a0mm"
    assert f"3 slices, number {first['nearest']['place'] + 1} is shown (at {at})" in text
    patient = first["patient_id"].split(":")[1]
    assert f"patient {patient} · study t{patient[1:]}" in text
    assert f"{first['score']:.3f}" in text
    picture = cards.first.locator("img").get_attribute("data-path")
    assert picture.startswith(f"/api/image/volumes/{first['nearest']['id']}?")
    assert "3 slices" in page.inner_text("#items")

    open_viewer(page)
    order = images.sort_values("position").groupby("unit")["id"].agg(list)
    for place, hit in enumerate(wanted[:3]):
        if place:
            page.keyboard.press("ArrowRight")
        own = order[int(asked)].index(int(hit["nearest"]["query"])) + 1
        theirs = hit["nearest"]["place"] + 1
        of = "3 (of the series), the nearest slice of the"
        until(page, f"document.querySelectorAll('.slices')[0].textContent.includes('{own} of {of} query')")  # fmt: skip
        until(page, f"document.querySelectorAll('.slices')[1].textContent.includes('{theirs} of {of} result')")  # fmt: skip
        path = images.set_index("id")["path"][int(hit["nearest"]["id"])]
        assert path in page.locator("#detail dl").last.inner_text()
    down = theirs < 3
    page.keyboard.press("ArrowDown" if down else "ArrowUp")
    until(page, f"document.querySelectorAll('.slices')[1].textContent.includes('1 {'after' if down else 'before'} the nearest slice of the result')")  # fmt: skip
    neighbor = order[int(hit["id"])][theirs if down else theirs - 2]
    path = images.set_index("id")["path"][neighbor]
    until(page, f"document.querySelectorAll('.screen canvas')[1].ariaLabel.includes({json.dumps(path)})")  # fmt: skip
    # What is said and taken along is of the slice that is shown; the similarity was of another pair.
    position = images.set_index("id")["position"][neighbor]
    said = page.locator("#detail dl").last.inner_text()
    assert f"position of the slice that is shown\n{position:g}\u00a0mm" in said
    assert f"file of the slice that is shown\ndata/ct/{path}" in said
    assert "similarity of these two slices" not in said
    own = order[int(asked)].index(int(hit["nearest"]["query"]))
    of_query = images.set_index("id")["path"][order[int(asked)][own]]
    assert of_query in page.locator("#detail dl").first.inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy path").click()
    until(page, "document.querySelector('#detail').textContent.includes('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == f"data/ct/{path}"
    with page.expect_download() as download:
        page.get_by_role("button", name="Original file").click()
    assert download.value.suggested_filename == path.split("/")[-1]
    assert Path(download.value.path()).read_bytes() == (volumes / "data/ct" / path).read_bytes()
    page.locator(".screen canvas").last.click()
    page.keyboard.press("ArrowUp" if down else "ArrowDown")
    until(page, "document.querySelector('#detail').textContent.includes('of these two slices')")
    said = page.locator("#detail dl").last.inner_text()
    assert f"similarity of these two slices\n{hit['nearest']['score']:.4f}" in said
    assert "Copied" not in page.inner_text("#detail")


def test_the_page_offers_for_series_what_it_can(page, volumes):
    ask_with_sample(page)
    for each in ("#fold-row", "#threshold-row", "#refine", "#clear", "#text-row"):
        assert page.locator(each).is_hidden(), each
    assert page.locator(".hit .yes, .hit .no").count() == 0
    assert page.get_by_role("button", name="Where?").count() == 0
    assert page.get_by_text("Region (drag on the image)").count() == 1
    # One result per patient, with the other series of that patient below.
    assert page.locator(".hit").count() == (SERIES - 4) // 2
    page.get_by_text("+ 1 series of this patient").first.click()
    page.locator(".twins button").first.click()
    until(page, "document.querySelectorAll('.slices button').length === 4")
    assert page.inner_text("#detail-place") == "2 of 2"
    assert page.get_by_role("button", name="Mark as right: this result").count() == 0
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.click("#export")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert {row["slices"] for row in rows} == {"3"}
    assert all(row["slice"].startswith("data/ct/s") for row in rows if not row["folded"])
    page.select_option("#experiment", "patients")
    assert page.inner_text("#filtered") == f"{SERIES // 2 - 2} patients"
    assert page.locator("#patients-row").is_hidden()


def test_slices_of_a_series_are_dropped_as_one_query(page, client, volumes):
    pool, images = catalog(volumes, "volumes")
    query = pool.index[pool["split"] == "test"][1]
    _, files = files_of(volumes, images, query)
    wanted = hits(ask(client, "volumes", page.locator("#model").input_value(), files=files, k=24, per_patient=True))  # fmt: skip
    dropped = [
        {"name": f"IM{9 + place}.png", "mimeType": "image/png", "buffer": content}
        for place, content in enumerate(files)
    ]
    page.set_input_files("#files", dropped[::-1])
    shown(page)
    until(page, "document.querySelectorAll('#items li').length === 3")
    listed = page.locator("#items li .head span").all_inner_texts()
    assert listed == ["IM9.png", "IM10.png", "IM11.png"]
    assert [each.get_attribute("data-id") for each in page.locator(".hit").all()] == [each["id"] for each in wanted]  # fmt: skip
    assert page.locator("#measured").is_hidden()
    assert barriers(page) == []
    open_viewer(page)
    own = int(wanted[0]["nearest"]["query"])
    line = page.locator(".slices").first
    assert f"{own + 1} of 3 (uploaded), the nearest slice of the query" in line.inner_text()
    page.locator(".screen canvas").first.click()
    down = own < 2
    page.keyboard.press("ArrowDown" if down else "ArrowUp")
    other = own + (1 if down else -1)
    until(
        page, f"document.querySelector('.screen canvas').ariaLabel === 'Query: IM{9 + other}.png'"
    )
    assert f"{other + 1} of 3 (uploaded)" in line.inner_text()
    assert page.locator("figcaption .known").first.inner_text() == f"IM{9 + other}.png"
    page.keyboard.press("Escape")
    # One box is for all slices, and makes a part of them.
    page.get_by_text("Region (drag on the image)").click()
    page.get_by_label("Region: right in percent").fill("50")
    page.get_by_label("Region: right in percent").press("Enter")
    until(
        page,
        "document.querySelector('#measured').textContent.includes('has a region and an order')",
    )
    items = [{"kind": "upload", "file": place, "crop": [0, 0, 0.5, 1]} for place in range(3)]
    wanted = hits(ask(client, model=page.locator("#model").input_value(), files=files, items=items, k=24, per_patient=True, place=True))  # fmt: skip
    shown(page)
    assert [each.get_attribute("data-id") for each in page.locator(".hit").all()] == [each["id"] for each in wanted]  # fmt: skip
    boxes = page.locator("#items .box")
    assert boxes.count() == 3 and all(each.is_visible() for each in boxes.all())
    for _ in range(2):
        page.locator("#items").get_by_role("button", name="Remove").first.click()
    until(page, "document.querySelector('#measured').textContent.includes('a single slice')")
    assert "P@1 is about whole series" in page.inner_text("#measured")


def test_dicom_slices_that_are_dropped_lie_by_their_positions(page, tmp_path):
    random = np.random.default_rng(4)

    def slice_at(name, height):
        where = {"ImagePositionPatient": height and [0, 0, height]}
        path = dicom_series.write(tmp_path / name, random.integers(0, 255, (40, 40)).astype(np.uint8), **where)  # fmt: skip
        return {"name": name, "mimeType": "", "buffer": path.read_bytes()}

    def listed(count):
        until(page, f"document.querySelectorAll('#items li').length === {count}")
        return page.locator("#items li .head span").all_inner_texts()

    heights = {"a.dcm": 20.0, "b.dcm": -5.0, "c.dcm": 10.0}
    page.set_input_files("#files", [slice_at(*each) for each in heights.items()])
    shown(page)
    assert listed(3) == ["b.dcm", "c.dcm", "a.dcm"]
    page.set_input_files("#files", [slice_at("d.dcm", 5.0)])
    assert listed(4) == ["b.dcm", "d.dcm", "c.dcm", "a.dcm"]
    shown(page)
    open_viewer(page)
    line = page.locator(".slices").first
    page.locator(".screen canvas").first.click()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    names = [page.locator("figcaption .known").first.inner_text()]
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        names.append(page.locator("figcaption .known").first.inner_text())
    assert names == ["b.dcm", "d.dcm", "c.dcm", "a.dcm"]
    assert "4 of 4 (uploaded, by position)" in line.inner_text()
    page.keyboard.press("Escape")
    # One that says no position: nobody knows where it lies.
    page.set_input_files("#files", [slice_at("0.dcm", None)])
    assert listed(5)[-1] == "0.dcm"


def test_a_volume_is_asked_with_all_its_slices(page, client, volumes):
    """A volume of six slices, the first three of another shape."""
    voxels = np.zeros((48, 48, 6), np.uint8)
    voxels[8:40, 20:28, :3], voxels[20:28, 8:40, 3:] = 200, 200
    content = gzip.compress(nibabel.Nifti1Image(voxels, np.diag([1, 1, 2.5, 1])).to_bytes(), 1)
    model = page.locator("#model").input_value()

    def wanted(*places, crop=None, **more):
        items = [
            {"kind": "upload", "file": 0, "part": {"axial": each}, "crop": crop} for each in places
        ]
        asked = {"experiment": "volumes", "models": [model], "k": 24, "fold": None, "items": items}
        data = {"question": json.dumps(asked | {"per_patient": True} | more)}
        found = hits(client.post("/api/search", data=data, files=[("file", ("a.nii.gz", content))]))
        return [
            str(Decimal(each["score"]).quantize(Decimal("0.001"), ROUND_HALF_UP)) for each in found
        ], found

    page.set_input_files("#files", {"name": "a.nii.gz", "mimeType": "", "buffer": content})
    scores, found = wanted(*range(6))
    assert shown(page, ".hit .line span") == scores
    assert page.get_by_label("All 6 slices").is_checked()
    assert not page.get_by_label("Order by where the query fits best").is_checked()
    assert page.locator("#measured").is_hidden()
    open_viewer(page)
    own = int(found[0]["nearest"]["query"])
    assert page.locator(".slices").first.inner_text().endswith(f"{own + 1} of 6 (uploaded), the nearest slice of the query")  # fmt: skip
    label = page.locator(".screen canvas").first.get_attribute("aria-label")
    assert label == f"Query: a.nii.gz, axial {own}"
    page.keyboard.press("Escape")
    page.get_by_label("All 6 slices").uncheck()
    until(page, "document.querySelector('#measured').textContent.includes('a single slice')")
    assert shown(page, ".hit .line span") == wanted(3, place=True)[0] != scores
    page.get_by_label("Order by where the query fits best").uncheck()
    until(page, "!document.querySelector('#measured').textContent.includes('best place')")
    assert shown(page, ".hit .line span") == wanted(3)[0] != scores

    # A slab, then a box in it, ordered by the best place.
    page.get_by_label("Order by where the query fits best").check()
    page.get_by_label("axial number").fill("1")
    page.get_by_label("axial number").press("Enter")
    until(page, "document.querySelector('.slab input').value === '1'")
    page.get_by_role("button", name="From here").click()
    page.get_by_label("Last slice that is asked with").fill("3")
    page.get_by_label("Last slice that is asked with").press("Enter")
    until(
        page, "document.querySelector('#measured').textContent.includes('some slices and an order')"
    )
    scores, found = wanted(1, 2, 3, place=True)
    assert shown(page, ".hit .line span") == scores
    first = found[0]
    where = "slices {} to {} of 3".format(*(first["part"][each] + 1 for each in ("first", "last")))
    where += ", the other way round" * first["part"]["turned"]
    at = f"{first['nearest']['position']:g}\u00a0mm"
    fit = "" if first["part"]["fit"] == 3 else f", {first['part']['fit']} of 3 slices fit"
    assert page.locator(".hit .place").first.inner_text() == f"{where}, at {at}{fit}"
    assert all(each["part"]["fit"] in (2, 3) and each["part"]["of"] == 3 for each in found)
    partly = sum(each["part"]["fit"] == 2 for each in found)
    assert partly and page.get_by_text("2 of 3 slices fit").count() == partly
    assert "A region is compared" not in page.inner_text("#measured")
    assert barriers(page) == []
    page.get_by_text("Region (drag on the image)").click()
    page.get_by_label("Region: right in percent").fill("50")
    page.get_by_label("Region: right in percent").press("Enter")
    until(
        page,
        "document.querySelector('#measured').textContent.includes('has a region, some slices')",
    )
    boxed, found = wanted(1, 2, 3, crop=[0, 0, 0.5, 1], place=True)
    assert shown(page, ".hit .line span") == boxed != scores
    assert "A region is compared with whole slices, so that scores are lower." in page.inner_text("#measured")  # fmt: skip
    with page.expect_download() as download:
        page.click("#export")
    row = next(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    first = found[0]
    assert (row["first_slice"], row["last_slice"]) == (
        first["part"]["first_file"],
        first["part"]["last_file"],
    )
    assert float(row["position_mm"]) == first["nearest"]["position"]
    assert row["slice"] == first["nearest"]["file"]
    open_viewer(page)
    lines = page.locator(".slices").all_inner_texts()
    assert lines[0].endswith("3 of 6 (uploaded), the middle of the query")
    assert lines[1].endswith(
        f"{first['nearest']['place'] + 1} of 3 (of the series), the middle of the place"
    )
    assert (
        f"{first['nearest']['position']:g}\u00a0mm" in page.locator("#detail dl").last.inner_text()
    )
    assert barriers(page) == []


def test_slices_of_a_series_of_the_catalog_are_asked_with(page, client):
    page.uncheck("#per-patient")
    ask_with_sample(page)
    assert not page.get_by_label("Order by where the query fits best").is_checked()
    asked = page.evaluate("location.hash").split("image=")[1].split("&")[0]
    model = page.locator("#model").input_value()
    page.get_by_label("Slice that is shown").fill("3")
    page.get_by_label("Slice that is shown").press("Enter")
    until(page, "document.querySelector('[aria-label=\"Slice that is shown\"]').value === '3'")
    page.get_by_role("button", name="To here").click()
    page.get_by_label("First slice that is asked with").fill("2")
    page.get_by_label("First slice that is asked with").press("Enter")
    until(
        page, "document.querySelector('#measured').textContent.includes('some slices and an order')"
    )
    assert page.get_by_label("Order by where the query fits best").is_checked()
    slab = unit(asked)[0] | {"slices": [1, 2]}
    found = hits(ask(client, model=model, items=[slab], place=True, k=24))
    listed = [each.get_attribute("data-id") for each in page.locator(".hit").all()]
    shown(page)
    assert listed == [each["id"] for each in found]
    picture = page.locator(".hit img").first.get_attribute("data-path")
    assert picture.startswith(f"/api/image/volumes/{found[0]['nearest']['id']}?")
    open_viewer(page)
    assert (
        page.locator(".slices")
        .first.inner_text()
        .endswith("3 of 3 (of the series), the middle of the query")
    )
    page.keyboard.press("Escape")
    page.get_by_label("All 3 slices").check()
    until(page, "document.querySelector('#measured').hidden")
    whole = hits(ask(client, model=model, items=unit(asked), k=24))
    listed = [each.get_attribute("data-id") for each in page.locator(".hit").all()]
    assert listed == [each["id"] for each in whole]


def focused(page):
    """What the control is called that has the focus."""
    page.wait_for_timeout(50)  # the cards are drawn after the change
    return page.evaluate(
        "(({ariaLabel, parentElement, textContent, tagName}) => tagName === 'BODY' ? 'body' :"
        " (ariaLabel ?? (textContent || parentElement.textContent)).trim())(document.activeElement)"
    )


def volume(*shape):
    voxels = np.random.default_rng(5).integers(0, 200, shape).astype(np.uint8)
    content = nibabel.Nifti1Image(voxels, np.diag([1, 1, 2.5, 1])).to_bytes()
    return {"name": "a.nii", "mimeType": "", "buffer": content}


def test_the_controls_of_the_query_keep_the_focus_when_they_change_something(page):
    page.set_input_files("#files", volume(24, 24, 6))
    shown(page)
    page.get_by_label("First slice that is asked with").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    shown(page)
    assert focused(page) == "First slice that is asked with"
    assert page.get_by_label("First slice that is asked with").input_value() == "2"
    page.keyboard.press("Tab")
    page.keyboard.type("4")
    page.keyboard.press("Tab")
    assert focused(page) == "From here", "the change does not hold up who goes on"
    page.keyboard.press("Enter")
    shown(page)
    assert focused(page) == "From here"
    assert page.get_by_label("First slice that is asked with").input_value() == "3"
    page.get_by_label("All 6 slices").focus()
    for _ in range(2):
        page.keyboard.press("Space")
        assert focused(page) == "All 6 slices"
    page.get_by_label("axial number").focus()
    page.keyboard.press("ArrowUp")
    until(page, "document.querySelector('[aria-label=\"axial number\"]').value === '4'")
    shown(page)
    assert focused(page) == "axial number"
    page.get_by_label("Plane").select_option("coronal")
    until(page, "document.querySelector('[aria-label=\"coronal number\"]') !== null")
    page.get_by_text("Region (drag on the image)").click()
    page.get_by_label("Region: right in percent").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Whole image").focus()
    page.keyboard.press("Enter")
    assert focused(page) == "Region: left in percent"
    page.get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(50)
    assert page.evaluate("document.activeElement.id") == "files"


def test_of_several_parts_and_of_a_series_the_controls_keep_the_focus(page):
    page.set_input_files("#files", [volume(24, 24, 6), volume(24, 24, 6) | {"name": "b.nii"}])
    shown(page)
    page.get_by_text("Region (drag on the image)").click()
    page.get_by_label("Region: right in percent").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("body:not(.busy)")
    assert focused(page) == "Region: right in percent", "and its fields are still unfolded"
    second = page.locator("#items li").nth(1)
    second.get_by_label("Last slice that is asked with").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("body:not(.busy)")
    assert focused(page) == "Last slice that is asked with"
    assert second.evaluate("each => each.contains(document.activeElement)")
    for _ in range(2):
        page.locator("#items").get_by_role("button", name="Remove").first.click()
    ask_with_sample(page)
    page.get_by_label("Slice that is shown").focus()
    page.keyboard.press("ArrowUp")
    assert focused(page) == "Slice that is shown"


def test_a_number_that_is_emptied_keeps_the_value_before(page):
    page.set_input_files("#files", volume(24, 24, 6))
    shown(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_text("Region (drag on the image)").click()
    for label, value in (
        ("First slice that is asked with", "0"),
        ("Last slice that is asked with", "5"),
        ("axial number", "3"),
        ("Region: right in percent", "100"),
        ("Results", "24"),
    ):
        field = page.get_by_role("spinbutton", name=label, exact=True)
        field.fill("")
        field.press("Tab")
        assert field.input_value() == value
    assert page.get_by_label("All 6 slices").is_checked()
    page.wait_for_timeout(100)
    assert not any("/api/search" in each for each in asked)
    page.get_by_label("Last slice that is asked with").fill("4")
    page.get_by_label("Last slice that is asked with").press("Tab")
    page.wait_for_timeout(50)
    page.get_by_label("Last slice that is asked with").fill("")
    page.get_by_label("Last slice that is asked with").press("Tab")
    assert page.get_by_label("Last slice that is asked with").input_value() == "4"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_fields_of_several_volumes_have_room_in_their_cards(browser, link, width):
    with opened(browser, link, viewport={"width": width, "height": 900}) as page:
        page.set_input_files("#files", [volume(24, 24, 6), volume(24, 24, 40)])
        until(page, "document.querySelectorAll('#items li').length === 2")
        page.get_by_text("Region (drag on the image)").click()
        assert page.evaluate(
            "[...document.querySelectorAll('#items li')].every(each => each.scrollWidth <= each.clientWidth)"
        )
        fields = page.locator("#items input[type=number]")
        assert fields.count() == 10 and all(each.bounding_box()["width"] > 40 for each in fields.all())  # fmt: skip


def test_after_an_error_there_are_no_results_of_the_query_before(page):
    ask_with_sample(page)
    page.fill("#uid", "1.2.3")
    page.click("#find")
    until(page, "document.querySelector('#error').checkVisibility()")
    assert page.locator(".hit").count() == 0 and page.locator("#export").is_disabled()
    assert page.inner_text("#status") == ""
    page.click("#search")
    shown(page)
    assert page.locator("#error").is_hidden()


def test_the_keys_of_the_viewer_go_on_after_its_buttons(page):
    ask_with_sample(page)
    open_viewer(page)
    line = page.locator(".slices").nth(1)
    at, count = map(int, re.search(r"(\d+) of (\d+)", line.inner_text()).groups())
    down = at < count
    line.get_by_role("button", name="Slice after" if down else "Slice before").click()
    assert focused(page) == f"Slice {'after' if down else 'before'}: the result"
    page.keyboard.press("ArrowUp" if down else "ArrowDown")
    assert f"{at} of {count}" in line.inner_text()
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#detail-place").startswith("2 of")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#detail-place").startswith("1 of")
    # The buttons of the query: the keys go on with its slices.
    until(page, "document.querySelectorAll('.slices button').length === 4")
    line = page.locator(".slices").first
    at, count = map(int, re.search(r"(\d+) of (\d+)", line.inner_text()).groups())
    down = at < count
    line.get_by_role("button", name="Slice after" if down else "Slice before").click()
    page.keyboard.press("ArrowUp" if down else "ArrowDown")
    assert f"{at} of {count}" in line.inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_a_uid_is_asked_with_and_one_of_several_series_is_chosen(browser, link, client, volumes):
    pool, _ = catalog(volumes, "volumes")
    size = {"width": 1280, "height": 720}
    with opened(browser, link, viewport=size) as page:
        page.fill("#uid", "1.2.3")
        page.press("#uid", "Enter")
        until(page, "document.querySelector('#error').checkVisibility()")
        assert page.inner_text("#error").startswith("No series of the experiment 'volumes' has the")
        page.fill("#uid", "t9")
        page.click("#find")
        until(page, "document.querySelectorAll('#named button').length === 2")
        assert page.locator("#error").is_hidden()
        assert "It belongs to 2 series: choose one." in page.inner_text("#named")
        assert "study t9 · 3 slices" in page.locator("#named button").first.inner_text()
        assert barriers(page) == []
        page.locator("#named button").last.click()
        shown(page)
        asked = int(page.evaluate("location.hash").split("image=")[1])
        assert pool["study_id"][asked] == "t9"
        assert page.locator("#named button").count() == 0
    with opened(browser, link + "#experiment=studies&uid=t11&patients=all", viewport=size) as page:
        shown(page)
        studies, _ = catalog(volumes, "studies")
        [query] = studies.index[studies["study_id"] == "t11"]
        wanted = hits(ask(client, "studies", items=unit(query)))
        listed = [each.get_attribute("data-id") for each in page.locator(".hit").all()]
        assert listed == [each["id"] for each in wanted]
        assert f"image={query}" in page.evaluate("location.hash")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_where_series_are_shown(browser, link, scheme):
    size = {"width": 1280, "height": 720}
    with opened(browser, link, viewport=size, color_scheme=scheme) as page:
        ask_with_sample(page)
        page.get_by_text("+ 1 series of this patient").first.click()
        assert barriers(page) == []
        open_viewer(page)
        assert barriers(page) == []
