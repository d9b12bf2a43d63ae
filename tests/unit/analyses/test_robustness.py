"""What perturbed queries find, and whether neighbors follow label or site: by hand, against plain
loops and against croma, and on data that have nothing to tell."""

import html
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plain_intervals
import pytest
from croma import RI

from radcbir.analyses import registry
from radcbir.analyses.robustness.compute import ALL, answerable, overlap, robustness
from radcbir.analyses.robustness_index.compute import ATTRIBUTES, robustness_index
from radcbir.analyses.summary import Given, summarise
from radcbir.report.render import render
from radcbir.retrieval.joined import neighborhood

CARD = {"name": "Net", "loader": "timm"}


def plain_search(vectors):
    """The rows of ``vectors`` by falling inner product, as the exact search gives them."""

    def nearest(queries, k):
        scores = queries @ vectors.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return order, np.take_along_axis(scores, order, axis=1)

    return nearest


def on_circle(degrees):
    angles = np.deg2rad(np.asarray(degrees, dtype=float))
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def prepared(catalog, vectors):
    """The answerable queries of the split `test` of images with these vectors, and the queries'
    own vectors."""
    train, test = (np.flatnonzero(catalog["split"] == each) for each in ("train", "test"))
    ids = catalog["id"].to_numpy()
    queries = answerable(catalog, ids[test], ids[train], plain_search(vectors[train]))
    return queries, vectors[queries.rows]


# --- perturbed queries ----------------------------------------------------------------------------


def test_overlap_by_hand():
    one = np.array([[1, 2, 3, 4], [5, 6, -1, -1]])
    other = np.array([[4, 9, 1, -1], [6, 7, -1, -1]])
    assert overlap(one, other).tolist() == [2 / 4, 1 / 2]


def test_changes_by_hand():
    """Images on a circle: label a at 0 to 40 degrees, b at 180 to 220; two queries of a, one of b. A
    perturbation turns the first query to b, at its second severity only."""
    catalog = pd.DataFrame(
        {
            "id": np.arange(13) + 50,
            "split": ["train"] * 10 + ["test"] * 3,
            "label": ["a"] * 5 + ["b"] * 5 + ["a", "a", "b"],
            "patient_id": [f"p{each}" for each in range(13)],
        }
    )
    degrees = [0, 10, 20, 30, 40, 180, 190, 200, 210, 220, 21, 5, 181]
    queries, own = prepared(catalog, on_circle(degrees))
    assert queries.relevant.tolist() == [5, 5, 5]
    ids = np.tile([60, 61, 62], 2)
    changed = on_circle([21, 5, 181, 201, 5, 181])
    perturbed = {"blur": (ids, np.repeat([1, 2], 3), changed)}
    table, areas = robustness(catalog, queries, own, perturbed)
    first, second = table.to_dict("records")
    assert (first["precision_1"], first["change_1"], first["overlap"]) == (1, 0, 1)
    assert (second["precision_1"], second["precision_10"]) == pytest.approx((2 / 3, 2 / 3))
    assert (second["change_1"], second["overlap"]) == pytest.approx((-1 / 3, 1))
    assert (first["amount"], second["amount"]) == (1, 2), "sigma of a blur"
    [blur, whole] = areas.to_dict("records")
    assert blur["change_1"] == whole["change_1"] == pytest.approx(-1 / 6)
    assert (blur["before_1"], blur["worst"], whole["worst"]) == (1, True, False)
    assert (blur["queries"], blur["patients"], blur["unit"], blur["left_out"]) == (
        3,
        3,
        "patient",
        0,
    )


def simulated(seed, patients=30, classes=4, sites=3):
    """Queries and index share patients, so that own neighbors have to be left out; some patients are
    unknown."""
    random = np.random.default_rng(seed)
    count = 240
    patient = random.integers(0, patients, count)
    label = random.integers(0, classes, count)
    site = patient % sites
    vectors = random.normal(0, 1, (count, 8))
    vectors += 1.2 * random.normal(0, 1, (classes, 8))[label]
    vectors += 1.2 * random.normal(0, 1, (sites, 8))[site]
    vectors += 1.0 * random.normal(0, 1, (patients, 8))[patient]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    named = pd.Series([f"p{each}" for each in patient], dtype=object)
    catalog = pd.DataFrame(
        {
            "id": random.permutation(10_000)[:count],
            "split": np.where(np.arange(count) % 3 == 0, "test", "train"),
            "label": [f"CT/a/{each}" for each in label],
            "patient_id": named.where(patient < patients - 5, None),
            "source": [f"site {each}" for each in site],
        }
    )
    return catalog, vectors.astype(np.float32)


@pytest.mark.parametrize("known", [True, False])
def test_everything_is_that_of_plain_loops(known):
    catalog, vectors = simulated(0)
    if not known:
        catalog["patient_id"] = None
    random = np.random.default_rng(1)
    queries, own = prepared(catalog, vectors)
    ids = catalog["id"].to_numpy()[queries.rows]
    perturbed = {}
    for name, scale in (("noise", 0.1), ("blur", 0.6)):
        parts = []
        for severity in (1, 3):
            moved = own + scale * severity * random.normal(0, 1, own.shape)
            moved /= np.linalg.norm(moved, axis=1, keepdims=True)
            # The last query could not be embedded at severity 3.
            stop = len(ids) - (severity == 3)
            parts.append((ids[:stop], np.full(stop, severity), moved[:stop].astype(np.float32)))
        perturbed[name] = tuple(np.concatenate(each) for each in zip(*parts, strict=True))
    table, areas = robustness(catalog, queries, own, perturbed)

    label, patient = catalog["label"].to_numpy(), catalog["patient_id"].to_numpy()
    train = np.flatnonzero(catalog["split"] == "train")

    def ten(row, vector):
        order = train[np.argsort(-(vectors[train] @ vector), kind="stable")]
        return [each for each in order if patient[each] is None or patient[each] != patient[row]][
            :10
        ]

    def values(row, vector, base):
        found = ten(row, vector)
        right = [label[each] == label[row] for each in found]
        relevant = sum(
            label[each] == label[row] and (patient[each] is None or patient[each] != patient[row])
            for each in train
        )
        cut = min(10, relevant)
        return len(set(found) & set(base)) / 10, right[0], sum(right[:cut]) / cut

    kept = queries.rows[:-1]
    before = np.array([values(row, vectors[row], ten(row, vectors[row])) for row in kept])
    for name, (image, severity, changed) in perturbed.items():
        mean = np.zeros((len(kept), 3))
        for level in (1, 3):
            here = {
                each: v for each, s, v in zip(image, severity, changed, strict=True) if s == level
            }
            found = np.array(
                [values(row, here[catalog["id"][row]], ten(row, vectors[row])) for row in kept],
                dtype=float,
            )
            mean += found / 2
            [row] = table[(table["perturbation"] == name) & (table["severity"] == level)].to_dict(
                "records"
            )
            assert [
                row[each] for each in ("overlap", "precision_1", "precision_10")
            ] == pytest.approx(found.mean(axis=0).tolist())
            assert row["change_10"] == pytest.approx((found - before)[:, 2].mean())
            assert (row["queries"], row["left_out"]) == (len(kept), 1)
        [row] = areas[areas["perturbation"] == name].to_dict("records")
        change = (mean - before)[:, 1]
        assert row["change_1"] == pytest.approx(change.mean())
        assert row["change_1_low"] < change.mean() < row["change_1_high"]
        if not known:
            low, high = plain_intervals.of_mean(change)
            assert (row["change_1_low"], row["change_1_high"]) == pytest.approx((low, high))
        assert row["unit"] == ("patient, or image where unknown" if known else "image")
        assert row["patients"] == (
            len(kept)
            if not known
            else len(set(patient[kept]) - {None}) + sum(each is None for each in patient[kept])
        )
    assert areas.loc[areas["worst"], "perturbation"].tolist() == ["blur"]
    assert areas.set_index("perturbation").loc["blur", "verdict"] == "less often"
    both = areas.set_index("perturbation")["change_1"]
    assert both[ALL] == pytest.approx((both["noise"] + both["blur"]) / 2)


def odd(kind):
    """Small data that have something missing."""
    catalog, vectors = simulated(3)
    if kind == "no patients":
        catalog["patient_id"] = None
    if kind == "one patient":
        catalog["patient_id"] = np.where(catalog["split"] == "test", "p1", "p2")
    if kind == "one class":
        catalog["label"] = "CT/a/0"
    if kind == "one site":
        catalog["source"] = "here"
    if kind == "no site":
        catalog["source"] = None
    if kind == "all right":
        vectors = np.eye(8, dtype=np.float32)[catalog["label"].str[-1].astype(int)]
    if kind == "none right":
        turn = np.where(catalog["split"] == "test", 4, 0)
        vectors = np.eye(8, dtype=np.float32)[catalog["label"].str[-1].astype(int) + turn]
        vectors[catalog["split"] == "test", :4] = -vectors[catalog["split"] == "test", 4:] / 1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if kind == "nothing to answer":
        catalog.loc[catalog["split"] == "test", "label"] = "MR/b/9"
    return catalog, vectors


KINDS = [
    "no patients",
    "one patient",
    "one class",
    "one site",
    "no site",
    "all right",
    "none right",
    "nothing to answer",
]

SAID = {
    "no patients": "images (no patient is known)",
    "one patient": "With fewer than 3 there is no interval",
    "one class": "the index has one label",
    "none right": "no nearest neighbor is right without a perturbation",
    "nothing to answer": "No query of the sample can be answered",
}


def shown(analysis, tables, settings, path):
    """The page of one model's tables, as a reader sees it, and the sentences in its figures."""
    stacked = {name: table.assign(model="net") for name, table in tables.items()}
    found = summarise(analysis, Given("findings", {"net": CARD}, stacked, settings))
    words = []
    for figure in found.figures.values():
        figure.canvas.draw()
        words += [each.get_text() for axis in figure.axes for each in axis.texts]
        plt.close(figure)
    render(registry()[analysis].template, path, **found.page)
    return html.unescape(path.read_text()), words


@pytest.mark.parametrize("kind", KINDS)
def test_perturbed_queries_that_tell_nothing_end_in_a_sentence(kind, tmp_path):
    catalog, vectors = odd(kind)
    queries, own = prepared(catalog, vectors)
    ids = catalog["id"].to_numpy()[queries.rows]
    perturbed = {"noise": (ids, np.ones(len(ids), int), own[::-1])}
    table, areas = (
        each.assign(query_split="test") for each in robustness(catalog, queries, own, perturbed)
    )
    page, words = shown(
        "robustness",
        {"robustness": table, "areas": areas},
        {"left_out": ["Both"]},
        tmp_path / "p.html",
    )
    assert SAID.get(kind, "Worst perturbation") in page
    assert "Left out: Both." in page
    assert ">nan<" not in page.lower()
    assert bool(words) == (kind == "nothing to answer")


def test_queries_that_could_not_be_embedded_end_in_a_sentence(tmp_path):
    catalog, vectors = simulated(3)
    queries, own = prepared(catalog, vectors)
    nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty((0, 8), np.float32)
    table, areas = (
        each.assign(query_split="test")
        for each in robustness(catalog, queries, own, {"noise": nothing})
    )
    assert not areas["worst"].any()
    tables = {"robustness": table, "areas": areas}
    page, _ = shown("robustness", tables, {"left_out": []}, tmp_path / "p.html")
    assert "no perturbed query could be embedded" in page


# --- label or site --------------------------------------------------------------------------------


def hood_of(catalog, vectors, k):
    test, train = (np.flatnonzero(catalog["split"] == each) for each in ("test", "train"))
    order = train[np.argsort(-(vectors[test] @ vectors[train].T), axis=1, kind="stable")[:, :k]]
    ids = catalog["id"].to_numpy()
    rows = {
        "query": np.repeat(ids[test], order.shape[1]),
        "rank": np.tile(np.arange(1, order.shape[1] + 1), len(test)),
        "neighbor": ids[order].ravel(),
    }
    return neighborhood(pd.DataFrame(rows), catalog, ids, "train")


def test_the_index_by_hand():
    """Four queries of label a: two from site x, two from y. Index: a and b from x and from y, and a
    from an unknown site."""
    catalog = pd.DataFrame(
        {
            "id": np.arange(9),
            "split": ["test"] * 4 + ["train"] * 5,
            "label": ["a"] * 4 + ["a", "a", "b", "b", "a"],
            "patient_id": [f"p{each}" for each in range(9)],
            "source": ["x", "x", "y", "y", "x", "y", "x", "y", None],
        }
    )
    ax, ay, bx, by, unknown = 4, 5, 6, 7, 8
    lists = [[ay, ax], [bx, ay], [unknown, ax], [by, bx]]
    rows = [
        (query, rank, each)
        for query, found in enumerate(lists)
        for rank, each in enumerate(found, 1)
    ]
    table = pd.DataFrame(rows, columns=["query", "rank", "neighbor"])
    hood = neighborhood(table, catalog, catalog["id"].to_numpy(), "train")
    found, sites = robustness_index(catalog, hood, 2, 1)
    [row] = found.to_dict("records")
    # Right from elsewhere: ay, ay, ax. Wrong from the same site: bx, by.
    assert row["robustness_index"] == pytest.approx(3 / 5)
    assert (row["neighbors"], row["without"], row["left_out"]) == (5, 0, 0)
    assert row["chance"] == 0.5, "of the four index images with a site, one is of each kind"
    by_site = sites.set_index("site")["robustness_index"]
    assert by_site.to_dict() == pytest.approx({"x": 2 / 3, "y": 1 / 2})
    assert (row["worst_site"], row["worst"]) == ("y", 0.5)
    [one] = robustness_index(catalog, hood, 1, 1)[0].to_dict("records")
    assert one["robustness_index"] == 1 / 3
    assert one["without"] == 1, "the first neighbor of the third query has no known site"
    [none] = robustness_index(catalog, hood, 2, 3)[0].to_dict("records")
    assert none["robustness_index"] == row["robustness_index"]
    assert none["worst_site"] == ""


@pytest.mark.parametrize("k", [1, 5, 11])
def test_the_index_is_that_of_croma(k):
    """Every image is a query and in the index, and its patient is left out."""
    catalog, vectors = simulated(5, patients=40)
    catalog["patient_id"] = [f"p{each}" for each in np.random.default_rng(6).integers(0, 40, 240)]
    manifest = pd.DataFrame(
        {
            "sample_id": catalog["id"].astype(str),
            "label": catalog["label"],
            "group_id": catalog["patient_id"],
            "image_path": "-",
            "center": catalog["source"],
        }
    )
    peer = RI.compute_curve(
        vectors.astype(np.float64), manifest, confounder_column="center", k_values=[k]
    )
    twice = pd.concat([catalog.assign(split="test"), catalog.assign(split="train")])
    twice = twice.reset_index(drop=True).assign(id=np.arange(480))
    hood = hood_of(twice, np.concatenate([vectors, vectors]), 60)
    [row] = robustness_index(twice, hood, k, 1)[0].to_dict("records")
    assert row["left_out"] == 0
    assert row["robustness_index"] == pytest.approx(peer[k], abs=1e-12)


def test_a_planted_site_is_found_and_a_planted_label_too():
    random = np.random.default_rng(0)
    count = 600
    label, site, patient = (random.integers(0, each, count) for each in (3, 3, 10**6))
    catalog = pd.DataFrame(
        {
            "id": np.arange(count),
            "split": np.where(np.arange(count) % 2, "train", "test"),
            "label": [f"l{each}" for each in label],
            "patient_id": [f"p{each}" for each in patient],
            "scanner": [f"s{each}" for each in site],
        }
    )
    for strong, verdict in ((label, "the label"), (site, "the site"), (None, "undecided")):
        vectors = random.normal(0, 1, (count, 12))
        if strong is not None:
            vectors += 3 * np.eye(12)[strong]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        [row] = robustness_index(catalog, hood_of(catalog, vectors, 10), 10, 20)[0].to_dict(
            "records"
        )
        assert row["verdict"] == verdict
        assert row["low"] < row["robustness_index"] < row["high"]
        assert row["chance"] == pytest.approx(0.5, abs=0.05)
        assert row["worst"] <= row["robustness_index"]
        # With one neighbor each, the index is a share of patients.
        [one] = robustness_index(catalog, hood_of(catalog, vectors, 10), 1, 20)[0].to_dict(
            "records"
        )
        if strong is None:
            expected = plain_intervals.of_share(one["robustness_index"], one["neighbors"])
            assert (one["low"], one["high"]) == pytest.approx(expected)


def test_a_query_counts_where_the_index_can_tell_its_label_from_its_site():
    """Label c comes from site x alone, and site z has label a alone: neither can tell."""
    catalog = pd.DataFrame(
        {
            "id": np.arange(9),
            "split": ["test"] * 3 + ["train"] * 6,
            "label": ["a", "c", "a", "a", "a", "c", "b", "b", "a"],
            "patient_id": [f"p{each}" for each in range(9)],
            "view": ["x", "x", "z", "x", "y", "x", "y", "x", "z"],
        }
    )
    hood = hood_of(catalog, np.ones((9, 1)), 6)
    [row] = robustness_index(catalog, hood, 6, 1)[0].to_dict("records")
    assert (row["queries"], row["left_out"]) == (1, 2)
    # Of the query (a, x): right from elsewhere are (a, y), (a, z); wrong from x are (c, x), (b, x).
    assert (row["robustness_index"], row["neighbors"], row["chance"]) == (0.5, 4, 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_that_tells_nothing_is_a_sentence(kind, tmp_path):
    catalog, vectors = odd(kind)
    found = robustness_index(catalog, hood_of(catalog, vectors, 20), 10, 20)
    table, sites = (each.assign(query_split="test") for each in found)
    page, words = shown(
        "robustness_index",
        {"robustness_index": table, "sites": sites},
        {"k": 10, "smallest": 20},
        tmp_path / "p.html",
    )
    said = {
        "one patient": "too few patients",
        "one class": "no query has, of other patients, both index images",
        "one site": "all images have the same value",
        "no site": "No query has a known source",
        "nothing to answer": "no query has, of other patients, both index images",
    }
    assert said.get(kind, "Right neighbors from another source") in page
    assert ">nan<" not in page.lower()
    blank = kind in ("one class", "one site", "no site", "nothing to answer")
    assert ("no query can tell the label from the site" in words) == blank
    assert set(ATTRIBUTES) >= set(table["attribute"])


def test_worse_vectors_have_a_lower_index():
    """The more the site moves the vectors, the lower the index."""
    catalog, vectors = simulated(8)
    site = catalog["source"].str[-1].astype(int).to_numpy()
    found = []
    for strength in (0.0, 0.5, 1.5):
        moved = vectors + strength * np.eye(8)[site]
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        found.append(robustness_index(catalog, hood_of(catalog, moved, 30), 10, 1)[0])
    values = [each["robustness_index"].iloc[0] for each in found]
    assert all(one > other for one, other in pairwise(values))
