"""Paper mode against a plain re-implementation of the reference's scripts: the same numbers, quirk
by quirk."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from published import PRECISION_COLUMNS, Published

from radcbir.analyses.paper_mode import compute as paper_mode_compute
from radcbir.analyses.paper_mode import exports
from radcbir.analyses.paper_mode.compute import (
    QUIRKS,
    classification_tables,
    retrieval_table,
    side_by_side,
)
from radcbir.analyses.paper_mode.lists import PaperLists, paper_lists, read_listing, read_lists
from radcbir.analyses.paper_mode.page import page_rows
from radcbir.core.errors import InputError
from radcbir.datasets.catalog import build_catalog, image_id
from radcbir.datasets.pool import pool
from radcbir.embedding import store
from radcbir.metrics.evaluation import evaluate
from radcbir.project.configuration import CONFIG_SCHEMA

ON = dict.fromkeys(QUIRKS, True)
OFF = dict.fromkeys(QUIRKS, False)


class Case:
    """What the workflow has of the published artefacts: catalog, neighbor tables, and the lists
    made of them."""

    def __init__(self, published: Published):
        published.write(figures=False)
        self.published, self.k = published, published.k
        self.csvs = {
            name.lower(): published.folder / f"datasets/{name}.csv" for name in published.rows
        }
        catalogs = {name: build_catalog(path, name, None, 0)[0] for name, path in self.csvs.items()}
        self.catalog, _ = pool(catalogs, "all", "train", ["val", "test"], "refuse")
        self.ids = {
            path: image_id(name.lower(), path)
            for name, rows in published.rows.items()
            for path in (row["filepath"] for row in rows)
        }
        self.embedded = np.array([self.ids[path] for path in published.vectors])
        self.listing = read_listing(self.csvs)

    def neighbors(self, split: str) -> pd.DataFrame:
        rows = [
            (self.ids[query], rank, self.ids[path])
            for query in self.published.listed(split)
            for rank, path in enumerate(
                self.published.neighbors[query][: len(self.published.index)], 1
            )
        ]
        return pd.DataFrame(rows, columns=["query", "rank", "neighbor"]).sort_values(
            ["query", "rank"]
        )

    def lists(self, split: str) -> PaperLists:
        return paper_lists(
            self.neighbors(split), self.catalog, self.embedded, self.listing, "train", split, self.k
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def plain(folder):
    """Every class has index images, and the index more images than k."""
    return Case(Published(folder / "plain", k=25, lone=False))


@pytest.fixture(scope="module")
def gaps(folder):
    """A class without index images, and index images without an embedding, half of a class among
    them."""
    rows = Published(folder / "look").rows["nih14"]
    lost = [
        row["filepath"] for row in rows if row["split"] == "train" and row["label"].endswith("Mass")
    ][:4]
    return Case(Published(folder / "gaps", k=25, without=tuple(lost)))


@pytest.fixture(scope="module")
def small(folder):
    """Lists that are longer than the index."""
    return Case(Published(folder / "small", k=110, lone=False))


CASES = ["plain", "gaps", "small"]


@pytest.mark.parametrize("case", CASES)
def test_precision_as_the_reference_computes_it(case, request):
    case = request.getfixturevalue(case)
    found = retrieval_table(case.lists("test"), ON)
    expected = pd.DataFrame(case.published.precision())
    assert list(found.columns) == PRECISION_COLUMNS
    assert len(found) == case.k - 1
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), atol=1e-12, rtol=0)
    assert found["micro_precision_mean"].nunique() > 10


@pytest.mark.parametrize("case", ["plain", "small"])
def test_classification_as_the_reference_computes_it(case, request):
    case = request.getfixturevalue(case)
    validation, row, k = classification_tables(case.lists("val"), case.lists("test"), ON)
    expected_k, expected = case.published.classification()
    assert k == expected_k > 0
    assert list(row.columns) == list(expected)
    np.testing.assert_allclose(row.iloc[0].to_numpy(), list(expected.values()), atol=1e-12, rtol=0)
    rows = pd.DataFrame(case.published.validation())
    np.testing.assert_allclose(validation.to_numpy(), rows.to_numpy(), atol=1e-12, rtol=0)
    assert rows["micro_f1"].nunique() > 3


def test_each_switch_of_the_classification_is_the_reference_without_that_line(plain):
    lists = plain.lists("val"), plain.lists("test")
    for quirk, changes in (
        ("label_leak", {"leak": False}),
        ("k_off_by_one", {"off_by_one": False}),
        ("stop_before_last_k", {"last": plain.k}),
    ):
        _, row, k = classification_tables(*lists, ON | {quirk: False})
        expected_k, expected = plain.published.classification(**changes)
        assert k == expected_k
        np.testing.assert_allclose(
            row.iloc[0].to_numpy(), list(expected.values()), atol=1e-12, rtol=0
        )
    assert (
        classification_tables(*lists, ON | {"k_off_by_one": False})[2]
        == classification_tables(*lists, ON)[2] + 1
    )


def arranged(neighbor_labels, labels, listed, classes, last=0):
    """Lists by hand; label codes stand for catalog rows too."""
    neighbor_labels, labels, listed = (np.array(each) for each in (neighbor_labels, labels, listed))
    return PaperLists(
        queries=np.arange(len(labels)), labels=labels, neighbors=neighbor_labels, neighbor_labels=neighbor_labels,
        listed=listed, findable=listed, last=last, classes=classes, without_embedding=0, label_of_row=np.arange(classes),
    )  # fmt: skip


def test_the_cut_list_by_hand():
    """A class of 2 index images: hits at the ranks 1 and 3. Cut at 2 it is 1/2, over k = 3 it is
    2/3."""
    lists = arranged([[0, 1, 0, 1]], [0], [2], 2)
    assert retrieval_table(lists, OFF)["micro_precision_mean"].tolist() == [1, 1 / 2, 2 / 3, 2 / 4]
    cut = retrieval_table(lists, OFF | {"cut_list": True})
    assert cut["micro_precision_mean"].tolist() == [1, 1 / 2, 1 / 2, 1 / 2]
    assert len(retrieval_table(lists, OFF | {"stop_before_last_k": True})) == 3


def test_the_leak_by_hand():
    """Two queries with the same neighbors get different probabilities, because their true classes
    are of other sizes."""
    lists = arranged([[0, 1, 1, 1]] * 2, [0, 1], [1, 9], 2)
    leaking = dict(paper_mode_compute._classified(lists, [4], OFF | {"label_leak": True}))[4]
    honest = dict(paper_mode_compute._classified(lists, [4], OFF))[4]
    assert leaking["macro_accuracy"] == 1.0 and honest["macro_accuracy"] == 0.5


def test_ties_by_hand():
    """One vote each: the first column wins in the paper, the nearest neighbor otherwise."""
    lists = arranged([[1, 0]], [1], [9], 2)
    assert dict(paper_mode_compute._classified(lists, [2], OFF))[2]["macro_accuracy"] == 1.0
    assert (
        dict(paper_mode_compute._classified(lists, [2], OFF | {"first_column_wins": True}))[2][
            "macro_accuracy"
        ]
        == 0.0
    )


def test_macro_over_predicted_by_hand():
    """Of two queries of class 0 one is called class 1, which no query has: F1 is 2/3, or half of
    that with class 1 as 0."""
    lists = arranged([[0], [1]], [0, 0], [9, 9], 2)
    assert dict(paper_mode_compute._classified(lists, [1], OFF))[1]["macro_f1"] == pytest.approx(
        2 / 3
    )
    assert dict(paper_mode_compute._classified(lists, [1], OFF | {"macro_over_predicted": True}))[
        1
    ]["macro_f1"] == pytest.approx(1 / 3)


def test_the_best_k_of_one_leaves_nobody_to_vote():
    lists = arranged([[0, 1, 1], [1, 0, 0]], [0, 1], [9, 9], 2)
    _, row, k = classification_tables(lists, lists, ON)
    assert k == 0 and row.isna().all(axis=None)
    _, row, k = classification_tables(lists, lists, OFF)
    assert k == 1 and row["macro_accuracy"].item() == 1
    with pytest.raises(
        InputError, match="no query of the validation split has a class with index images"
    ):
        classification_tables(arranged([[0, 1, 1]], [0], [0], 2), lists, OFF)


def test_one_neighbor_has_no_paper_way():
    """With k = 1 the reference's range of k is empty; the corrected figures are there, and the
    export says why not."""
    lists = arranged([[0], [0]], [0, 1], [9, 9], 2)
    table = side_by_side({"test": lists, "validation": lists}, ON).set_index("metric")
    assert (
        np.isnan(table.loc["micro_precision_at_1", "paper"])
        and table.loc["micro_precision_at_1", "corrected"] == 0.5
    )
    assert table.loc["knn_k", "corrected"] == 1
    for quirks in (ON, ON | {"spread_as_std": False}, ON | {"silent_gaps": False}):
        assert len(retrieval_table(lists, quirks)) == 0
    with pytest.raises(InputError, match="the reference's range of k is empty"):
        classification_tables(lists, lists, ON)


def test_invented_neighbors_are_the_last_image_again(small):
    lists = small.lists("test")
    size = len(small.published.index)
    assert (lists.neighbors >= 0).sum(axis=1).tolist() == [size] * len(lists.queries)
    assert small.catalog["path"][lists.last] == small.published.index[-1]
    table = retrieval_table(lists, OFF | {"cut_list": False})
    assert table["micro_precision_mean"].notna().sum() == size, (
        "without them the curve ends where the index does"
    )


def test_gaps_are_counted_when_they_are_not_silent(gaps):
    table = retrieval_table(gaps.lists("test"), ON | {"silent_gaps": False})
    assert set(table["queries_without_index_image"]) == {2}
    assert set(table["queries"]) == {len(gaps.published.listed("test")) - 2}
    with_missing = retrieval_table(gaps.lists("test"), ON)
    findable = retrieval_table(gaps.lists("test"), ON | {"count_missing_images": False})
    assert (with_missing["macro_precision_mean"] != findable["macro_precision_mean"]).any()


def test_corrected_figures_are_those_of_the_default_mode(gaps):
    """The same as `precision.csv`: plain with every switch off, capped with the list cut."""
    evaluation = evaluate(
        gaps.neighbors("test"), gaps.catalog, gaps.embedded, "train", "test", gaps.k
    )
    curve = evaluation.precision.set_index(["definition", "average", "k"])["value"].sort_index()
    for definition, quirks in (("plain", OFF), ("capped", OFF | {"cut_list": True})):
        table = retrieval_table(gaps.lists("test"), quirks)
        for average in ("micro", "macro"):
            found = table[f"{average}_precision_mean"].to_numpy()
            np.testing.assert_allclose(
                found, curve[definition, average].to_numpy(), atol=1e-12, rtol=0
            )


def test_side_by_side_gives_each_quirk_its_own_effect(plain):
    lists = {"test": plain.lists("test"), "validation": plain.lists("val")}
    table = side_by_side(lists, ON).set_index("metric")
    assert table.loc["micro_precision_at_1", "difference"] == 0
    cut = table.loc["macro_precision_at_10"]
    assert cut["cut_list"] == cut["difference"] > 0
    assert table.loc["knn_k", "k_off_by_one"] == -1
    last = table.loc["micro_precision_at_25"]
    assert np.isnan(last["paper"]) and last["corrected"] > 0
    rows = {row["metric"]: row for row in page_rows(table.reset_index())}
    assert rows["P@25 (micro)"]["causes"] == [("stop_before_last_k", "")]
    assert rows["standard deviation of P@1 (macro)"]["causes"] == [("spread_as_std", "")]
    assert rows["queries without index image"]["causes"] == [("silent_gaps", "")]
    assert (
        rows["queries without index image"]["paper"],
        rows["queries without index image"]["corrected"],
    ) == (
        "none",
        "0",
    )
    assert rows["P@10 (macro)"]["causes"][0][0] == "cut_list"
    assert rows["kNN classification: k"]["difference"][0] == "−"
    assert "kNN classification: F1 (micro)" in rows
    assert not any("_" in name for name in rows)
    same = side_by_side(lists, OFF)
    assert (same["difference"].dropna() == 0).all() and not same[list(QUIRKS)].any(axis=None)


def test_neighbor_lists_are_written_as_they_were_published(small, gaps, tmp_path):
    for case in (small, gaps):
        splits = [case.lists("test"), case.lists("val")]
        exports.write_neighbor_lists(
            tmp_path / "knn.csv", splits, case.catalog, list(case.csvs), ON
        )
        with open(tmp_path / "knn.csv", newline="") as handle:
            rows = list(csv.reader(handle))
        assert rows[0] == ["query", *map(str, range(1, case.k + 1))]
        assert {query: neighbors for query, *neighbors in rows[1:]} == case.published.neighbors
        assert [row[0] for row in rows[1:]] == list(case.published.neighbors), (
            "and in the same order"
        )
    exports.write_neighbor_lists(
        tmp_path / "knn.csv", splits[:1], case.catalog, list(case.csvs), OFF
    )


def test_the_order_of_columns_is_that_of_the_csvs(plain, tmp_path):
    assert plain.listing.columns == plain.published.columns
    (tmp_path / "a.csv").write_text(
        "filepath,split,label\nb.png,train,XR/chest/b\n./a.png,train, XR/chest/ a\n"
    )
    listing = read_listing({"one": tmp_path / "a.csv"})
    assert listing.columns == ["XR/chest/a", "XR/chest/b"]
    assert listing.position == {("one", "b.png"): 0, ("one", "a.png"): 1}
    (tmp_path / "b.csv").write_text("filepath,split,labels\na.png,train,XR/chest/b|XR/chest/c\n")
    assert read_listing({"two": tmp_path / "b.csv"}).columns == ["XR/chest/b", "XR/chest/c"]


def test_images_with_several_labels_are_left_out(plain, tmp_path):
    """As if they were not there: the lists close up, and figures are those of the other images."""

    files = SimpleNamespace(
        neighbors=[tmp_path / "test.parquet"], catalog=tmp_path / "catalog.parquet", csvs=list(plain.csvs.values()),
        embeddings=[tmp_path / "ids.h5"],
    )  # fmt: skip
    settings = SimpleNamespace(
        splits=["test"], datasets=list(plain.csvs), index_split="train", k=10
    )
    catalog, table = plain.catalog.copy(), plain.neighbors("test")
    several = catalog["id"] == table["neighbor"].iloc[0]
    catalog.loc[several, "label"] = None
    catalog.to_parquet(files.catalog)
    table.to_parquet(files.neighbors[0])
    attributes = {name: "" for name in store.COMMON if name != "format"}
    store.write_shard(
        files.embeddings[0], plain.embedded, np.ones((len(plain.embedded), 1)), [], attributes
    )
    kept, lists = read_lists(files, settings)
    assert len(kept) == len(catalog) - 1 and set(lists) == {"test"}
    first = table[table["query"] == table["query"].iloc[0]]["neighbor"].tolist()
    row = kept.index[kept["id"] == table["query"].iloc[0]][0]
    place = list(lists["test"].queries).index(row)
    assert kept["id"][lists["test"].neighbors[place]].tolist() == first[1:11]


def test_the_schema_lists_the_quirks_that_there_are():
    schema = json.loads(CONFIG_SCHEMA.read_text())
    settings = schema["properties"]["experiments"]["additionalProperties"]["properties"][
        "paper_mode"
    ]["properties"]
    assert {name for name in settings if name != "test_split"} == set(QUIRKS)
    assert all(settings[name]["default"] is True for name in QUIRKS)
