"""The map of the embedding space: places, sprite, and what the page's script is given."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from radcbir.analyses.map.compute import choose_images, coordinates
from radcbir.analyses.map.page import (
    NO_QUERY,
    NOT_ANSWERABLE,
    RIGHT,
    WRONG,
    answers,
    map_data,
    sprite,
)
from radcbir.images.intensity import INTENSITY
from radcbir.report.render import render

TEMPLATE = "analyses/map/map.html.j2"


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_map_keeps_neighborhoods_and_is_the_same_each_time():
    rng = np.random.default_rng(1)
    label = np.arange(150) % 3
    vectors = unit(rng.normal(0, 1, (3, 32))[label] + rng.normal(0, 0.3, (150, 32))).astype(
        np.float32
    )
    places = coordinates(vectors)
    assert np.abs(places).max() == 1
    nearest = (
        NearestNeighbors(n_neighbors=2).fit(places).kneighbors(places, return_distance=False)[:, 1]
    )
    assert (label[nearest] == label).mean() == 1
    np.testing.assert_array_equal(places, coordinates(vectors))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_a_map_of_very_few_images(count):
    places = coordinates(np.eye(8, dtype=np.float32)[:count])
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


def test_a_map_of_images_that_are_all_alike():
    assert (coordinates(np.tile(np.eye(4, dtype=np.float32)[0], (9, 1))) == 0).all()


def test_the_sample_is_the_smallest_ids():
    assert choose_images(pd.DataFrame({"id": [5, 3, 9, 1]}), 3).tolist() == [1, 3, 5]


def test_the_sprite_holds_each_thumbnail_in_its_place(tmp_path):
    for name, gray in (("a", 200), ("b", 90), ("c", 30)):
        Image.new("L", (40, 40), gray).save(tmp_path / f"{name}.png")
    paths = [("set", "a.png"), ("set", "b.png"), ("set", "missing.png"), ("set", "c.png")]
    uri, columns = sprite(paths, {"set": str(tmp_path)}, 16, {"set": INTENSITY})
    assert columns == 2
    sheet = np.asarray(
        Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("L"), dtype=int
    )
    assert sheet.shape == (32, 32)
    means = [
        sheet[row : row + 16, column : column + 16].mean() for row in (0, 16) for column in (0, 16)
    ]
    np.testing.assert_allclose(means, [200, 90, 0, 30], atol=4)


def test_an_image_is_right_by_its_first_neighbor_of_any_patient():
    rows = [
        ("all", 1, 2, 1.0),
        ("all", 2, 2, 0.0),
        ("all", 3, 0, np.nan),
        ("other_patients", 1, 1, 0.0),
    ]
    columns = ["neighbors", "query", "relevant_in_index", "precision_at_1"]
    found = answers(pd.Series([3, 4, 1, 2]), pd.DataFrame(rows, columns=columns))
    assert found == [NOT_ANSWERABLE, NO_QUERY, RIGHT, WRONG]


def test_the_page_holds_every_image_and_escapes_what_it_is_given(tmp_path):
    catalog = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "path": ["a.png", "</script><b>.png", "c.png"],
            "label": ["X/y/a", "X/y/<b>", None],
            "labels": [["X/y/a"], ["X/y/<b>"], ["X/y/a", "X/y/<b>"]],
            "modality": ["X", "X", "X"],
            "region": ["y", None, "y"],
            "split": ["train", "test", "train"],
            "dataset": ["d", "d", "d"],
        }
    )
    maps = {"net": pd.DataFrame({"id": [1, 3], "x": [0.5, -1.0], "y": [0.25, 1.0]})}
    queries = pd.DataFrame(
        {"neighbors": "all", "query": [2], "relevant_in_index": [1], "precision_at_1": [0.0]}
    )
    data = map_data(catalog, maps, {"net": "Net"}, {"net": queries})
    assert data["models"] == [
        {
            "name": "Net",
            "answers": [NO_QUERY, WRONG, NO_QUERY],
            "at": [[500, 250], None, [-1000, 1000]],
        }
    ]
    assert data["groups"]["label"] == {
        "names": ["X/y/<b>", "X/y/a", "several labels"],
        "of": [1, 0, 2],
    }
    assert data["groups"]["region"]["names"] == ["unknown", "y"]
    assert data["labels"][2] == "X/y/a | X/y/<b>"
    render(
        TEMPLATE,
        tmp_path / "map.html",
        title="Map",
        data=data,
        sprite="data:,",
        columns=2,
        pixels=16,
    )
    page = (tmp_path / "map.html").read_text()
    assert "</script><b>" not in page
    assert json.loads(re.search(r"const data = (\{.*\}), columns", page)[1]) == data
