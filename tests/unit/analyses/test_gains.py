"""Gains on planted vectors: what is learned of known labels, what is lost on new ones, and what cannot
be said."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
import pytest

from radcbir.analyses import registry
from radcbir.analyses.gains.compute import (
    GAIN_COLUMNS,
    LEFT_OUT_COLUMNS,
    gains,
    left_out,
    unseen_per_query,
)
from radcbir.analyses.gains.fits import fit_without
from radcbir.analyses.gains.folds import folds, load, save
from radcbir.analyses.summary import Given, summarise
from radcbir.metrics.evaluation import evaluate
from radcbir.report.render import render
from radcbir.retrieval.adaptation.fit import fit
from radcbir.retrieval.exact import exact_searcher
from radcbir.retrieval.neighbor_table import Queries, table_of

LABELS, WIDTH, K = 6, 40, 10


@pytest.fixture(scope="module")
def apart():
    """Run a function in a process that holds FAISS alone: other tests import torch into this
    one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def planted():
    """A pooled catalog and vectors: 60 index patients and 30 others with queries. Each label has a
    weak direction, each patient a strong look in eight directions. The look changes from image to
    image of a patient as well: a fit sees that it means nothing, whatever the label."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(90), 6)
    label = random.integers(0, LABELS, len(patient))
    vectors = random.normal(0, 0.04, (len(patient), WIDTH))
    vectors[:, LABELS : LABELS + 8] += random.normal(0, 0.5, (90, 8))[patient]
    vectors[np.arange(len(patient)), label] += 0.4
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    catalog = pd.DataFrame(
        {
            "id": np.arange(len(patient)),
            "split": np.where(patient < 60, "train", "test"),
            "label": [f"CT/a/{each}" for each in label],
            "modality": "CT",
            "region": "a",
            "dataset": np.where(patient % 2, "one", "two"),
            "patient_id": patient.astype(str),
        }
    )
    return catalog, vectors.astype(np.float32)


def answers(catalog, vectors):
    """The table per_query of an exact search."""
    index, asked = (
        catalog.loc[catalog["split"] == each, "id"].to_numpy() for each in ("train", "test")
    )
    nearest = exact_searcher(vectors[index])
    patients = catalog.set_index("id")["patient_id"]
    queries = Queries(asked, vectors[asked], K, patients.loc[asked].to_numpy(), patients)
    table = table_of(lambda rows, depth: nearest(vectors[asked][rows], depth), index, queries)
    ids = catalog["id"].to_numpy()
    return evaluate(table.to_pandas(), catalog, ids, "train", "test", K).per_query.assign(
        query_split="test"
    )


def measured(way):
    catalog, vectors = planted()
    images = catalog[catalog["split"] == "train"].reset_index(drop=True)
    settings = {"by": way}
    found = fit(vectors[images["id"]], images["label"].to_numpy(), settings)
    moved = found.apply(vectors)
    moved = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    tables = {"net": answers(catalog, vectors), way: answers(catalog, moved)}
    patients = catalog.set_index("id")["patient_id"]
    fits = fit_without(images, vectors[images["id"]], 3, settings)
    unseen = unseen_per_query(catalog, lambda ids: (ids, vectors[ids]), fits, "train", ["test"], K)
    gained = gains(tables, patients, way, "net", 200, 0)
    lost = left_out(unseen, tables[way], tables["net"], patients, 200, 0)
    return gained, lost


@pytest.fixture(scope="module")
def lda(apart):
    return apart(measured, "lda")


def of_figure(table, **wanted):
    wanted = {"neighbors": "other_patients", "metric": "precision_at_1"} | wanted
    for column, value in wanted.items():
        table = table[table[column] == value]
    [row] = table.to_dict("records")
    return row


def test_a_gain_by_known_labels_is_found_with_its_interval(lda):
    row = of_figure(lda[0])
    assert row["verdict"] == "better" and row["base"] == "net"
    assert row["base_value"] < 0.8 < 0.95 < row["value"]
    assert row["difference"] == pytest.approx(row["value"] - row["base_value"])
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert (row["queries"], row["effective_patients"]) == (180, pytest.approx(30))
    assert list(lda[0][GAIN_COLUMNS]) == GAIN_COLUMNS


def test_what_is_not_known_of_a_new_label_is_lost(lda):
    """LDA drops the direction of a label that it has not seen; a new dataset has the same labels,
    and loses nothing."""
    label, dataset = (of_figure(lda[1], left_out=each) for each in ("label", "dataset"))
    assert label["queries"] == dataset["queries"] == 180
    assert (label["fits"], dataset["fits"]) == (3, 2)
    assert label["lost"] < -0.3 and label["lost_high"] < 0
    assert label["seen_value"] == of_figure(lda[0])["value"]
    assert dataset["lost"] > -0.05 and dataset["verdict"] == "better"


def test_directions_of_the_look_are_known_from_other_labels(apart):
    """WCCN drops no direction: what it has learned of the look holds for new labels."""
    row = of_figure(apart(measured, "wccn")[1], left_out="label")
    assert row["verdict"] == "better" and row["lost"] > -0.1


def test_every_label_is_left_out_once(tmp_path):
    images = pd.DataFrame({"label": list("abcdefg") * 3, "dataset": ["x"] * 21})
    found = folds(images, 3)
    assert [each.kind for each in found] == ["label"] * 3
    assert sorted(label for each in found for label in each.held) == list("abcdefg")
    vectors = np.random.default_rng(0).normal(size=(21, 5))
    fits = fit_without(images, vectors, 3, {"by": "wccn"})
    kept = ~images["label"].isin(fits[0][0].held).to_numpy()
    expected = fit(vectors[kept], images["label"].to_numpy()[kept], {"by": "wccn"})
    save(tmp_path / "fits.h5", fits)
    stored = list(load(tmp_path / "fits.h5"))
    assert [fold for fold, _ in stored] == [fold for fold, _ in fits]
    np.testing.assert_array_equal(stored[0][1].matrix, expected.matrix)
    two = folds(images.assign(dataset=["x", "y", "y"] * 7), 100)
    assert [(each.kind, len(each.held)) for each in two] == [("label", 1)] * 7 + [
        ("dataset", 1)
    ] * 2


def test_one_label_or_too_few_labels_are_no_crash():
    images = pd.DataFrame({"label": ["a"] * 6, "dataset": ["x"] * 6})
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    assert fit_without(images, vectors, 5, {"by": "wccn"}) == []
    images["label"] = list("aabbcc")
    fits = fit_without(images, vectors, 5, {"by": "lda"})
    assert len(fits) == 3 and all(each is None and fold.error for fold, each in fits)
    unseen = unseen_per_query(
        images.assign(id=range(6), split="train", patient_id=None),
        lambda ids: (np.asarray(ids), vectors[ids]), fits, "train", ["test"], 2,
    )  # fmt: skip
    assert unseen == {}
    table = left_out(unseen, pd.DataFrame(), pd.DataFrame(), pd.Series(dtype=object), 100, 0)
    assert list(table) == LEFT_OUT_COLUMNS and table.empty


@pytest.mark.parametrize("kind", ["plain", "no fit left out", "one fold failed"])
def test_the_page_and_the_figure_say_what_there_is(lda, kind, tmp_path):
    gained, lost = (each.assign(model="lda") for each in lda)
    if kind == "no fit left out":
        lost = lost.iloc[:0]
    if kind == "one fold failed":
        lost["remark"] = "without CT/a/1: too few labels"
    pd.DataFrame([{"images": 360, "dimension": 5, "seconds": 0.5}]).to_csv(tmp_path / "t.csv")
    card = {"name": "Net, LDA", "loader": "adapted"}
    tables = {"gains": gained, "left_out": lost}
    settings = {"bases": {"lda": "Net"}, "query_splits": ["test"]}
    files = {"fits": [str(tmp_path / "t.csv")], "searches": []}
    found = summarise("gains", Given("findings", {"lda": card}, tables, settings, files))
    figure = found.figures["gains"]
    figure.canvas.draw()
    rows = [each.get_text() for each in figure.axes[0].get_yticklabels()]
    assert ("P@1, label not in the fit" in rows) == (kind != "no fit left out")
    assert [each.get_text() for each in figure.legends[0].get_texts()] == ["Net, LDA"]
    render(registry()["gains"].template, tmp_path / "page.html", **found.page)
    page = (tmp_path / "page.html").read_text()
    assert "Net, LDA" in page and "0.500" in page
    assert ("too few labels" in page) == (kind == "one fold failed")
