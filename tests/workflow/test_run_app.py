"""The page of queries: the server's answers and refusals, then the page itself in a headless
browser."""

import contextlib
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import faiss
import httpx
import nibabel
import numpy as np
import open_clip
import pandas as pd
import psutil
import pytest
import tiny_clip
import torch
import yaml
from conftest import CONFIG, PATTERNS, REPOSITORY, Project, draw
from live_page import LINK, barriers, copy_of, drop, opened, png, running, shown, started, until
from PIL import Image
from safetensors.torch import load_file
from starlette.testclient import TestClient

from radcbir.app.engine import Engine
from radcbir.app.routes import KEY_HEADER, application
from radcbir.project.configuration import Project as Configuration
from radcbir.retrieval import index_file

KEY, BASE = "the-key", "http://127.0.0.1"
LABELS = list(PATTERNS)


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    """A copy of the finished project, with small limits and one more model, which was never run."""
    config = CONFIG | {"models": [*CONFIG["models"], "random-resnet18"]}
    config |= {"app": {"port": 0, "upload_megabytes": 1, "megapixels": 1}}
    return copy_of(finished, Project(tmp_path_factory.mktemp("app") / "project"), config)


@pytest.fixture(scope="module")
def client(served):
    before = Path.cwd()
    os.chdir(served.folder)
    engine = Engine(Configuration(served.config, ["config/models"]), pixels=1_000_000)
    client = TestClient(application(engine, 1, KEY), base_url=BASE, headers={KEY_HEADER: KEY})
    yield client
    engine.close()
    os.chdir(before)


def ask(client, path="search", files=(), **question):
    asked = {"experiment": "findings", "models": ["thumbnail"], "k": 5, "fold": None} | question
    asked.setdefault("items", [{"kind": "upload", "file": place} for place in range(len(files))])
    parts = [("file", ("x.png", each)) for each in files]
    return client.post(
        f"/api/{path}", data={"question": json.dumps(asked)}, files=parts or [("none", ("", b""))]
    )


def hits(response, place=0):
    assert response.status_code == 200, response.text
    answer = response.json()["models"][place]
    assert answer["error"] == ""
    return answer["hits"]


# --- answers
# --------------------------------------------------------------------------------------------------------


def test_the_page_says_what_there_is_and_what_to_run(client):
    (experiment,) = client.get("/api/setup").json()["experiments"]
    models = {each["slug"]: each for each in experiment["models"]}
    assert models["thumbnail"]["missing"] == models["histogram"]["missing"] == ""
    run = (
        "run `snakemake --cores all results/experiments/findings/random-resnet18/index/train.faiss`"
    )
    assert models["random-resnet18"]["missing"] == f"no index yet: {run}"
    assert experiment["facets"]["modality"] == {"CT": 12, "XR": 12}
    assert (
        run
        in ask(client, files=[png(draw(0, 1))], models=["random-resnet18"]).json()["models"][0][
            "error"
        ]
    )


def test_an_image_of_the_index_finds_itself_and_a_filter_is_brute_force(client, served):
    catalog = pd.read_parquet(served / "results/experiments/findings/catalog.parquet")
    index = index_file.read_index(
        served / "results/experiments/findings/thumbnail/index/train.faiss"
    )
    image = catalog[catalog["split"] == "train"].iloc[3]
    content = (served / "data/images" / image["path"]).read_bytes()
    found = hits(ask(client, files=[content]))
    assert (found[0]["id"], found[0]["score"]) == (str(image["id"]), 1.0)
    assert found[0]["file"] == str(Path("data/images", image["path"]))
    # The index image's stored vector against all that pass, by hand.
    vectors = {
        int(each): index.reconstruct(int(each))
        for each in catalog[catalog["split"] == "train"]["id"]
    }
    passing = catalog[(catalog["split"] == "train") & (catalog["label"].isin(LABELS[1:3]))]["id"]
    scores = pd.Series({each: float(vectors[each] @ vectors[image["id"]]) for each in passing})
    wanted = scores.sort_values(ascending=False)[:5]
    found = hits(ask(client, files=[content], filters={"label": LABELS[1:3]}))
    assert [each["id"] for each in found] == [str(each) for each in wanted.index]
    assert np.allclose([each["score"] for each in found], wanted, atol=1e-4)


def test_an_image_of_the_catalog_is_asked_by_its_stored_vector_and_does_not_find_itself(
    client, served
):
    catalog = pd.read_parquet(served / "results/experiments/findings/catalog.parquet")
    for split in ("train", "test"):
        image = catalog[catalog["split"] == split].iloc[0]
        found = hits(
            ask(
                client,
                items=[{"kind": "image", "id": str(image["id"])}],
                models=["thumbnail", "histogram"],
            )
        )
        content = (served / "data/images" / image["path"]).read_bytes()
        again = hits(ask(client, files=[content], k=6))
        assert [each["id"] for each in found] == [
            each["id"] for each in again if each["id"] != str(image["id"])
        ][:5]


def test_marks_refine_and_wrong_images_are_left_out(client):
    content = png(draw(0, 900))
    first = hits(ask(client, files=[content], k=24))
    wrong = [each["id"] for each in first if each["labels"] != [LABELS[0]]][:3]
    right = [each["id"] for each in first if each["labels"] == [LABELS[0]]][:2]
    refined = hits(ask(client, files=[content], k=24, right=right, wrong=wrong))
    assert len(refined) == 24 - len(wrong)
    assert not set(wrong) & {each["id"] for each in refined}
    before = {each["id"]: each["score"] for each in first}
    assert all(each["score"] > before[each["id"]] for each in refined if each["id"] in right)


def test_several_images_are_asked_by_their_mean_and_near_duplicates_fold(client):
    two = [png(draw(0, 900)), png(draw(3, 901))]
    labels = {each["labels"][0] for each in hits(ask(client, files=two, k=8))}
    assert {LABELS[0], LABELS[3]} <= labels
    apart = hits(ask(client, files=two[:1], models=["histogram"], k=24))
    folded = hits(ask(client, files=two[:1], models=["histogram"], k=24, fold=0.99))
    assert len(folded) < 24
    assert sorted([each["id"] for hit in folded for each in [hit, *hit["folded"]]]) == sorted(
        each["id"] for each in apart
    )


def test_a_region_is_asked_instead_of_the_image(client):
    beside = np.hstack([np.asarray(draw(2, 900)), np.asarray(draw(0, 901))])
    content = png(Image.fromarray(beside))
    half = [{"kind": "upload", "file": 0, "crop": [0.5, 0, 1, 1]}]
    assert hits(ask(client, files=[content], items=half)) == hits(
        ask(client, files=[png(draw(0, 901))])
    )


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"items": []}, "the query is empty: drop an image"),
        ({"items": [{"kind": "text", "text": "  "}]}, "the text is empty: type what to look for"),
        (
            {"items": [{"kind": "text", "text": "a" * 1001}]},
            "the text has 1001 characters: 1000 are enough",
        ),
        (
            {"filters": {"modality": ["CT"], "region": ["chest"]}},
            "no image of the index passes these filters",
        ),
        ({"filters": {"modality": ["MR"]}}, "no image of this experiment has the modality 'MR'"),
        ({"k": 0}, "k is 0: choose a whole number from 1 to 200"),
        ({"fold": 3}, "a similarity between 0 and 1"),
        ({"experiment": "../x"}, "there is no experiment '../x'"),
        ({"models": ["../x"]}, "has no model '../x'"),
        ({"models": []}, "choose one model, or two to compare"),
        ({"items": [{"kind": "upload", "file": 3}]}, "a file of the query did not arrive"),
        (
            {"items": [{"kind": "upload", "file": 0, "crop": [0.5, 0, 0.2, 1]}]},
            "the region is not within the image",
        ),
        ({"wrong": ["12"]}, "an image is not in the catalog"),
        ({"wrong": ["x"]}, "an image is named by something that is no id"),
        ({"read_as": "hand"}, "the experiment has no dataset 'hand'"),
    ],
)
def test_a_question_that_has_no_answer_gets_one_sentence(client, question, message):
    response = ask(client, files=[png(draw(0, 1))], **question)
    errors = [
        response.json().get("error"),
        *(each["error"] for each in response.json().get("models", [])),
    ]
    assert any(message in (each or "") for each in errors), errors
    assert all((each or "").count("\n") == 0 for each in errors)


def test_what_a_model_cannot_do_is_said_beside_it(client):
    text = ask(client, items=[{"kind": "text", "text": "a disc"}]).json()["models"][0]
    assert text["error"].endswith("has no text tower: ask it with an image")
    image = hits(ask(client, files=[png(draw(0, 1))]))[0]["id"]
    answer = ask(client, "match", files=[png(draw(0, 1))], id=image)
    assert answer.json()["error"].endswith(
        "gives no features of patches, so there is no map of where the match is"
    )


@pytest.fixture(scope="module")
def worded(tmp_path_factory):
    """A project whose one model has a text tower and patches, of an input that is not square, its
    index made."""
    project = Project(tmp_path_factory.mktemp("worded"))
    project.set_up()
    tiny_clip.add_to(project, tiny_clip.TALL)
    project.configure(models=["tiny-clip"], shard_size=64, audit={"images": False}, app={"port": 0})
    project.run("results/experiments/findings/tiny-clip/index/train.faiss")
    return project


def test_a_text_is_asked_and_patches_say_where_a_match_lies(worded, monkeypatch):
    monkeypatch.chdir(worded.folder)
    config = yaml.safe_load((worded / "config/config.yaml").read_text())
    engine = Engine(Configuration(config, ["config/models"]), pixels=1_000_000)
    client = TestClient(application(engine, 1, KEY), base_url=BASE, headers={KEY_HEADER: KEY})
    found = hits(ask(client, items=[{"kind": "text", "text": "a disc"}], models=["tiny-clip"]))

    model = open_clip.CLIP(**tiny_clip.TALL).eval()
    model.load_state_dict(load_file(worded / "served" / tiny_clip.NAMES[1]))
    tokens = open_clip.SimpleTokenizer(
        context_length=tiny_clip.CONFIGURATION["text_cfg"]["context_length"]
    )(["a disc"])
    with torch.inference_mode():
        wanted = model.encode_text(tokens, normalize=True).numpy()[0]
    index = index_file.read_index(
        worded / "results/experiments/findings/tiny-clip/index/train.faiss"
    )
    ids = faiss.vector_to_array(index.id_map)
    scores = pd.Series({each: float(index.reconstruct(int(each)) @ wanted) for each in ids})
    best = scores.sort_values(ascending=False)[:5]
    assert [each["id"] for each in found] == [str(each) for each in best.index]
    assert np.allclose([each["score"] for each in found], best, atol=1e-4)

    # An image's patches are most like their own: of 6 x 4 patches of 8 pixels each is 1.
    match = {"files": [png(draw(0, 1))], "models": ["tiny-clip"]}
    own = hits(ask(client, items=[{"kind": "image", "id": found[0]["id"]}], models=["tiny-clip"]))[
        0
    ]["id"]
    other = ask(client, "match", id=own, **match).json()
    assert np.shape(other["query"]["grid"]) == np.shape(other["hit"]["grid"]) == (6, 4)
    same = ask(
        client, "match", items=[{"kind": "image", "id": own}], id=own, models=["tiny-clip"]
    ).json()
    assert np.allclose(same["query"]["grid"], 1, atol=1e-4) and np.allclose(
        same["hit"]["grid"], 1, atol=1e-4
    )
    assert np.max(other["hit"]["grid"]) < 0.9999
    words = ask(
        client, "match", items=[{"kind": "text", "text": "a disc"}], id=own, models=["tiny-clip"]
    )
    assert words.json()["error"] == "a text has no patches: the map needs an image as the query"
    engine.close()


def test_an_index_of_another_card_is_not_asked(client, served):
    card = served / "config/models/thumbnail.yaml"
    before = card.read_text()
    config = served.config | {
        "datasets": {"chest": CONFIG["datasets"]["chest"] | {"intensity": {"policy": "minmax"}}}
    }
    engine = Engine(Configuration(config, ["config/models"]), pixels=1_000_000)
    (experiment,) = engine.setup()
    assert experiment["models"][0]["missing"].startswith(
        "`intensity:` of the dataset chest has changed since"
    )
    try:
        card.write_text(before.replace("dimension: 256", "dimension: 255"))
        engine = Engine(Configuration(served.config, ["config/models"]), pixels=1_000_000)
        assert engine.setup()[0]["models"][0]["missing"].startswith(
            "its model card has changed since its index was made"
        )
    finally:
        card.write_text(before)


# --- refusals
# -------------------------------------------------------------------------------------------------------


def test_only_this_machine_with_the_key_and_from_the_page_is_answered(client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/api/setup", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/api/setup", headers={"origin": "null"}).status_code == 403
    assert (
        client.get("/api/setup", headers={"origin": BASE, "host": "127.0.0.1"}).status_code == 200
    )
    stranger = TestClient(client.app, base_url=BASE, cookies={"radcbir": KEY})
    assert "Open the whole link" in stranger.get("/?key=other").text
    image = client.get("/api/setup").json()["experiments"][0]["samples"][0]
    for key in (None, "", "other", KEY.upper(), KEY + "x", "ü", f"{KEY}, {KEY}"):
        headers = {} if key is None else {KEY_HEADER: key.encode()}
        for path in ("/api/setup", f"/api/image/findings/{image}", f"/api/original/findings/{image}", f"/api/values/findings/{image}", f"/api/item/findings/{image}", "/api/ready/findings/thumbnail", f"/api/setup?key={KEY}", "/api/none"):  # fmt: skip
            refused = stranger.get(path, headers=headers)
            assert (refused.status_code, refused.json()["error"][:19]) == (
                403,
                "open the whole link",
            )
        assert stranger.post("/api/search", headers=headers, content=b"x").status_code == 403
    answer = stranger.get("/")  # the page itself holds nothing
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "Similarity, not a diagnosis." in answer.text


@pytest.mark.parametrize(
    "cookie",
    ['a="', "bare", "a,b=1", "radcbir=x; radcbir=y", "=", ";;;", "\xff=\xfe", "a=b" * 20_000],
)
def test_cookies_are_neither_set_nor_read(client, cookie):
    headers = {"cookie": cookie.encode("latin-1")}
    for path in (f"/?key={KEY}", "/", "/api/setup", "/static/app.js"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, path
        assert "set-cookie" not in answer.headers


def test_files_are_served_by_id_from_the_catalog_alone(client):
    found = hits(ask(client, files=[png(draw(0, 1))]))[0]
    picture = client.get(f"/api/image/findings/{found['id']}")
    assert picture.headers["content-type"] == "image/jpeg"
    original = client.get(f"/api/original/findings/{found['id']}")
    assert original.content == Path(found["file"]).read_bytes()
    assert original.headers["content-disposition"].startswith("attachment")
    for path in (f"/api/image/findings/{'9' * 5000}", "/api/image/findings/1.5", "/api/image/findings/", "/api/image/%00/1", "/api/original/findings/٣",
                 "/api/image/findings/1", "/api/image/x/1", "/api/values/findings/1", "/api/values/x/1", "/api/item/findings/1", "/api/ready/findings/none", "/api/ready/x/thumbnail", "/api/image/findings/..%2f..%2fconfig", "/api/image/findings/-1",
                 f"/api/image/findings/{1 << 70}", "/static/..%2fserver.py", "/static/server.py", "/config/config.yaml"):  # fmt: skip
        assert client.get(path).status_code == 404, path


def test_too_many_bytes_and_too_many_pixels_are_refused(client):
    large = ask(client, files=[bytes(3 << 20)])
    assert (large.status_code, large.json()["error"][:51]) == (
        413,
        "the images of one query may have 1 MB together: take"[:51],
    )
    streamed = client.post(
        "/api/search",
        content=iter([bytes(1 << 20)] * 3),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert streamed.status_code == 413
    wide = ask(client, files=[png(Image.new("L", (2000, 600)))])
    assert (
        "is too large: 2000 x 600 pixels, more than 1,000,000" in wide.json()["models"][0]["error"]
    )


def test_pseudonymised_projects_serve_pictures_and_no_originals(client, served):
    engine = Engine(Configuration(served.config, ["config/models"]), pixels=1_000_000)
    engine.project.settings["pseudonymise"] = {"key_file": "somewhere"}
    found = hits(ask(client, files=[png(draw(0, 1))]))[0]
    hidden = TestClient(application(engine, 1, KEY), base_url=BASE, headers={KEY_HEADER: KEY})
    assert hidden.get(f"/api/image/findings/{found['id']}").status_code == 200
    assert hidden.get(f"/api/original/findings/{found['id']}").status_code == 404
    values = hidden.get(f"/api/values/findings/{found['id']}")
    assert len(values.content) == 2 * 48 * 48, "pixels alone, nothing else of the file"
    assert found["path"] not in values.headers["x-radcbir-image"]
    assert not hidden.get("/api/setup").json()["experiments"][0]["originals"]


WORDS = ["", "x", "findings", "thumbnail", "../x", "\x00", "\ud800", "ü" * 600, "9" * 5000, "<script>", "1e999", "-0", "upload", "image", "text"]  # fmt: skip


def junk(random, depth=0):
    """Any JSON value."""
    kinds = [None, True, 0, -1, 1, 3, 10**30, 0.5, 1e308, float("nan"), float("inf")]
    pick = random.randrange(10)
    if pick < 3:
        return random.choice(WORDS)
    if pick < 7 or depth > 3:
        return random.choice(kinds)
    children = [junk(random, depth + 1) for _ in range(random.randrange(4))]
    return children if pick < 9 else {random.choice(WORDS): each for each in children}


def spoiled(random, question):
    """A question in which something is of another kind, missing, or not known."""
    for _ in range(random.randrange(1, 4)):
        place = question
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not len(keys):
                break
            key = random.choice(list(keys))
            if isinstance(place[key], dict | list) and place[key] and random.random() < 0.6:
                place = place[key]
                continue
            action = random.randrange(5)
            if action == 0 and isinstance(place, dict):
                del place[key]
            elif action == 1 and isinstance(place, dict):
                place[random.choice(WORDS)] = junk(random)
            else:
                place[key] = junk(random)
            break
    return question


def test_whatever_the_page_is_sent_is_answered_in_a_sentence(client):
    random = Random(20)
    sample = client.get("/api/setup").json()["experiments"][0]["samples"][0]
    statuses = Counter()
    for number in range(400):
        item = random.choice(
            [
                {"kind": "image", "id": sample},
                {"kind": "upload", "file": 0, "crop": [0, 0, 0.5, 1], "part": {"axial": 1}},
                {"kind": "text", "text": "a disc"},
            ]
        )
        question = {
            "experiment": "findings", "models": ["thumbnail", "histogram"], "items": [item], "right": [sample], "wrong": [sample],
            "filters": {"modality": ["CT"], "label": [LABELS[2]]}, "k": 3, "fold": 0.9, "read_as": "chest", "id": sample, "part": {"volume": 0},
        }  # fmt: skip
        text = json.dumps(spoiled(random, question))
        if number % 7 == 0:
            cut = random.randrange(len(text))
            text = (
                text[:cut] + random.choice(["", "[" * 20_000, "\x00", '"', "}"]) + text[cut + 1 :]
            )
        files = [
            ("file", (random.choice(["x.png", "", "\u202e\n.nii.gz", "a" * 3000]), b"no image"))
        ]
        answer = client.post(
            f"/api/{random.choice(['search', 'preview', 'match'])}",
            data={"question": text},
            files=files if random.random() < 0.8 else [("none", ("", b""))],
        )
        statuses[answer.status_code] += 1
        assert answer.status_code in (200, 400), (answer.status_code, text)
        if answer.status_code == 400:
            (error,) = answer.json().values()
            assert 5 < len(error) < 300, error
            assert error.isprintable(), error
    assert statuses[400] > 250
    assert statuses[200] > 3


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b""), ("application/json", b"{}"), ("multipart/form-data", b""), ("multipart/form-data; boundary=", b""),
        ("multipart/form-data; boundary=x", b"no form"), ("multipart/form-data; boundary=x; charset=undefined", b'--x\r\ncontent-disposition: form-data; name="question"\r\n\r\n{}\r\n--x--'),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--"), ("multipart/form-data; boundary=\xff", b""),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="question"; filename="q"\r\n\r\n{}\r\n--x--'),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="question"\r\n\r\n\xff\xfe\r\n--x--'),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n\r\n' * 9 + b"--x--"),
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_a_bad_request(client, content_type, body):
    headers = {} if content_type is None else {"content-type": content_type.encode("latin-1")}
    for name in ("search", "preview", "match"):
        answer = client.post(f"/api/{name}", content=body, headers=headers)
        assert answer.status_code == 400, answer.text
        assert "reload the page" in answer.json()["error"]


# --- the page
# -------------------------------------------------------------------------------------------------------


def over_http(link, path, files, **question):
    """What a real server answers."""
    port, key = LINK.fullmatch(link).groups()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        answer = client.post(
            f"/api/{path}",
            data={"question": json.dumps({"experiment": "findings"} | question)},
            files=[("file", each) for each in files],
            headers={KEY_HEADER: key},
        )
    return answer.json()


def volume(*shape):
    voxels = np.zeros(shape, np.int16)
    voxels[2 : shape[0] // 2, 2 : shape[1] // 2] = 900
    return gzip.compress(nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes(), 1)


@pytest.mark.parametrize(
    ("snakemake", "ending", "group", "returned"),
    [
        (False, signal.SIGINT, False, 0),
        (False, signal.SIGTERM, False, 0),
        (False, signal.SIGHUP, True, 0),
        (False, signal.SIGKILL, False, -signal.SIGKILL),
        (True, signal.SIGINT, True, 0),
        (True, signal.SIGTERM, False, 0),
        (True, signal.SIGHUP, False, 0),
        (True, signal.SIGKILL, False, -signal.SIGKILL),
    ],
)
def test_whatever_ends_the_page_nothing_is_left(
    served, tmp_path, snakemake, ending, group, returned
):
    """While an upload is decoded, with a second one waiting in another process that was used."""
    with started(served, "config/app.yaml", snakemake, TMPDIR=str(tmp_path)) as (process, link):
        item = {"kind": "upload", "file": 0}
        question = {"models": ["thumbnail"], "items": [item]}
        found = over_http(link, "search", [("a.nii.gz", volume(20, 20, 20))], **question)
        assert found["models"][0]["hits"]
        answers = []

        def ask():
            with contextlib.suppress(httpx.TransportError):
                answers.append(over_http(link, "preview", [("b.nii.gz", volume(400, 400, 300))]))

        thread = threading.Thread(target=ask)
        thread.start()
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        children = [each for each in tree if "radcbir.app.worker" in each.cmdline()]
        (decoding,) = (each for each in children if each.rlimit(psutil.RLIMIT_AS)[0] > 0)
        used = decoding.cpu_times().user
        until_true(lambda: decoding.cpu_times().user > used + 0.05)
        (os.killpg if group else os.kill)(process.pid, ending)
        output, _ = process.communicate(timeout=30)
        thread.join()
        assert process.returncode == returned
        assert psutil.wait_procs(tree, timeout=5)[1] == []
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        if returned == 0:
            assert list(tmp_path.rglob("*")) == []
            assert answers == [] or list(answers[0]) == ["error"]
            assert "Error" not in output
            assert "the page has ended" in (served / "results/logs/app.log").read_text()


def until_true(condition):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("this never came true")


def test_a_run_goes_on_beside_the_page_and_the_log_has_no_key(served):
    with started(served, "config/app.yaml") as (_, link):
        counts = "results/experiments/findings/counts.csv"
        assert served.run("--force", counts)["pool"] == 1
        beside = served.snakemake("app", counts, "--force", fails=True)
        assert "leave `app` out here, and start it with `snakemake --cores 1 app`" in beside
        port, key = LINK.fullmatch(link).groups()
        log = (served / "results/logs/app.log").read_text()
        assert f"serving the page at http://127.0.0.1:{port}" in log
        assert key not in log
        (served / "config/again.yaml").write_text(
            yaml.safe_dump(served.config | {"app": {"port": int(port)}})
        )
        command = [sys.executable, "workflow/app.py", "config/again.yaml"]
        again = subprocess.run(command, cwd=served.folder, text=True, capture_output=True, check=False)  # fmt: skip
        assert again.returncode == 1
        assert f"port {port} cannot be used (Address already in use)" in again.stderr


@pytest.fixture(scope="module")
def link(served):
    with running(served, "config/app.yaml") as link:
        yield link


@pytest.fixture
def page(browser, link):
    with opened(browser, link) as page:
        yield page


def test_upload_filter_compare_refine_and_export(page):
    assert page.locator("#disclaimer").is_visible()
    assert "key=" not in page.url
    page.fill("#k", "6")
    page.uncheck("#fold")
    page.uncheck("#per-patient")
    drop(page, draw(0, 900))
    assert shown(page)[:3] == [LABELS[0]] * 3

    page.get_by_text("Modality").click()
    page.get_by_label("CT 12").check()
    until(page, "document.querySelector('#filtered').textContent === '12 images'")
    assert {each.split("/")[0] for each in shown(page)} == {"CT"}
    page.get_by_label("CT 12").uncheck()
    until(page, "document.querySelector('#filtered').textContent === '24 images'")

    first = page.locator(".hit").first.get_attribute("data-id")
    page.locator(".hit .no").first.press("Enter")  # by keyboard
    assert "wrong" in page.locator(".hit").first.get_attribute("class")
    page.click("#refine")
    until(page, "document.querySelector('#status').textContent.includes('refined')")
    assert first not in [each.get_attribute("data-id") for each in page.locator(".hit").all()]

    page.select_option("#other", "histogram")
    until(page, "document.querySelectorAll('#columns section').length === 2")
    assert len(shown(page)) == 12
    with page.expect_download() as download:
        page.click("#export")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [row["model"] for row in rows] == ["thumbnail"] * 6 + ["histogram"] * 6
    assert rows[0]["labels"] == shown(page)[0]
    assert rows[0]["file"].startswith("data/images/")


def test_more_like_this_a_region_and_where(page):
    drop(page, draw(2, 900))
    shown(page)
    page.get_by_role("button", name="More like this").nth(1).click()
    page.wait_for_selector("#items li .head")
    assert page.locator("#items li").count() == 1
    before = shown(page, ".hits .line")
    area = page.locator(".canvas").bounding_box()
    page.mouse.move(area["x"] + 4, area["y"] + 4)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_selector(".canvas .box:not([hidden])")
    lines = "[...document.querySelectorAll('.hits .line')].map(each => each.innerText).join()"
    until(page, f"{lines} !== {json.dumps(','.join(before))}")
    assert page.get_by_role("button", name="Where?").count() == 0, "a control has no patches"
    page.locator(".hit .picture").first.click()
    assert page.get_by_role("button", name="Where?").count() == 0
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_words_and_a_map_of_where_the_match_lies(browser, worded):
    with running(worded, "config/config.yaml") as link, opened(browser, link) as page:
        page.uncheck("#fold")  # to random weights all images are alike
        page.uncheck("#per-patient")
        page.fill("#text", "a disc <b>")
        page.click("#add-text")
        assert len(shown(page)) > 5
        assert "“a disc <b>”" in page.inner_text("#items")
        assert page.get_by_role("button", name="Where?").count() == 0, "words have no patches"
        page.locator(".hit .picture").first.click()
        assert page.locator(".screen:visible").count() == 1, "words are no image to show beside it"
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Remove “a disc").click()
        drop(page, draw(0, 900))
        shown(page)
        page.get_by_role("button", name="Where?").first.click()
        page.wait_for_selector("dialog .maps canvas")
        assert page.locator("dialog .maps canvas").count() == 2
        painted = "[...document.querySelectorAll('dialog canvas')].every(each => new Set(each.getContext('2d').getImageData(0, 0, 448, 448).data).size > 20)"
        until(page, painted)
        values = "document.querySelector('dialog canvas').getContext('2d').getImageData(0, 0, 448, 448).data"
        image = page.evaluate(f"Array.from({values})")
        sides = "(({width, height}) => [width, height])(document.querySelector('dialog canvas'))"
        assert page.evaluate(sides) == [299, 448], "48 rows, 32 columns"
        page.get_by_label("Overlay").fill("0")
        assert page.evaluate(f"Array.from({values})") != image
        colors = "new Set(Array.from({length: 448}, (_, at) => (({data}) => [data[0] === data[1], data[1] === data[2]].join())(document.querySelector('dialog canvas').getContext('2d').getImageData(at, 224, 1, 1))))"
        assert page.evaluate(f"[...{colors}]") == ["true,true"], "the gray image alone"
        assert page.locator("dialog .ends").inner_text().split("\n") == ["0 not alike", "1 alike"]
        assert barriers(page) == []


def test_the_key_is_in_no_address_and_no_cookie_and_outlives_a_reload(browser, link):
    with opened(browser, link) as page:
        assert (page.url, page.context.cookies()) == (link.split("?")[0], [])
        page.reload()
        page.wait_for_selector("#experiment option", state="attached")
        drop(page, draw(0, 900))
        shown(page)
        loaded = "[...document.querySelectorAll('.hit .picture img')].filter(each => each.naturalWidth > 9).length > 3"
        until(page, loaded)
        page.locator(".hit .picture").first.click()
        until(
            page,
            "document.querySelectorAll('#detail-body .readout')[1].textContent.includes('8 bit')",
        )
        with page.expect_download() as download:
            page.get_by_role("button", name="Original file").click()
        assert download.value.suggested_filename.endswith(".png")
        assert Image.open(download.value.path()).size == (48, 48)
        assert all("key=" not in url for url in page.asked[1:])
    context = browser.new_context()  # another browser, without the link
    page = context.new_page()
    page.goto(link.split("?")[0])
    page.wait_for_selector("#error:not([hidden])")
    assert page.inner_text("#error").startswith("Open the whole link that the command printed")
    assert page.locator("#query").is_hidden()
    context.close()


def test_a_slice_of_one_of_several_volumes_is_chosen(page):
    voxels = np.zeros((40, 40, 6, 3), np.int16)
    for number in range(3):
        voxels[..., number] = (
            400 * number + np.asarray(draw(number, 1).resize((40, 40)), np.int16)[..., None]
        )
    content = gzip.compress(nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes(), 1)
    drop(page, content, "bold.nii.gz")
    shown(page)
    assert page.get_by_label("volume number").input_value() == "0"
    assert page.locator("#items .row .note").all_inner_texts() == ["of 6", "of 3"]
    first = page.locator("#items .canvas img").get_attribute("src")
    page.get_by_label("volume number").fill("2")
    page.get_by_label("volume number").press("Enter")
    until(page, f"document.querySelector('#items .canvas img').src !== {json.dumps(first)}")
    assert page.get_by_label("axial number").input_value() == "3"
    page.get_by_label("Plane").select_option("coronal")
    until(page, "document.querySelector('#items .canvas').parentNode.innerText.includes('of 40')")
    assert page.get_by_label("volume number").input_value() == "2"
    assert page.locator("#error").is_hidden()


def test_a_bad_file_and_a_huge_one_are_said_and_nothing_is_lost(page):
    drop(page, draw(1, 900))
    kept = shown(page)
    drop(page, b"these are no pixels", "notes <b>of</b> today.png")
    page.wait_for_selector("#error:not([hidden])")
    page.wait_for_selector("body:not(.busy)")
    drop(page, bytes(2 << 20), "huge.dcm")
    until(page, "document.querySelector('#error').textContent.includes('huge.dcm')")
    assert page.inner_text("#error").startswith(
        "The image 'huge.dcm' has 2 MB; those of one query may have 1 MB together"
    )
    assert shown(page) == kept
    assert page.locator("#items li").count() == 1
    page.get_by_role("button", name="Remove query.png").click()
    page.click("#search")
    until(page, "document.querySelector('#error').textContent.startsWith('The query is empty')")


def test_what_files_and_labels_say_is_shown_as_text(page):
    def poisoned(route):
        answer = route.fetch()
        body = answer.json()
        for hit in body["models"][0]["hits"]:
            hit["labels"], hit["file"] = ["<img src=x onerror='window.broken=1'>"], "=HYPERLINK(1)"
        route.fulfill(response=answer, json=body)

    page.route("**/api/search", poisoned)
    drop(page, draw(1, 900), "<img src=x onerror='window.broken=1'>.png")
    assert shown(page)[0].startswith("<img")
    page.locator(".hit .picture").first.click()
    assert page.evaluate("window.broken") is None
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.click("#export")
    assert '"\'=HYPERLINK(1)"' in Path(download.value.path()).read_text()


def test_two_people_ask_at_once_and_each_gets_their_own_answer(browser, link):
    pages = []
    for _ in range(2):
        page = browser.new_context().new_page()
        page.goto(link)
        page.wait_for_selector("#experiment option", state="attached")
        page.fill("#k", "3")
        pages.append(page)
    for page, kind in zip(pages, (1, 3), strict=True):
        drop(page, draw(kind, 900))  # neither waits for the other
    for page, kind in zip(pages, (1, 3), strict=True):
        assert shown(page)[0] == LABELS[kind]
        assert page.locator("#items li").count() == 1
        page.context.close()


def test_on_a_narrow_screen_nothing_is_cut_off(browser, link):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(link)  # the file does not wait until the page knows what there is
    drop(page, draw(1, 900))
    shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#disclaimer").is_visible()
    context.close()


def test_nothing_that_was_uploaded_is_left(page, served):
    before = {path for path in served.folder.rglob("*") if path.is_file()}
    drop(page, draw(1, 900))
    shown(page)
    drop(page, b"these are no pixels")
    page.wait_for_selector("#error:not([hidden])")
    assert {path for path in served.folder.rglob("*") if path.is_file()} == before
    uploads = [
        path for path in Path(tempfile.gettempdir()).glob("radcbir-app-*/*") if path.is_file()
    ]
    assert uploads == []


def test_the_command_without_snakemake_says_what_is_wrong(served):
    command = [sys.executable, str(REPOSITORY / "workflow/app.py"), "nowhere.yaml"]
    result = subprocess.run(command, cwd=served.folder, text=True, capture_output=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: the configuration nowhere.yaml does not exist")
