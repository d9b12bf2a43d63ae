"""The page's search core by hand and against brute force, filters over a catalog, and patches."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from radcbir.app.collection import Collection, shared_duplicates
from radcbir.app.vectors import VectorIndex, folded, mean_query, refined, unit
from radcbir.core.errors import InputError
from radcbir.retrieval import index_file
from radcbir.retrieval.exact import search


def draw(*shape, seed=0):
    vectors = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


# --- search
# ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index of 5000 vectors, two of which are the same, with ids in no order; its ids and
    vectors."""
    vectors = draw(5000, 24)
    vectors[4000] = vectors[17]
    ids = np.random.default_rng(1).permutation(90_000)[:5000].astype(np.int64)
    path = tmp_path_factory.mktemp("index") / "train.faiss"
    index_file.build_index(path, [(ids, vectors)], 24)
    return VectorIndex.open(path), ids, vectors


def test_the_index_finds_what_the_workflow_finds(index, tmp_path):
    opened, ids, vectors = index
    index_file.build_index(tmp_path / "train.faiss", [(ids, vectors)], 24)
    for query in [*draw(5, 24, seed=2), vectors[17]]:
        wanted, wanted_scores = search(
            index_file.read_index(tmp_path / "train.faiss"), query[None], 30
        )
        positions, scores = opened.best(query, 30)
        assert opened.ids[positions].tolist() == wanted[0].tolist()
        assert np.abs(scores - wanted_scores[0]).max() < 1e-6
    # The two that are the same tie exactly, the smaller id first.
    assert opened.ids[positions[:2]].tolist() == sorted(ids[[17, 4000]].tolist())
    assert scores[0] == scores[1]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.6, 1])
def test_a_filter_before_the_search_is_brute_force_over_what_passes(index, share):
    opened, ids, vectors = index
    admitted = np.random.default_rng(3).random(5000) < share
    query = draw(24, seed=4)
    if share < 1:
        admitted[1024:2048] = False  # a whole block that nothing passes
    else:
        admitted[np.argsort(-vectors @ query)[:40]] = False  # few, and the best of all
    positions, scores = opened.best(query, 50, admitted)
    exact = vectors.astype(np.float64) @ query.astype(np.float64)
    wanted = sorted(np.flatnonzero(admitted), key=lambda row: (-np.float32(exact[row]), ids[row]))[
        :50
    ]
    assert positions.tolist() == wanted
    assert len(positions) == min(50, admitted.sum())
    assert np.allclose(scores, exact[wanted], atol=1e-7)


def test_a_filter_that_admits_nothing_finds_nothing(index):
    opened, *_ = index
    query = draw(24, seed=4)
    positions, scores = opened.best(query, 5, np.zeros(5000, dtype=bool))
    assert len(positions) == len(scores) == 0


def test_a_filter_against_the_query_is_exact_too(index):
    # Most pass, but none of the many that are nearest: a deeper search of all does not find enough.
    opened, _, vectors = index
    query = draw(24, seed=5)
    nearest = np.argsort(-vectors @ query)
    admitted = np.ones(5000, dtype=bool)
    admitted[nearest[:3500]] = False
    positions, _ = opened.best(query, 5, admitted)
    assert positions.tolist() == nearest[3500:3505].tolist()


def test_ids_have_their_positions(index):
    opened, ids, _ = index
    assert opened.positions(np.array([ids[7], 999_999, ids[0], -1])).tolist() == [7, -1, 0, -1]


def test_several_queries_become_their_mean_direction():
    # 0 and 90 degrees, whatever their lengths: 45 degrees.
    assert np.allclose(mean_query([np.array([3.0, 0]), np.array([0, 0.5])]), [np.sqrt(0.5)] * 2)
    with pytest.raises(ValueError, match="no direction"):
        mean_query([np.array([1.0, 0]), np.array([-1.0, 0])])


def test_refining_moves_the_query_by_the_weights_of_rocchio():
    query, right, wrong = (
        np.array([1.0, 0, 0]),
        np.array([[0, 1.0, 0], [0, 0, 1.0]]),
        np.array([[1.0, 0, 0]]),
    )
    # (1, 0, 0) + 0.75 (0, 1/2, 1/2) - 0.15 (1, 0, 0) = (0.85, 0.375, 0.375)
    moved = np.array([0.85, 0.375, 0.375])
    assert np.allclose(refined(query, right, wrong), moved / np.linalg.norm(moved))
    assert np.allclose(refined(query, right[:0], wrong[:0]), query)
    assert refined(query, right, wrong).dtype == np.float32
    with pytest.raises(ValueError, match="no direction"):
        refined(np.zeros(3), right[:0], wrong[:0])
    with pytest.raises(ValueError, match="no direction"):
        unit(np.array([np.nan, 1]))
    with pytest.raises(ValueError, match="no direction"):
        mean_query([np.array([1.0, 0]), np.array([-1.0, 1e-12])])  # what is left is rounding
    assert np.allclose(unit(np.array([3e-9, 4e-9])), [0.6, 0.8])


def test_near_duplicates_fold_below_the_best_of_them():
    degrees = np.deg2rad([0, 30, 1, 31, 60, 90])
    vectors = np.column_stack([np.cos(degrees), np.sin(degrees)]).astype(np.float32)
    ids = [10, 11, 12, 13, 14, 15]
    within_two_degrees = float(np.cos(np.deg2rad(2)))
    assert folded(vectors, ids, 9, within_two_degrees) == [[0, 2], [1, 3], [4], [5]]
    # The second group is closed once it is asked for a third image: what follows is not shown.
    assert folded(vectors, ids, 2, within_two_degrees) == [[0, 2], [1, 3]]
    assert folded(vectors, ids, 9, 1.0) == [[0], [1], [2], [3], [4], [5]]
    # 14 and 15 are near duplicates of the same query image by their pixels, 10 of another one.
    shared = {14: frozenset([1]), 15: frozenset([1, 2]), 10: frozenset([3])}
    assert folded(vectors, ids, 9, 1.0, shared) == [[0], [1], [2], [3], [4, 5]]


# --- catalog
# --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    table = pd.DataFrame(
        [
            (2**62, "a.png", "one", "train", ["XR/chest/edema", "XR/chest/nodule"], "XR", "chest"),
            (5, "b.png", "one", "train", ["XR/hand/normal"], "XR", "hand"),
            (7, "c.png", "two", "train", ["CT/chest/nodule"], "CT", "chest"),
            (3, "d.png", "two", "test", ["CT/chest/nodule"], "CT", None),
        ],
        columns=["id", "path", "dataset", "split", "labels", "modality", "region"],
    ).assign(
        view=None,
        sex=None,
        age=np.nan,
        study_id=None,
        source=None,
        series_id=None,
        instance=np.nan,
        position=np.nan,
    )
    table["patient_id"] = ["one:p", None, "two:p", "one:p"]
    path = tmp_path_factory.mktemp("catalog") / "catalog.parquet"
    table.to_parquet(path, index=False)
    return Collection(path, "train")


@pytest.mark.parametrize(
    ("filters", "passed"),
    [
        ({}, [1, 1, 1, 1]),
        ({"modality": ["XR"]}, [1, 1, 0, 0]),
        ({"modality": ["XR"], "region": ["chest"]}, [1, 0, 0, 0]),
        ({"region": ["hand", "chest"]}, [1, 1, 1, 0]),
        ({"label": ["XR/chest/nodule", "CT/chest/nodule"]}, [1, 0, 1, 1]),
        ({"dataset": ["two"], "label": ["XR/chest/edema"]}, [0, 0, 0, 0]),
    ],
)
def test_filters_ask_for_one_value_of_each_facet(collection, filters, passed):
    assert collection.admitted(filters).tolist() == [bool(each) for each in passed]


def test_facets_count_the_images_of_the_index(collection):
    assert collection.facets["modality"].counts(collection.in_index) == {"CT": 1, "XR": 2}
    assert collection.facets["region"].counts(collection.in_index) == {"chest": 2, "hand": 1}
    assert sum(collection.facets["label"].counts(collection.in_index).values()) == 4


def test_unknown_filters_are_named(collection):
    with pytest.raises(InputError, match="no image of this experiment has the region 'knee'"):
        collection.admitted({"region": ["knee"]})
    with pytest.raises(InputError, match="cannot be filtered by 'path'"):
        collection.admitted({"path": ["a.png"]})


def test_images_are_described_by_id_as_text(collection):
    assert collection.rows(np.array([7, 2**62, 8])).tolist() == [2, 0, -1]
    (found,) = collection.describe([0])
    assert (
        found["id"] == "4611686018427387904"
    )  # 2 to the power of 62: more digits than a browser's numbers have
    assert (found["path"], found["labels"], found["age"]) == (
        "a.png",
        ["XR/chest/edema", "XR/chest/nodule"],
        None,
    )


def test_patients_are_numbered_and_an_unknown_one_is_nobody(collection):
    # The last number is for images that the catalog does not have.
    assert collection.patients.tolist() == [0, -1, 1, 0, -1]


def test_near_duplicates_of_the_audit_are_read_by_index_image(tmp_path):
    pd.DataFrame({"image": [1, 1, 2], "other": [8, 9, 9], "distance": [0, 1, 2]}).to_parquet(
        tmp_path / "near.parquet"
    )
    assert shared_duplicates(tmp_path / "near.parquet") == {8: {1}, 9: {1, 2}}
    assert shared_duplicates(tmp_path / "none.parquet") == {}


# --- patches
# --------------------------------------------------------------------------------------------------------


def test_a_patch_matches_the_most_similar_patch_of_the_other_image():
    from radcbir.encoders.patches import best_matches

    one = np.array([[[1.0, 0], [0, 1.0]]])  # one row of two patches
    other = np.array([[[0.6, 0.8]], [[-1.0, 0]]])  # two rows of one
    first, second = best_matches(one, other)
    assert np.allclose(first, [[0.6, 0.8]])
    assert np.allclose(second, [[0.8], [0.0]])


TINY = {
    "pooling": "cls", "weights": {"random_seed": 0}, "precision": "float32",
    "preprocessing": {"size": 64, "resize": "squash", "crop_pct": 1.0, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
}  # fmt: skip
PATCHED = {
    "timm vit": ({"loader": "timm", "architecture": "vit_tiny_patch16_224", "dimension": 192}, (4, 4, 192)),
    "timm vit, not square": ({"loader": "timm", "architecture": "vit_tiny_patch16_224", "dimension": 192,
                              "preprocessing": TINY["preprocessing"] | {"size": [96, 48]}}, (6, 3, 192)),
    "timm cnn, not square": ({"loader": "timm", "architecture": "resnet10t", "dimension": 512, "pooling": "pooled",
                              "preprocessing": TINY["preprocessing"] | {"size": [64, 128]}}, (2, 4, 512)),
    "timm cnn": ({"loader": "timm", "architecture": "resnet10t", "dimension": 512, "pooling": "pooled"}, (2, 2, 512)),
    "open_clip": ({"loader": "open_clip", "architecture": "ViT-S-32-alt", "dimension": 256, "pooling": "projection",
                   "preprocessing": TINY["preprocessing"] | {"size": 224}}, (7, 7, None)),
}  # fmt: skip


@pytest.mark.parametrize("name", PATCHED)
def test_patches_lie_where_they_are_in_the_image(name):
    from radcbir.encoders import load_encoder
    from radcbir.encoders.patches import best_matches, patch_features, seen

    card, shape = PATCHED[name]
    encoder = load_encoder("tiny", TINY | card, None, "cpu")
    height, width = encoder.size
    random = np.random.default_rng(0)
    plain = random.integers(0, 40, (height, width)).astype(np.uint8)
    marked = plain.copy()
    corner = marked[height // 2 :, width // 2 :]
    corner[:] = random.integers(100, 255, corner.shape)
    prepared = [encoder.preprocess(Image.fromarray(each)) for each in (plain, marked)]
    one, other = (patch_features(encoder, each) for each in prepared)
    assert one.shape[:2] == shape[:2]
    assert shape[2] in (None, one.shape[2])
    assert np.allclose(np.linalg.norm(one, axis=2), 1, atol=1e-4)
    _, grid = best_matches(one, other)
    rows, columns = grid.shape
    inside = grid[-(rows // 2) :, -(columns // 2) :].mean()
    assert (
        inside < grid[: rows // 2, : columns // 2].mean()
    )  # the corner that differs is the one that matches least
    assert np.array_equal(np.asarray(seen(encoder, prepared[1])), marked)


def test_controls_have_no_patches():
    from radcbir.encoders import load_encoder
    from radcbir.encoders.patches import patch_features

    control = load_encoder(
        "h", {"loader": "control", "architecture": "histogram", "dimension": 64}, None, "cpu"
    )
    assert patch_features(control, control.preprocess(Image.new("L", (8, 8)))) is None
