"""Adapted vectors on planted data: what has to win, what must not leak, and plain second ways."""

import json

import numpy as np
import pandas as pd
import pytest

from radcbir.core.errors import InputError
from radcbir.embedding import store
from radcbir.embedding.job import Job
from radcbir.retrieval.adaptation import transform
from radcbir.retrieval.adaptation.adapt import adapt
from radcbir.retrieval.adaptation.apply import adapt_file
from radcbir.retrieval.adaptation.fit import fit, images_to_fit

WAYS = {
    "pca_whitening": {"by": "pca_whitening", "components": 128},
    "lda": {"by": "lda"},
    "wccn": {"by": "wccn"},
    "contrastive": {"by": "projection", "components": 16, "loss": "contrastive", "steps": 200, "seed": 0},
    "proxy": {"by": "projection", "components": 16, "loss": "proxy", "steps": 200, "seed": 0},
}  # fmt: skip
LABELS, WIDTH = 6, 40


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def planted(patients, seed, images=6, signal=0.25, look=1.0):
    """Vectors, labels and patients: a weak direction per label, and a strong look of each patient
    in a few other directions."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), images)
    label = random.integers(0, LABELS, len(patient))
    looks = np.zeros((patients, WIDTH))
    looks[:, LABELS : LABELS + 8] = random.normal(0, look, (patients, 8))
    vectors = looks[patient] + random.normal(0, 0.05, (len(patient), WIDTH))
    vectors[np.arange(len(patient)), label] += signal
    return unit(vectors), label, patient


def precision_at_1(index, labels, queries, asked):
    """By a plain loop over all pairs."""
    nearest = [int(np.argmax(index @ query)) for query in queries]
    return float(np.mean(labels[nearest] == asked))


def moved(found, vectors):
    return unit(found.apply(vectors))


@pytest.mark.parametrize("way", WAYS)
def test_a_strong_look_that_hides_the_label_is_taken_off(way):
    vectors, labels, _ = planted(120, 1)
    queries, asked, _ = planted(30, 2)
    before = precision_at_1(vectors, labels, queries, asked)
    found = fit(vectors, labels, WAYS[way])
    after = precision_at_1(moved(found, vectors), labels, moved(found, queries), asked)
    least = 0.65 if way == "pca_whitening" else 0.85  # it does not know what the labels are
    assert before < 0.4 and after > least, (before, after)


@pytest.mark.parametrize("way", WAYS)
def test_labels_that_mean_nothing_give_chance_for_other_patients(way):
    """Random labels: what a fit learns of them must not reach the queries. If the queries were in
    the fit, it would show."""
    random = np.random.default_rng(0)
    vectors, queries = (unit(random.normal(size=(count, 150))) for count in (120, 600))
    labels, asked = random.integers(0, 4, 120), random.integers(0, 4, 600)
    found = fit(vectors, labels, WAYS[way])
    honest = precision_at_1(moved(found, vectors), labels, moved(found, queries), asked)
    assert abs(honest - 0.25) < 3 * np.sqrt(0.25 * 0.75 / 600), honest
    if way in ("pca_whitening", "wccn"):
        return  # they keep all that is not the spread within a label, and learn nothing by heart
    both, of_both = np.concatenate([vectors, queries[:60]]), np.concatenate([labels, asked[:60]])
    leaked = fit(both, of_both, WAYS[way])
    seen = precision_at_1(moved(leaked, vectors), labels, moved(leaked, queries[:60]), asked[:60])
    assert seen > 0.4, seen


def test_whitening_gives_each_component_the_same_spread():
    vectors, labels, _ = planted(60, 3)
    values = fit(vectors, labels, {"by": "pca_whitening", "components": 10}).apply(vectors)
    np.testing.assert_allclose(np.cov(values.T), np.eye(10), atol=1e-6)


def test_wccn_gives_the_spread_within_a_label_the_same_length_everywhere():
    vectors, labels, _ = planted(2000, 4)
    values = fit(vectors, labels, {"by": "wccn"}).apply(vectors)
    within = sum(np.cov(values[labels == each].T) for each in range(LABELS)) / LABELS
    np.testing.assert_allclose(within, np.eye(WIDTH), atol=0.1)


def test_lda_finds_fishers_directions():
    """Against the generalised eigenvectors of the covariances, each label's shrunk by itself."""
    from scipy.linalg import eigh
    from sklearn.covariance import ledoit_wolf

    vectors, labels, _ = planted(200, 5)
    found = fit(vectors, labels, {"by": "lda"})
    values = vectors.astype(np.float64)

    def shrunk(part):
        spread = part.std(axis=0)
        return ledoit_wolf((part - part.mean(axis=0)) / spread)[0] * np.outer(spread, spread)

    shares = [(labels == each).mean() for each in range(LABELS)]
    parts = [values[labels == each] for each in range(LABELS)]
    within = sum(share * shrunk(part) for share, part in zip(shares, parts, strict=True))
    between = shrunk(values) - within
    plain = eigh(between, within)[1][:, ::-1][:, : LABELS - 1]
    one = unit((values - values.mean(axis=0)) @ plain)
    other = moved(found, vectors)
    assert other.shape[1] == LABELS - 1
    np.testing.assert_allclose(one[:300] @ one[:300].T, other[:300] @ other[:300].T, atol=1e-4)


def test_a_seed_gives_the_same_projection_and_another_one_another():
    vectors, labels, _ = planted(30, 6)
    settings = WAYS["proxy"] | {"steps": 5}
    first, again = (fit(vectors, labels, settings).matrix for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - fit(vectors, labels, settings | {"seed": 1}).matrix).max() > 1e-4


@pytest.mark.parametrize(
    ("labels", "way", "message"),
    [
        (["a"] * 8, "lda", "needs at least 3 labels with two images or more to fit on, and there is 1"),
        (["a"] * 4 + ["b"] * 4, "lda", "and there are 2"),
        (["a"] * 8, "contrastive", "needs at least 2 labels"),
        (list("abcdefgh"), "wccn", "needs at least 1 label with two images or more to fit on, and there are 0"),
    ],
)  # fmt: skip
def test_too_few_labels_are_a_sentence(labels, way, message):
    vectors = unit(np.random.default_rng(0).normal(size=(8, 5)))
    with pytest.raises(InputError) as caught:
        fit(vectors, np.array(labels), WAYS[way])
    assert message in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
def test_vectors_that_are_all_the_same_are_a_sentence(way):
    with pytest.raises(InputError, match="are the same"):
        fit(np.tile(np.float32([0.6, 0.8]), (9, 1)), np.arange(9) % 3, WAYS[way])


def test_a_label_of_one_image_is_no_part_of_the_fit():
    vectors, labels, _ = planted(40, 7)
    more = np.concatenate([vectors, unit(np.ones((1, WIDTH)))])
    expected = fit(vectors, labels, {"by": "wccn"})
    found = fit(more, np.append(labels, 99), {"by": "wccn"})
    np.testing.assert_allclose(found.matrix, expected.matrix)


def test_patients_who_have_queries_are_no_part_of_the_fit():
    taught = pd.DataFrame(
        {"id": [1, 2, 3, 4], "patient_id": ["a", "b", None, "a"], "label": list("xyxy")}
    )
    assert images_to_fit(taught, {"a", "c"})["id"].tolist() == [2, 3]
    with pytest.raises(InputError, match="split by patient"):
        images_to_fit(taught[taught["patient_id"] == "a"], {"a"})


def test_the_embeddings_of_an_adapted_model(tmp_path):
    """Two files of a base become one; an image of which nothing is left is rejected by name."""
    vectors, labels, _ = planted(40, 8)
    ids = np.arange(len(vectors)) + 10
    attributes = Job("base", {"loader": "control"}, "1").provenance("", {})
    half, dataset = len(ids) // 2, tmp_path / "a.h5"
    gone = [(5, "x.png", "truncated")]
    store.write_shard(dataset, ids[:half], vectors[:half], gone, attributes)
    store.write_shard(tmp_path / "b.h5", ids[half:], vectors[half:], [], attributes)
    files = [dataset, tmp_path / "b.h5"]
    taught = pd.DataFrame({"id": ids[:100], "label": labels[:100].astype(str)})
    job = Job("lda", {"loader": "adapted", "how": {"by": "lda"}}, "1")
    took = adapt(files, taught, job, tmp_path / "out.h5", tmp_path / "fit.h5")
    assert (took["images"], took["dimension"]) == (100, LABELS - 1)
    found, stored = store.read([tmp_path / "out.h5"], ids)
    expected = fit(vectors[:100], labels[:100], {"by": "lda"})
    np.testing.assert_array_equal(found, ids)
    np.testing.assert_allclose(stored, moved(expected, vectors), atol=1e-6)
    assert store.read_rejected(tmp_path / "out.h5") == gone
    assert json.loads(store.read_attributes(tmp_path / "out.h5")["card"])["loader"] == "adapted"

    mean = transform.load(tmp_path / "fit.h5")["map"].mean
    lost = (mean / np.linalg.norm(mean)).astype(np.float32)[None]
    plane = transform.Transform(np.zeros(WIDTH), np.linalg.svd(lost)[2][1:].T)
    transform.save(tmp_path / "plane.h5", {"map": plane}, {})
    asked = np.concatenate([lost, vectors[:1]])
    store.write_shard(tmp_path / "query.h5", np.array([1, 2]), asked, [], attributes)
    adapt_file(tmp_path / "query.h5", tmp_path / "plane.h5", tmp_path / "moved.h5", job)
    assert store.read_ids(tmp_path / "moved.h5").tolist() == [2]
    [(identity, _, reason)] = store.read_rejected(tmp_path / "moved.h5")
    assert identity == 1 and "nothing is left" in reason
