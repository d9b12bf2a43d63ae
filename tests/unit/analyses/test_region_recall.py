"""Whether first results show what the query shows: by hand, against plain loops, and in figure and
page."""

import numpy as np
import pandas as pd
import pytest
from figure_texts import figure_texts, figures_unfit_for_print
from plain_intervals import of_share
from plain_region_recall import plain_means, plain_region_recall

from radcbir.analyses import registry
from radcbir.analyses.region_recall.compute import region_recall
from radcbir.analyses.summary import Given, summarise
from radcbir.report.render import render
from radcbir.report.style import save
from radcbir.retrieval.joined import neighborhood

LIVER, SPLEEN, LUNG = "CT/abdomen/liver", "CT/abdomen/spleen", "CT/chest/lung"
BRAIN = "CT/head/brain"


def catalog_of(images):
    """A pooled catalog of (id, split, patient, labels)."""
    catalog = pd.DataFrame(images, columns=["id", "split", "patient_id", "labels"])
    catalog["label"] = [each[0] if len(each) == 1 else None for each in catalog["labels"]]
    return catalog


def recall(catalog, lists, k):
    """The two tables of neighbor lists, given as query -> neighbors."""
    rows = [
        (query, rank, each)
        for query, found in lists.items()
        for rank, each in enumerate(found, 1)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["query", "rank", "neighbor"])
    ids = catalog["id"].to_numpy()
    return region_recall(catalog, neighborhood(table, catalog, ids, "train", one_label=False), k)


BY_HAND = catalog_of(
    [
        (0, "test", "q1", [LIVER, LUNG]),
        (1, "test", "q2", [LIVER, SPLEEN]),
        (2, "test", "q3", [LUNG, BRAIN]),
        (10, "train", "p1", [LIVER, SPLEEN]),
        (11, "train", "p2", [LIVER]),
        (12, "train", "p3", [LUNG]),
        (13, "train", "q1", [LIVER, LUNG]),
    ]
)
LISTS = {0: [13, 12, 11, 10], 1: [11, 10, 13, 12], 2: [10, 11, 13, 12]}


def test_recall_and_chance_by_hand():
    """Image 13 shows all that query 0 shows, but is of the same patient."""
    means, labels = recall(BY_HAND, LISTS, 4)
    assert sorted(set(labels["k"])) == [1, 3], "there are no five results"
    rows = labels.set_index(["level", "label", "k"]).sort_index()
    # The first result of query 0 is 12 (no liver), that of query 1 is 11; 10 is third at the latest.
    assert rows.loc[("fine", LIVER), "value"].tolist() == [1 / 2, 1]
    # Two of the three images that are not of q1, three of all four: (2/3 + 3/4) / 2.
    assert rows.loc[("fine", LIVER), "chance"].tolist() == pytest.approx([17 / 24, 1])
    assert rows.loc[("fine", SPLEEN), "value"].tolist() == [0, 1]
    # One of four images; one of three that are drawn from four.
    assert rows.loc[("fine", SPLEEN), "chance"].tolist() == pytest.approx([1 / 4, 3 / 4])
    # 12 is first for query 0. Query 2 finds 13, another patient's, in third place.
    assert rows.loc[("fine", LUNG), "value"].tolist() == [1 / 2, 1]
    assert rows.loc[("fine", LUNG, 1), "chance"] == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert rows.loc[("fine", LUNG, 1), ["queries", "index_images"]].tolist() == [2, 2]
    brain = rows.loc[("fine", BRAIN, 1)]
    assert brain[["queries", "queries_without_answer", "index_images"]].tolist() == [0, 1, 0]
    assert brain[["value", "low", "high", "chance"]].isna().all()
    assert rows.loc[("coarse", "CT/abdomen", 1), "value"] == 1 / 2
    assert rows.loc[("coarse", "CT/abdomen", 1), "chance"] == pytest.approx(17 / 24)
    assert rows.loc[("coarse", "CT/chest", 1), "value"] == 1 / 2
    means = means.set_index(["level", "k"])
    assert means["value"].tolist() == pytest.approx([1 / 3, 1, 1 / 2, 1])
    assert means.loc[("fine", 1), "chance"] == pytest.approx((17 / 24 + 1 / 4 + 5 / 12) / 3)
    assert means.loc[("fine", 1), ["labels", "labels_without_answer", "queries"]].tolist() == [
        3, 1, 3,
    ]  # fmt: skip
    assert means.loc[("coarse", 1), ["labels", "labels_without_answer"]].tolist() == [2, 1]


def test_results_of_the_own_patient_are_no_answer():
    """Only the query's own patient shows a spleen in the index."""
    catalog = catalog_of(
        [
            (0, "test", "p", [LIVER, SPLEEN]), (1, "train", "p", [LIVER, SPLEEN]), (2, "train", "o", [LIVER]),
        ]
    )  # fmt: skip
    means, labels = recall(catalog, {0: [1, 2]}, 1)
    rows = labels[labels["level"] == "fine"].set_index("label")
    assert rows["queries"].to_dict() == {LIVER: 1, SPLEEN: 0}
    assert rows["queries_without_answer"].to_dict() == {LIVER: 0, SPLEEN: 1}
    assert rows["chance"].to_dict() == {LIVER: 1, SPLEEN: pytest.approx(np.nan, nan_ok=True)}
    unknown = catalog.assign(patient_id=None)
    rows = recall(unknown, {0: [1, 2]}, 1)[1].set_index(["level", "label"])
    assert rows.loc[("fine", SPLEEN), ["value", "queries"]].tolist() == [1, 1]
    assert means["labels_without_answer"].tolist() == [1, 0]


def made(seed, queries, images, names, most):
    """A catalog of queries and an index that share some patients, and lists in random order."""
    random = np.random.default_rng(seed)
    rows = [
        (
            number * 3 + 1,
            "test" if number < queries else "train",
            None if number % 7 == 0 else f"p{random.integers(0, 25)}",
            sorted(random.choice(names, random.integers(1, most + 1), replace=False)),
        )
        for number in range(queries + images)
    ]
    catalog = catalog_of(rows)
    index = catalog.loc[catalog["split"] == "train", "id"].tolist()
    lists = {
        each: random.permutation(index).tolist()
        for each in catalog.loc[catalog["split"] == "test", "id"]
    }
    return catalog, lists, index


NAMES = [f"CT/{region}/{part}" for region in ("abdomen", "chest", "head") for part in "abcd/e"]


@pytest.mark.parametrize(("k", "most"), [(1, 1), (4, 3), (40, 5)])
def test_all_values_are_those_of_plain_loops(k, most):
    catalog, lists, index = made(k, 40, 30, NAMES, most)
    cuts = [each for each in (1, 3, 5, 10) if each <= k]
    means, labels = recall(catalog, lists, k)
    known = catalog.set_index("id")
    plain = plain_region_recall(
        known["labels"].to_dict(), known["patient_id"].to_dict(), lists, index, cuts
    )
    assert len(labels) == len(plain)
    for row in labels.itertuples():
        value, chance, *counts = plain[row.level, row.label, row.k]
        assert [row.queries, row.queries_without_answer] == counts, row
        if value is None:
            assert np.isnan([row.value, row.chance]).all()
        else:
            assert [row.value, row.chance] == pytest.approx([value, chance]), row
    assert labels["value"].nunique() > 3
    for row in means.itertuples():
        found = [row.value, row.chance, row.labels, row.labels_without_answer]
        assert found == pytest.approx(plain_means(plain, row.level, row.k)), row


def of_patients(right, labels):
    """Queries of as many patients, each showing all ``labels``; half of the index shows them, the
    other half none of them. ``right`` says whose first result is of the first half."""
    images = [(each, "test", f"q{each}", labels) for each in range(len(right))]
    images += [(90, "train", "p1", labels), (91, "train", "p2", [BRAIN])]
    lists = {each: [90, 91] if is_right else [91, 90] for each, is_right in enumerate(right)}
    return recall(catalog_of(images), lists, 1)


def test_intervals_are_those_of_patients():
    """Labels that are always seen together do not make the mean over labels surer than one label."""
    right = [True] * 7 + [False] * 3
    for labels in ([LIVER], [LIVER, SPLEEN, LUNG]):
        means, by_label = of_patients(right, labels)
        for table in (means, by_label):
            np.testing.assert_allclose(table["value"], 0.7)
            np.testing.assert_allclose(table["chance"], 0.5)
            np.testing.assert_allclose(table["effective_patients"], 10)
            np.testing.assert_allclose(
                table[["low", "high"]], [of_share(0.7, 10)] * len(table), atol=1e-12
            )
            assert set(table["caution"]) == {"few patients"}
    means, _ = of_patients([True, False], [LIVER])
    assert means[["low", "high"]].isna().all(axis=None)
    assert set(means["caution"]) == {"no interval"}


CARDS = {
    "net": {"name": "The net", "loader": "timm"},
    "control": {"name": "Control", "loader": "control"},
}


def summary_of(seeds, **options):
    """The summary of two models over splits of made-up queries."""
    tables = {"region_recall": [], "by_label": []}
    for split, seed in seeds.items():
        for number, model in enumerate(CARDS):
            catalog, lists, _ = made(seed, **options)
            lists = {query: found[number:] for query, found in lists.items()}
            for name, table in zip(tables, recall(catalog, lists, 10), strict=True):
                tables[name].append(table.assign(model=model, query_split=split))
    tables = {name: pd.concat(each, ignore_index=True) for name, each in tables.items()}
    return tables, summarise("region_recall", Given("organs", CARDS, tables))


def test_the_figure_shows_the_labels_with_most_queries_and_the_page_all(tmp_path):
    names = [f"CT/{region}/{part}" for region in ("abdomen", "chest") for part in "abcdefghijklm"]
    tables, summary = summary_of({"val": 1, "test": 2}, queries=60, images=40, names=names, most=4)
    save(summary.figures["region_recall"], tmp_path / "here.svg", tmp_path / "here.pdf")
    assert figures_unfit_for_print(tmp_path) == {}
    labels = tables["by_label"].query("level == 'fine' and k == 1")
    queries = labels.groupby("label")["queries"].max()
    texts = figure_texts(tmp_path / "here.svg")
    shown = [each for each in texts if each in set(names)]
    assert len(names) == 26 and len(shown) == len(set(shown)) == 20
    assert queries[shown].min() >= queries.drop(shown).max()
    # matplotlib writes the rows from the bottom to the top.
    assert queries[shown].is_monotonic_increasing
    assert {
        "mean over labels",
        "mean over regions",
        "The net",
        "Control",
        "random neighbors",
    } <= set(texts)
    assert {"queries: val", "queries: test"} <= set(texts)
    axis = summary.figures["region_recall"].axes[1]
    dots = {line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1}
    means = tables["region_recall"].query("query_split == 'test' and k == 1")
    assert set(means["value"]) <= dots
    render(registry()["region_recall"].template, tmp_path / "page.html", **summary.page)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in (*names, "CT/chest", "Mean over labels (queries: test)", "R@10", "The net"):
        assert f">{words}<" in page or words in page, words
    for value in means["value"]:
        assert f"{value:.3f}" in page


def test_labels_of_few_queries_are_faded_and_a_split_without_an_answer_is_a_sentence(tmp_path):
    catalog = catalog_of(
        [
            (0, "val", "a", [BRAIN]),
            *((each, "test", f"q{each}", [LIVER] if each < 8 else [LUNG]) for each in range(1, 11)),
            (20, "train", "p", [LIVER]), (21, "train", "o", [LUNG]),
        ]
    )  # fmt: skip
    tables = {"region_recall": [], "by_label": []}
    for split, queries in (("val", [0]), ("test", range(1, 11))):
        found = recall(catalog, {each: [20, 21] for each in queries}, 2)
        for name, table in zip(tables, found, strict=True):
            tables[name].append(table.assign(model="net", query_split=split))
    tables = {name: pd.concat(each, ignore_index=True) for name, each in tables.items()}
    assert tables["region_recall"].query("query_split == 'val'")["labels"].tolist() == [0, 0]
    summary = summarise("region_recall", Given("organs", {"net": CARDS["net"]}, tables))
    empty, axis = summary.figures["region_recall"].axes
    assert [each.get_text().replace("\n", " ") for each in empty.texts] == [
        "no query shows what an index image shows"
    ]
    names = {each.get_text(): each.get_color() for each in axis.get_yticklabels()}
    assert list(names) == [LUNG, LIVER, "mean over regions", "mean over labels"]
    assert names[LUNG] != names[LIVER] == names["mean over labels"]
    save(summary.figures["region_recall"], tmp_path / "here.svg")
    assert LIVER in figure_texts(tmp_path / "here.svg")
    render(registry()["region_recall"].template, tmp_path / "page.html", **summary.page)
    assert BRAIN in (tmp_path / "page.html").read_text(encoding="utf-8")
