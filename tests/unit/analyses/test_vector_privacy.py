"""What vectors tell: vectors that are the pixels and vectors that are noise, patients found again by
hand, and what is said where there is too little."""

import html
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.metrics import structural_similarity as peer

from radcbir.analyses import by_default, registry
from radcbir.analyses.privacy.compute import privacy
from radcbir.analyses.privacy.reidentification import reidentification
from radcbir.analyses.privacy.similarity import structural_similarity
from radcbir.analyses.privacy.small_images import SIDE, read_small_images, small_images
from radcbir.analyses.summary import Given, summarise
from radcbir.core.tables import read_csv, write_csv, write_parquet
from radcbir.front_page import words
from radcbir.images.intensity import INTENSITY
from radcbir.report.render import render


def drawn(count, seed=0):
    """Smooth pictures ``(n, SIDE, SIDE)``: a spot at a place and of a size of its own, on a slope."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    across, down, width, slope = random.uniform(-0.5, 0.5, (4, count, 1, 1))
    spot = np.exp(-((x - across) ** 2 + (y - down) ** 2) / (0.3 + 0.2 * width))
    return (60 + 40 * slope * x + 120 * spot).round().astype(np.uint8)


def catalog_of(count, patients=None, studies=None):
    """Images in turn of index and queries, two of each patient in one split."""
    numbers = np.arange(count)
    return pd.DataFrame(
        {
            "id": numbers,
            "dataset": "d",
            "label": "XR/a/x",
            "split": np.where(numbers // 2 % 3 == 0, "test", "train"),
            "patient_id": [f"p{each}" for each in numbers // 2] if patients is None else patients,
            "study_id": [f"s{each}" for each in numbers] if studies is None else studies,
        }
    )


def told(catalog, vectors, pixels, images=20000, queries=2000):
    """The tables of :func:`privacy`, whose small images are arrays."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def known(ids):
        return ids, pixels[ids]

    ids = catalog["id"].to_numpy()
    return privacy(
        catalog, ids, vectors.astype(np.float32), known, "train", ["test"], images, queries
    )


def test_similarity_is_that_of_scikit_image():
    one, other = drawn(5, 1), np.random.default_rng(2).integers(0, 256, (5, SIDE, SIDE))
    other[3:] = one[3:] // 2
    how = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 255}
    expected = [
        peer(each.astype(float), its.astype(float), **how)
        for each, its in zip(one, other, strict=True)
    ]
    assert structural_similarity(one, other) == pytest.approx(expected, abs=1e-12)
    assert structural_similarity(one, one) == pytest.approx(1)


def test_vectors_that_are_the_pixels_give_the_images():
    pixels = drawn(360)
    catalog = catalog_of(360)
    tables = told(catalog, pixels.reshape(360, -1).astype(float), pixels)
    [row] = tables["privacy"].to_dict("records")
    assert row["ssim"] > 0.95
    assert row["low"] < row["ssim"] < row["high"]
    assert row["verdict"] == "more than the mean image"
    assert row["mean_image"] < 0.9
    assert row["random_image"] < row["mean_image"]
    assert row["gain"] == pytest.approx(row["ssim"] - row["mean_image"])
    assert (row["queries"], row["training_images"], row["chosen"]) == (120, 240, True)
    examples = tables["examples"].set_index("kind")
    original = np.frombuffer(examples.loc["best", "original"], np.uint8).reshape(SIDE, SIDE)
    assert (original == pixels[examples.loc["best", "id"]]).all()
    assert examples.loc["median", "ssim"] <= examples.loc["best", "ssim"]
    shown = [
        np.frombuffer(examples.loc["median", each], np.uint8).reshape(1, SIDE, SIDE)
        for each in ("original", "decoded")
    ]
    assert structural_similarity(*shown)[0] == pytest.approx(examples.loc["median", "ssim"])


def test_vectors_of_noise_give_the_mean_image_and_find_nobody():
    pixels = drawn(360)
    vectors = np.random.default_rng(3).normal(size=(360, 24))
    tables = told(catalog_of(360), vectors, pixels)
    [row] = tables["privacy"].to_dict("records")
    assert row["verdict"] != "more than the mean image"
    assert abs(row["gain"]) < 0.05
    [found] = tables["reidentified"].to_dict("records")
    assert found["chance"] == pytest.approx(1 / 359)
    assert found["low"] <= found["chance"]
    assert found["recall_at_1"] < 0.02
    assert words.told_by_vectors("Net", row, found) is None


def test_images_of_patients_with_queries_do_not_train():
    """The decoder would know the query: the very same image is in the index."""
    pixels = drawn(120)
    catalog = catalog_of(120)
    before = told(catalog, pixels.reshape(120, -1).astype(float), pixels)["privacy"].iloc[0]
    catalog.loc[catalog.index[2], "patient_id"] = "p0"  # of the index, p0 has queries
    after = told(catalog, pixels.reshape(120, -1).astype(float), pixels)["privacy"].iloc[0]
    assert after["training_images"] == before["training_images"] - 1


def test_patients_found_again_by_hand():
    """Two patients with two studies of two images each, and one with one study. Of image 0 the study
    mate is nearest, then its patient's other study; of image 4 a stranger."""
    patients = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    studies = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    angles = np.radians([0, 1, 4, 9, 60, 61, 120, 121, 63, 5])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    found = reidentification(vectors, patients, studies, 100)
    # 0 -> 2; 1 -> 2; 2 -> 9 (a stranger); 3 -> 9; 4, 5 -> 8; 6, 7 -> 8.
    assert found["recall_at_1"] == 2 / 8
    # Each sees 8 images but those of its study: 2 of 8 are right.
    assert found["chance"] == 2 / 8
    assert (found["unit"], found["queries"], found["patients"]) == ("study", 8, 2)
    assert np.isnan(found["low"]), "two patients are too few for an interval"
    # Without studies each sees 9: its study mate counts.
    by_image = reidentification(vectors, patients, np.full(10, -1), 100)
    # 0 -> 1; 1 -> 0; 2 -> 9; 3 -> 9; 4 -> 5; 5 -> 4; 6 -> 7; 7 -> 6; 8 -> 5; 9 -> 2
    assert by_image["recall_at_1"] == 6 / 10
    assert by_image["chance"] == pytest.approx((8 * 3 / 9 + 2 * 1 / 9) / 10)
    assert (by_image["unit"], by_image["queries"]) == ("image", 10)
    assert "found more easily" in by_image["remark"]


def test_an_image_without_a_study_of_a_patient_with_studies_is_not_seen():
    patients, studies = np.zeros(3, dtype=int), np.array([0, 1, -1])
    vectors = np.array([[1, 0], [0, 1], [0.9, 0.1]])
    both = np.concatenate([vectors, [[0.7, 0.7]]])
    found = reidentification(both, np.append(patients, 1), np.append(studies, 2), 10)
    # 0 and 1 ask; the image without a study is seen by neither; the stranger is nearer.
    assert (found["queries"], found["recall_at_1"], found["chance"]) == (2, 0, 1 / 2)


def test_small_images_of_files(tmp_path):
    """Blocks of 2 x 2 pixels become their mean; a file that is no image is left out."""
    random = np.random.default_rng(0)
    large = random.integers(0, 256, (2 * SIDE, 2 * SIDE), dtype=np.uint8)
    Image.fromarray(large).save(tmp_path / "one.png")
    (tmp_path / "two.png").write_bytes(b"no image at all")
    Image.new("RGB", (10, 90), (50, 50, 50)).save(tmp_path / "three.png")
    rows = [(7, "one.png"), (3, "two.png"), (5, "three.png")]
    lines = [f"{number}\t{name}\t1" for number, name in rows]
    (tmp_path / "shard.tsv").write_text("\n".join(["id\tpath\tbytes", *lines]) + "\n")
    table = small_images(tmp_path / "shard.tsv", "d", tmp_path, INTENSITY, 2)
    write_parquet(table, tmp_path / "small.parquet")
    ids, pixels = read_small_images([tmp_path / "small.parquet"], np.array([3, 5, 7, 8]))
    assert ids.tolist() == [5, 7]
    assert (pixels[0] == 50).all()
    blocks = large.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    assert np.abs(pixels[1].astype(int) - blocks).max() <= 1
    assert read_small_images([tmp_path / "small.parquet"], np.array([8]))[1].shape == (
        0,
        SIDE,
        SIDE,
    )


def test_a_dataset_without_images_is_left_out_with_a_reason():
    project = SimpleNamespace(
        experiments={"e": {"datasets": ["here", "away"]}},
        datasets={"here": {"images": "x"}, "away": {}},
    )
    found = registry()["privacy"]
    assert found.without(project, "e").startswith("The dataset 'away' has no `images:`")
    assert found.results(project, "e") == []


def test_it_is_made_only_where_it_is_named():
    assert "privacy" not in by_default()
    assert set(by_default()) == set(registry()) - {
        "aggregation",
        "comparison",
        "privacy",
        "robustness",
    }


@pytest.mark.parametrize(
    ("kind", "sentences"),
    [
        ("no patients", ["No patient is known: the decoder may", "Nobody can be found again."]),
        (
            "one patient",
            ["No index image is of a patient without queries", "All images are of one"],
        ),
        ("one image each", ["No patient has two images. Nobody can be found again."]),
        ("no studies", ["No patient has two known studies"]),
        ("few images", ["There are 8 index images of other patients. A decoder needs at least 20"]),
        ("one gray value", ["All index images of other patients are of one gray value"]),
        ("no query", ["No query has a vector and an image that can be read"]),
        (
            "few patients",
            ["Training patients are too few to choose the penalty", "too few patients"],
        ),
        ("all found", ["1.000"]),
        ("none found", ["0.000"]),
    ],
)
def test_what_is_lacking_is_said_on_the_page(kind, sentences, tmp_path):
    count = 12 if kind == "few images" else 60
    catalog, pixels = catalog_of(count), drawn(count)
    vectors = np.random.default_rng(0).normal(size=(count, 6))
    if kind == "no patients":
        catalog["patient_id"] = None
    if kind == "one patient":
        catalog["patient_id"] = "p"
    if kind == "one image each":
        catalog["patient_id"] = [f"p{each}" for each in range(count)]
    if kind == "no studies":
        catalog["study_id"] = None
    if kind == "one gray value":
        pixels = np.full_like(pixels, 80)
    if kind == "no query":
        catalog["split"] = "train"
    if kind == "few patients":
        catalog["patient_id"] = [f"p{each % 5}" for each in range(count)]
        catalog["split"] = np.where(np.arange(count) % 5 < 2, "test", "train")
    if kind == "all found":
        vectors = np.repeat(vectors[: count // 2], 2, axis=0)
    if kind == "none found":
        vectors = np.tile([[1.0, 0], [-1.0, 0]], (count // 2, 1))
        vectors = vectors + 0.01 * np.random.default_rng(0).normal(size=vectors.shape)
    tables = told(catalog, vectors, pixels)
    stacked = {}
    for name in ("privacy", "reidentified"):
        write_csv(tables[name], tmp_path / f"{name}.csv")
        stacked[name] = read_csv(tmp_path / f"{name}.csv").assign(model="net")
    write_parquet(tables["examples"], tmp_path / "examples.parquet")
    given = Given(
        "findings",
        {"net": {"name": "Net", "loader": "timm"}},
        stacked,
        {"split": "test"},
        {"examples": [tmp_path / "examples.parquet"]},
    )
    found = summarise("privacy", given)
    found.figures["privacy"].canvas.draw()
    plt.close(found.figures["privacy"])
    render(registry()["privacy"].template, tmp_path / "page.html", **found.page)
    page = html.unescape((tmp_path / "page.html").read_text())
    for each in sentences:
        assert each in page
    one = stacked["privacy"].iloc[0].to_dict(), stacked["reidentified"].iloc[0].to_dict()
    warned = words.told_by_vectors("Net", *one)
    assert (warned is not None) == (kind == "all found")


def test_the_front_page_says_what_vectors_tell():
    decoded = {"verdict": "more than the mean image", "ssim": 0.617, "mean_image": 0.4}
    found = {"unit": "study", "recall_at_1": 0.734, "low": 0.6, "chance": 0.012}
    assert words.plain([words.told_by_vectors("Net", decoded, found)]) == (
        "From vectors of Net, images can be decoded in part (likeness 0.62; the mean image has 0.40). "
        "The nearest image of another study is of the same patient for 73 of 100 images with Net (by "
        "chance 1)."
    )
    assert (
        words.told_by_vectors("Net", decoded | {"verdict": "undecided"}, found | {"low": 0}) is None
    )
    assert words.told_by_vectors("Net", None, None) is None
