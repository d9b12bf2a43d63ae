"""Fusions against what they stand for: means of cosines, z-scores and ranks, by plain loops."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
import yaml

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.embedding import fuse, store
from radcbir.embedding.job import Job
from radcbir.project.configuration import Project
from radcbir.retrieval import fused
from radcbir.retrieval.fused import fused_neighbor_table, split
from radcbir.retrieval.neighbor_table import Queries

COMMON = {name: "" for name in store.COMMON if name != "format"}


@pytest.fixture(scope="module")
def apart():
    """Run a function in a process that holds FAISS alone: other tests import torch into this
    one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def unit(seed, count, dimension):
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)) + 0.4
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


WIDTHS = (6, 10, 4)


def members(count, seed):
    return [unit(seed + place, count, width) for place, width in enumerate(WIDTHS)]


def test_the_cosine_of_a_concatenation_is_the_mean_of_the_members(tmp_path):
    """Whatever the order of the members' files; what one of them rejected is rejected, with its
    name and reason."""
    ids = np.arange(20) * 3
    parts = members(20, 0)
    for place, part in enumerate(parts):
        kept = np.random.default_rng(place).permutation(20)
        rejected = []
        if place == 1:
            kept = kept[kept != 4]
            rejected = [(12, "p/4.png", "truncated")]
        store.write_shard(tmp_path / f"m{place}.h5", ids[kept], part[kept] * 7, rejected, COMMON)
    fuse.fuse(
        {f"m{place}": tmp_path / f"m{place}.h5" for place in range(3)},
        tmp_path / "fused.h5",
        Job("fused", {"of": ["m0", "m1", "m2"]}, "1"),
    )
    found, fused = store.read([tmp_path / "fused.h5"], ids)
    assert found.tolist() == [each for each in ids if each != 12]
    rows = np.delete(np.arange(20), 4)
    expected = np.mean(
        [part[rows].astype(float) @ part[rows].T.astype(float) for part in parts], axis=0
    )
    np.testing.assert_allclose(fused @ fused.T, expected, atol=1e-6)
    for part, original in zip(split(fused, WIDTHS), parts, strict=True):
        np.testing.assert_allclose(part, original[rows], atol=1e-6)
    assert store.read_rejected(tmp_path / "fused.h5") == [(12, "p/4.png", "m1: truncated")]


def fused_table(by, count, k, threads=1, twin=False):
    import faiss

    faiss.omp_set_num_threads(threads)
    ids = np.random.default_rng(5).permutation(count) + 1000
    index, queries = (
        np.concatenate(members(size, seed), axis=1) / np.sqrt(3)
        for size, seed in ((count, 0), (7, 50))
    )
    if twin:
        index[1] = index[0]
    patients = {identity: f"p{identity % 9}" for identity in ids}
    asking = np.array([f"p{query}" for query in range(7)], dtype=object)
    table = fused_neighbor_table(
        by, WIDTHS, ids, index, Queries(np.arange(7), queries, k, asking, patients)
    )
    return ids, table.to_pandas(), table.schema.metadata


def by_loop(by, count):
    """The fused scores of seven queries with every image, one at a time."""
    scores = np.zeros((7, count))
    for index, queries in zip(members(count, 0), members(7, 50), strict=True):
        for query in range(7):
            cosines = [
                float(np.dot(queries[query].astype(float), image.astype(float))) for image in index
            ]
            if by == "score":
                mean = sum(cosines) / count
                deviation = (sum((each - mean) ** 2 for each in cosines) / count) ** 0.5
                scores[query] += [(each - mean) / deviation / 3 for each in cosines]
            else:
                for rank, image in enumerate(
                    sorted(range(count), key=lambda place, c=cosines: -c[place]), start=1
                ):
                    scores[query, image] += 1 / (60 + rank)
    return scores


@pytest.mark.parametrize("by", ["score", "reciprocal_rank"])
def test_fused_scores_are_those_of_a_plain_loop(apart, by):
    ids, table, metadata = apart(fused_table, by, 80, 12)
    expected = by_loop(by, 80)
    for query, rows in table.groupby("query"):
        assert not rows["neighbor"].duplicated().any()
        best = np.sort(expected[query])[::-1][: len(rows)]
        np.testing.assert_allclose(rows["score"], best, atol=2e-6)
        places = [np.flatnonzero(ids == each)[0] for each in rows["neighbor"]]
        np.testing.assert_allclose(expected[query, places], best, atol=2e-6)
        assert (~rows["same_patient"]).sum() == 12, "twelve neighbors of other patients"
    assert table["same_patient"].any()
    assert metadata[b"score"].decode() == by


@pytest.mark.parametrize("by", ["score", "reciprocal_rank"])
def test_fused_lists_end_with_the_index_and_do_not_depend_on_threads(apart, by):
    _, table, _ = apart(fused_table, by, 30, 500)
    assert (
        table.groupby("query").size().eq(30).all()
        and not table.duplicated(["query", "neighbor"]).any()
    )
    one, two = (apart(fused_table, by, 400, 20, threads)[1] for threads in (1, 2))
    assert one.equals(two)


def test_images_that_are_alike_tie_in_the_order_of_their_ids(apart):
    ids, table, _ = apart(fused_table, "score", 30, 30, 1, True)
    for _, rows in table.groupby("query"):
        twins = rows[rows["neighbor"].isin(ids[:2])]
        assert twins["score"].nunique() == 1 and twins["neighbor"].is_monotonic_increasing


# --- cards
# ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images.csv").write_text("filepath,split,label\n")
    control = {"loader": "control", "licence": "none"}
    write = {
        "small": {"name": "small", "architecture": "thumbnail", "dimension": 256, "training_data": ["A"], **control},
        "large": {"name": "large", "architecture": "histogram", "dimension": 64, "training_data": ["B", "A"], **control},
        "both": {"name": "both", "loader": "fusion", "licence": "x", "fusion": {"of": ["small", "large"], "by": "score"}},
    }  # fmt: skip
    for slug, card in write.items():
        (tmp_path / f"{slug}.yaml").write_text(yaml.safe_dump(card))
    return tmp_path


def project(folder, models=("small", "large", "both"), **changes):
    card = yaml.safe_load((folder / "both.yaml").read_text())
    (folder / "both.yaml").write_text(yaml.safe_dump(card | changes))
    dataset = {"csv": str(folder / "images.csv"), "images": str(folder)}
    experiment = {"datasets": ["a"], "index_split": "train", "query_splits": ["test"]}
    config = {
        "datasets": {"a": dataset},
        "models": list(models),
        "experiments": {"one": experiment},
    }
    return Project(config, [folder])


def test_a_fusion_takes_from_its_members_what_follows(folder):
    found = project(folder)
    card = found.cards["both"]
    assert (card["dimension"], card["training_data"]) == (320, ["A", "B"])
    assert model_card.is_control(card), "a fusion of controls is a control"
    assert (found.encoded, found.fusions) == (["small", "large"], ["both"])
    assert found.searched_models("one") == ["small", "large"]
    before = found.card_digest("both")
    by_rank = project(folder, fusion={"of": ["small", "large"], "by": "reciprocal_rank"})
    assert by_rank.card_digest("both") == before, "how scores are put together changes no embedding"
    small = yaml.safe_load((folder / "small.yaml").read_text()) | {
        "architecture": "histogram",
        "dimension": 64,
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(small))
    assert project(folder).card_digest("both") != before, "a member's change is the fusion's"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"models": ["small", "both"]},
            "'both' is a fusion of 'large', which `models` does not list",
        ),
        (
            {"fusion": {"of": ["small"], "by": "score"}},
            "`fusion: of` is ['small']: name at least 2",
        ),
        (
            {"fusion": {"of": ["small", "both"], "by": "score"}},
            "a fusion of 'both', which is a fusion itself",
        ),
        ({"fusion": {"of": ["small", "large"], "by": "mean"}}, "`fusion: by` is 'mean'"),
        ({"dimension": 320}, "`dimension` has no use with `loader: fusion`: take it out"),
        (
            {"loader": "timm"},
            "the keys `architecture`, `weights`, `pooling`, `dimension`, `preprocessing` are missing",
        ),
    ],
)
def test_a_wrong_fusion_is_named(folder, arguments, message):
    with pytest.raises(InputError) as caught:
        project(folder, **arguments)
    assert message in str(caught.value)


def test_ties_of_a_member_are_ranked_by_id_whatever_the_other_members_round():
    """Images that are alike to one member tie there; each fused vector is rounded by its own
    length."""
    random, images, asked, k = np.random.default_rng(0), 100, 10, 30

    def unit(vectors):
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    groups, ids = np.eye(12) + 0.3, random.permutation(images) + 1000
    makers = [
        lambda count: unit(groups[random.integers(0, 12, count)]),
        lambda count: unit(random.standard_normal((count, 16))),
        lambda count: unit(np.eye(9)[random.integers(0, 9, count)]),
    ]
    members, queries = ([make(count) for make in makers] for count in (images, asked))
    widths = [each.shape[1] for each in members]
    parts = [fused.split(unit(np.concatenate(each, axis=1)), widths) for each in (members, queries)]
    found = ids[fused.reciprocal_ranks(parts[0], ids)(parts[1], k)[0]]
    for query in range(asked):
        total = [Fraction(0)] * images
        for vectors, asking in zip(members, queries, strict=True):
            scores = np.round(vectors.astype(float) @ asking[query].astype(float), 9)
            for rank, image in enumerate(np.lexsort((ids, -scores)), start=1):
                total[image] += Fraction(1, 60 + rank)
        expected = sorted(range(images), key=lambda image: (-total[image], ids[image]))[:k]
        assert found[query].tolist() == ids[expected].tolist()
