"""What a reader of the report sees: tables, ledger, gallery and figures from small tables whose
answers are known."""

import base64
import io
import re
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from radcbir.analyses.comparison import label_table, model_table
from radcbir.analyses.comparison.common_queries import without_empty_metrics
from radcbir.analyses.comparison.curve_intervals import curve_intervals
from radcbir.analyses.comparison.figure import precision_by_group, precision_curves
from radcbir.analyses.gallery.compute import choose_queries, gallery
from radcbir.datasets import ledger
from radcbir.images.thumbnails import Thumbnails
from radcbir.report.numbers import as_sure, fixed, interval, signed
from radcbir.report.render import render
from radcbir.report.style import CONTROL_COLORS, model_styles, save

CARDS = {
    "net": {
        "name": "Net <1>",
        "loader": "timm",
        "architecture": "resnet18",
        "dimension": 4,
        "training_data": ["ImageNet"],
    },
    "floor": {
        "name": "floor",
        "loader": "control",
        "architecture": "thumbnail",
        "dimension": 4,
        "training_data": [],
    },
}


def summary(values, neighbors=("all",)):
    """A comparison's summary with one value per model for every metric."""
    return pd.DataFrame(
        [
            {
                "model": model, "query_split": "test", "neighbors": kind, "metric": metric, "average": average,
                "value": value, "queries": 12, "queries_without_relevant": 3, "classes": 4,
            }
            for model, value in values.items()
            for kind in neighbors
            for _, metric, average, _ in model_table.HEADLINES
        ]
    )  # fmt: skip


def test_models_stand_best_first_and_the_best_value_is_marked():
    (split,) = model_table.model_table(summary({"net": 0.25, "floor": 0.5}), CARDS)
    assert [row["name"] for row in split["rows"]] == ["floor", "Net <1>"]
    assert [row["control"] for row in split["rows"]] == [True, False]
    assert [cell["text"] for cell in split["rows"][1]["cells"]] == ["0.250"] * len(
        model_table.HEADLINES
    )
    assert all(cell["best"] for cell in split["rows"][0]["cells"])
    assert not any(cell["best"] for cell in split["rows"][1]["cells"])
    assert "12 queries of 4 classes. 3 further queries have no index image" in split["note"]


def test_a_figure_that_is_missing_is_blank_and_never_best():
    (split,) = model_table.model_table(summary({"net": float("nan"), "floor": 0.0}), CARDS)
    assert [row["cells"][0]["text"] for row in split["rows"]] == ["0.000", ""]
    assert not split["rows"][1]["cells"][0]["best"]


def test_the_column_for_other_patients_appears_where_patients_are_known():
    assert len(model_table.model_columns(summary({"net": 1.0}))) == len(model_table.HEADLINES)
    known = summary({"net": 1.0}, neighbors=("all", "other_patients"))
    assert model_table.model_columns(known)[-1][0] == "P@1 other patients"


def uncertain(verdict):
    """Intervals and differences of every headline for `summary`, and the verdict on net against
    floor."""
    keys = [
        {"query_split": "test", "neighbors": "all", "metric": metric, "average": average}
        for _, metric, average, _ in model_table.HEADLINES
    ]
    intervals = [
        key
        | {"model": model, "common_low": 0.1, "common_high": 0.7, "resampled": "patient"}
        | {"clusters": 12, "effective_clusters": 12.0}
        for key in keys
        for model in ("net", "floor")
    ]
    pairs = [key | {"model": "net", "other": "floor", "verdict": verdict} for key in keys]
    return pd.DataFrame(intervals), pd.DataFrame(pairs)


@pytest.mark.parametrize(
    ("verdict", "alike"), [("worse", False), ("undecided", True), ("too few patients", False)]
)
def test_what_cannot_be_told_from_the_best_is_marked_and_has_its_interval(verdict, alike):
    (split,) = model_table.model_table(
        summary({"net": 0.25, "floor": 0.5}), CARDS, *uncertain(verdict)
    )
    best, other = split["rows"]
    assert all(cell["best"] and not cell["alike"] for cell in best["cells"])
    assert all(cell["alike"] == alike and not cell["best"] for cell in other["cells"])
    assert (other["cells"][0]["text"], other["cells"][0]["interval"]) == ("0.25", "0.10 – 0.70")
    assert split["resampled"].startswith("95 % intervals by patient, from 12 patients: with fewer")


def test_order_and_best_follow_the_queries_that_all_models_answered():
    """The one that rejected its misses has the higher figure of its own, and is not the best."""
    table = summary({"net": 0.75, "floor": 0.7}).assign(
        common_value=[0.72] * len(model_table.HEADLINES) + [0.8] * len(model_table.HEADLINES),
        common_queries=10, lacking_queries=0, lacking_index_images=0,
    )  # fmt: skip
    net = table["model"] == "net"
    table.loc[net, ["queries", "lacking_queries", "lacking_index_images"]] = [10, 2, 1]
    (split,) = model_table.model_table(table, CARDS)
    best, other = split["rows"]
    assert (best["name"], other["name"]) == ("floor", "Net <1>")
    assert all(cell["best"] for cell in best["cells"])
    assert (best["cells"][0]["text"], best["cells"][0]["own"]) == ("0.800", "0.700")
    assert (other["cells"][0]["text"], other["cells"][0]["own"]) == ("0.720", "0.750")
    assert (best["lacks"], other["lacks"]) == ("", "lacks 2 queries and 1 index image")
    assert "over the 10 queries that all models answered" in split["note"]
    assert "10 to 12 queries" in split["note"]


def test_one_class_and_no_answer_are_said():
    one = summary({"net": 1.0, "floor": 1.0}).assign(classes=1)
    (split,) = model_table.model_table(one, CARDS)
    assert "All queries have the same class" in split["note"]
    none = summary({"net": np.nan, "floor": np.nan}).assign(classes=0, queries=0)
    (split,) = model_table.model_table(none, CARDS)
    assert split["note"].startswith("No query has an index image of its class")
    assert not any(cell["best"] for row in split["rows"] for cell in row["cells"])


def test_a_metric_that_cannot_exist_has_no_column_and_no_row():
    """Plain P@10 at k = 5."""
    table = summary({"net": 0.25, "floor": 0.5})
    table.loc[table["metric"] == "plain_precision_at_10", "value"] = np.nan
    heads = [head for head, _ in model_table.model_columns(table)]
    whole = [head for head, *_ in model_table.HEADLINES]
    assert heads == [each for each in whole if each != "plain P@10"] and len(heads) < len(whole)
    (split,) = model_table.model_table(table, CARDS)
    assert {len(row["cells"]) for row in split["rows"]} == {len(heads)}
    assert all(cell["text"] for row in split["rows"] for cell in row["cells"])
    kept = without_empty_metrics(table)
    assert len(table) - len(kept) == 2 and kept["value"].notna().all()
    nothing = table.assign(value=np.nan)
    assert len(without_empty_metrics(nothing)) == len(nothing)
    assert [head for head, _ in model_table.model_columns(nothing)] == whole


def test_the_table_of_models_works_without_intervals():
    (split,) = model_table.model_table(summary({"net": 0.25, "floor": 0.5}), CARDS)
    assert split["resampled"] is None and not split["floor"] and not split["ceiling"]
    assert not any(
        cell["alike"] or cell["interval"] for row in split["rows"] for cell in row["cells"]
    )


def test_floor_and_ceiling_stand_in_the_columns_of_their_metrics():
    bounds = pd.concat([summary({"chance": 0.125}), summary({"oracle": 1.0})])
    bounds.loc[bounds["metric"] == "plain_precision_at_10", "value"] = float("nan")
    (split,) = model_table.model_table(summary({"net": 0.25, "floor": 0.5}), CARDS, bounds=bounds)
    plain = [metric for _, metric, _, _ in model_table.HEADLINES].index("plain_precision_at_10")
    for name, text in (("floor", "0.125"), ("ceiling", "1.000")):
        expected = [text] * len(model_table.HEADLINES)
        expected[plain] = ""
        assert [cell["text"] for cell in split[name]] == expected


@pytest.fixture
def by_group():
    return pd.DataFrame(
        [
            {
                "model": model, "query_split": split, "neighbors": "all", "level": level, "group": group,
                "precision_at_1": value, "index_images": 9 if queries else 0, "queries": queries,
                "queries_without_relevant": 0 if queries else 2,
                "precision_at_1_low": 0.125 if queries else None, "precision_at_1_high": 0.875, "effective_patients": 4.5,
            }
            for split in ("val", "test")
            for model, value in (("net", 0.75), ("floor", 0.5))
            for level, group, queries in (("modality", "CT", 5), ("modality", "NM", 0), ("region", "chest", 5))
        ]
    ).assign(precision_at_1=lambda table: table["precision_at_1"].where(table["queries"] > 0))  # fmt: skip


def test_a_label_without_index_images_is_counted_and_has_no_figure(by_group):
    sections = label_table.label_sections(by_group, ["net", "floor"])
    modality = next(
        section for section in sections if section["title"] == "By modality (queries: test)"
    )
    ct, nm = modality["rows"]
    assert [cell["text"] for cell in ct["cells"]] == ["0.75", "0.50"]
    assert (nm["queries"], nm["index_images"], nm["unanswerable"]) == (2, 0, True)
    assert [cell["text"] for cell in nm["cells"]] == ["–", "–"]
    assert ct["cells"][0]["interval"] == (
        "95 % interval 0.12 to 0.88, from effectively 4.5 patients"
    )
    assert nm["cells"][0]["interval"] == ""


def test_what_users_write_is_escaped_on_pages(by_group, tmp_path):
    hostile = by_group.replace({"group": {"CT": "<script>alert(1)</script>"}})
    page = tmp_path / "labels.html"
    sections = label_table.label_sections(hostile, ["net", "floor"])
    render(
        "analyses/comparison/labels.html.j2",
        page,
        title="<b>x",
        models=["Net <1>", "floor"],
        sections=sections,
    )
    text = page.read_text()
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert "<b>x" not in text and "Net &lt;1&gt;" in text


def models_page(tmp_path, cards):
    figures = summary(dict.fromkeys(cards, 0.5))
    render(
        "analyses/comparison/models.html.j2", tmp_path / "models.html", title="Models", k=5,
        index_split="train", index_images=12, index_note="", uncertain=False,
        columns=model_table.model_columns(figures),
        splits=model_table.model_table(figures, cards), cards=model_table.card_table(cards),
    )  # fmt: skip
    return (tmp_path / "models.html").read_text()


def test_the_page_of_models_links_what_documents_a_card(tmp_path):
    sources = [
        {"for": ["licence", "training_data"], "from": "https://hub.example/net", "at": "4c88d8b"},
        {"for": ["preprocessing"], "from": "unknown", "note": "looked for in <the paper>"},
        {"for": ["licence"], "from": "javascript:alert(1)"},
    ]
    page = models_page(tmp_path, CARDS | {"net": CARDS["net"] | {"sources": sources}})
    assert 'licence, training data: <a href="https://hub.example/net">' in page
    assert "(4c88d8b)" in page
    assert "preprocessing: unknown. looked for in &lt;the paper&gt;" in page
    assert "licence: javascript:alert(1)" in page
    assert 'href="javascript' not in page


def test_what_a_card_does_not_say_is_shown_as_not_stated(tmp_path):
    """A precomputed card may say little; only a control has seen nothing."""
    page = models_page(
        tmp_path, {"given": {"name": "Given", "loader": "precomputed", "path": "a.h5"}, **CARDS}
    )
    (row,) = re.findall("<tr[^>]*><td[^>]*>Given</td><td[^>]*>given</td>.*?</tr>", page)
    assert "precomputed: not stated" in row
    assert row.count("<td>not stated</td>") == 1, "the dimension"
    assert row.count('">not stated</td>') == 2, "licence and training data"
    (floor,) = re.findall("<tr[^>]*><td[^>]*>floor</td><td[^>]*>floor</td>.*?</tr>", page)
    assert ">nothing</td>" in floor


def ledger_of(embedded, rejected):
    catalog = pd.DataFrame({"id": [1, 2, 3]})
    rows = pd.DataFrame([{"path": "z.png", "stage": "catalog", "model": "", "reason": "missing"}])
    images = pd.DataFrame(rejected, columns=["id", "path", "reason"])
    return ledger.build_ledger(catalog, rows, {"net": np.array(embedded)}, {"net": images})


def test_listed_is_embedded_plus_rejected():
    table, coverage = ledger_of([1, 3], [(2, "b.png", "truncated")])
    assert table.to_dict("records") == [
        {"path": "b.png", "stage": "embed", "model": "net", "reason": "truncated"},
        {"path": "z.png", "stage": "catalog", "model": "", "reason": "missing"},
    ]
    row = coverage.iloc[0]
    assert (
        row["listed"]
        == 4
        == row["embedded"] + row["rejected_by_catalog"] + row["rejected_by_embed"]
    )


@pytest.mark.parametrize(
    ("embedded", "rejected"),
    [([1, 3], []), ([1, 2, 3], [(3, "c.png", "truncated")]), ([1, 2, 4], [])],
    ids=["gap", "twice", "unknown"],
)
def test_an_image_that_is_unaccounted_for_is_an_error(embedded, rejected):
    with pytest.raises(ValueError, match="do not add up"):
        ledger_of(embedded, rejected)


def test_gallery_queries_spread_over_the_labels():
    catalog = pd.DataFrame(
        {"id": range(40), "label": ["common"] * 30 + ["rare"] * 8 + ["lone"] * 2}
    )
    assert choose_queries(catalog, 6)["label"].value_counts().to_dict() == {
        "common": 2,
        "rare": 2,
        "lone": 2,
    }
    assert choose_queries(catalog, 2)["label"].nunique() == 2
    assert len(choose_queries(catalog, 100)) == 40
    shuffled = catalog.sample(frac=1, random_state=1)
    assert choose_queries(shuffled, 6).equals(choose_queries(catalog, 6))


def test_the_gallery_marks_right_and_wrong_and_keeps_the_score(tmp_path):
    for number in range(3):
        Image.new("L", (60, 30), 80 * number).save(tmp_path / f"{number}.png")
    catalog = pd.DataFrame(
        {
            "id": [0, 1, 2], "dataset": "a", "path": [f"{n}.png" for n in range(3)], "label": ["x", "x", "y"],
            "labels": [["x"], ["x"], ["y"]],
            "split": ["test", "train", "train"], "source": None,
        }
    )  # fmt: skip
    found = pd.DataFrame({"query": [0, 0], "rank": [1, 2], "neighbor": [2, 1], "score": [0.9, 0.5]})
    found.to_parquet(tmp_path / "knn.parquet")
    thumbnails = Thumbnails({"a": str(tmp_path)}, 16)
    (query,) = gallery(
        catalog, "test", {"net": tmp_path / "knn.parquet"}, {"net": "Net"}, thumbnails, 5, 2
    )
    assert query["source"] == "a"
    assert [(hit["path"], hit["score"], hit["right"]) for hit in query["rows"][0]["neighbors"]] == [
        ("2.png", "0.900", False),
        ("1.png", "0.500", True),
    ]
    assert query["rows"][0]["right"] == 1
    data = dict(thumbnails.data())
    assert len(data) == 3
    picture = Image.open(io.BytesIO(base64.b64decode(data[query["thumbnail"]].split(",")[1])))
    assert picture.size == (16, 8)


def test_of_many_labels_the_gallery_names_some_and_says_how_many_are_shared(tmp_path):
    labels = [["a", "b", "c", "d", "e"], ["b", "c", "d", "e", "f"], ["a", "x"]]
    catalog = pd.DataFrame(
        {
            "id": range(3), "dataset": "a", "path": [f"{n}.png" for n in range(3)], "label": None,
            "labels": labels, "split": ["test", "train", "train"], "source": None,
        }
    )  # fmt: skip
    found = pd.DataFrame({"query": [0, 0], "rank": [1, 2], "neighbor": [1, 2], "score": [0.9, 0.5]})
    found.to_parquet(tmp_path / "knn.parquet")
    thumbnails = Thumbnails({"a": None}, 16)
    tables = {"net": tmp_path / "knn.parquet"}
    (query,) = gallery(catalog, "test", tables, {"net": "Net"}, thumbnails, 5, 2)
    assert (query["short"], query["label"]) == ("a + b + c and 2 more", "a + b + c + d + e")
    assert [(hit["label"], hit["shared"]) for hit in query["rows"][0]["neighbors"]] == [
        ("b + c + d and 2 more", "4 of 5 labels"),
        ("a + x", "1 of 5 labels"),
    ]


def test_the_gallery_says_which_queries_are_unlike_the_benchmark(tmp_path):
    """Of two hits with one label and of another patient: the own patient's is passed over, and one
    with two labels."""
    catalog = pd.DataFrame(
        {
            "id": range(6), "dataset": "a", "path": [f"{n}.png" for n in range(6)], "source": None,
            "labels": [["x"], ["y"], ["x"], ["y"], ["x", "y"], ["x"]], "split": ["test"] * 2 + ["train"] * 4,
        }
    )  # fmt: skip
    rows = [
        (0, 1, 2, 0.9, True), (0, 2, 3, 0.8, False), (0, 3, 5, 0.3, False),
        (1, 1, 4, 0.9, False), (1, 2, 2, 0.7, False), (1, 3, 3, 0.7, False),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["query", "rank", "neighbor", "score", "same_patient"])
    table.to_parquet(tmp_path / "knn.parquet")
    fits = {"net": {"depth": 2, "unlike": {"best": 0.65, "mean": 0.6}}}
    tables, names = (
        dict.fromkeys(["net", "old"], tmp_path / "knn.parquet"),
        {"net": "N", "old": "O"},
    )
    queries = gallery(catalog, "test", tables, names, Thumbnails({"a": None}, 16), 9, 1, fits)
    assert {each["path"]: [row["unlike"] for row in each["rows"]] for each in queries} == {
        "0.png": [True, False],
        "1.png": [False, False],
    }
    assert {each["path"]: each["unlike"] for each in queries} == {"0.png": True, "1.png": False}


def test_the_gallery_shows_errors_first(tmp_path):
    """Three queries: right for both models, for one of them, for none; and one without neighbors."""
    catalog = pd.DataFrame(
        {
            "id": range(6), "dataset": "a", "path": [f"{n}.png" for n in range(6)], "label": list("abcdae"),
            "labels": [[each] for each in "abcdae"], "split": ["test"] * 4 + ["train"] * 2, "source": None,
        }
    )  # fmt: skip
    near = {"net": {0: 4, 1: 4, 2: 5}, "old": {0: 4, 1: 5, 2: 5}}
    labels = {1: "e", 4: "a", 5: "e"}
    catalog["labels"] = [[labels.get(each, label)] for each, label in catalog["label"].items()]
    for model, found in near.items():
        rows = pd.DataFrame(
            {"query": found.keys(), "rank": 1, "neighbor": found.values(), "score": 0.5}
        )
        rows.to_parquet(tmp_path / f"{model}.parquet")
    tables = {model: tmp_path / f"{model}.parquet" for model in near}
    queries = gallery(
        catalog, "test", tables, {"net": "Net", "old": "Old"}, Thumbnails({"a": None}, 16), 9, 1
    )
    assert [
        (each["path"], each["kind"], each["first_right"], each["models"]) for each in queries
    ] == [
        ("2.png", "wrong", 0, 2),
        ("3.png", "wrong", 0, 0),
        ("1.png", "disagree", 1, 2),
        ("0.png", "right", 2, 2),
    ]


def test_controls_are_gray_and_models_are_told_apart():
    models = [f"m{number}" for number in range(14)]
    styles = model_styles(["floor", *models], ["floor"])
    assert styles["floor"]["color"] in CONTROL_COLORS
    assert len({(style["color"], style["marker"]) for style in styles.values()}) == 15
    without = model_styles(models, [])
    assert all(styles[model] == without[model] for model in models), (
        "a control takes no model's color"
    )


def test_figures_show_every_split_and_are_the_same_bytes_twice(by_group, tmp_path):
    names = {"net": "Net", "floor": "floor"}
    for copy in ("a", "b"):
        save(
            precision_by_group(by_group, names, ["floor"]),
            tmp_path / f"{copy}.svg",
            tmp_path / f"{copy}.pdf",
        )
    figure = precision_by_group(by_group, names, ["floor"])
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if "modality" in title] == [
        "by modality, queries: val",
        "by modality, queries: test",
    ]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["CT  (n=5)"]
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


@pytest.fixture
def precision():
    return pd.DataFrame(
        [
            {
                "model": "net",
                "query_split": "test",
                "neighbors": "all",
                "definition": definition,
                "average": average,
                "k": k,
                "value": value,
                "queries": 12,
            }
            for definition, offset in (("capped", 0.0), ("plain", -0.1))
            for average in ("micro", "macro")
            for k, value in ((1, 0.9 + offset), (2, 0.8 + offset), (3, 0.7 + offset))
        ]
    )


def test_curves_hold_the_numbers_they_are_given(precision):
    figure = precision_curves(precision, {"net": "Net"}, [])
    (line,) = figure.axes[0].get_lines()
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata().tolist() == [0.9, 0.8, 0.7]
    assert re.fullmatch(
        r"micro \(mean over queries\), queries: test", figure.axes[0].get_title(loc="left")
    )
    assert [each.get_text() for each in figure.axes[1].texts] == ["Net"], "beside its curve"
    plt.close(figure)


def test_names_beside_curves_do_not_overlap_and_say_what_a_model_lacks(precision):
    names = {f"net{each}": f"Net {each}" for each in range(12)}
    many = pd.concat([precision.assign(model=model) for model in names])
    many.loc[many["model"] == "net3", "queries"] = 10
    figure = precision_curves(many, names, [])
    figure.draw_without_rendering()
    texts = figure.axes[1].texts
    assert sorted(each.get_text() for each in texts) == sorted(
        ["Net 3 (lacks 2)", *(name for name in names.values() if name != "Net 3")]
    )
    boxes = sorted((each.get_window_extent() for each in texts), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    plt.close(figure)


def test_curves_have_intervals_by_patient(tmp_path, precision):
    """Ten patients with two queries each. Half of the patients are answered rightly, so that the
    interval is that of five of ten."""
    right = np.repeat([0.0, 1.0], 10)
    table = pd.DataFrame(
        {
            "query_split": "test",
            "neighbors": "all",
            "query": np.arange(21),
            "label": "x",
            "relevant_in_index": [3] * 20 + [0],
            **{f"precision_at_{k}": [*right, np.nan] for k in (1, 3, 5, 10)},
        }
    )
    pd.concat([table, table.assign(neighbors="other_patients")]).to_parquet(tmp_path / "net")
    patients = pd.Series([f"p{each // 2}" for each in range(20)] + ["q"], index=np.arange(21))
    found = curve_intervals({"net": tmp_path / "net"}, patients)
    assert len(found) == 2 * 4
    first = found[(found["average"] == "micro") & (found["k"] == 1)].iloc[0]
    # Standard error of a mean of ten patients: sqrt(0.25 / 9). Wilson's interval with the effective
    # size 0.25 / error² = 9 and the quantile of t with 9 degrees of freedom.
    t2 = 2.262157**2
    half = np.sqrt(t2 * (0.25 / 9 + t2 / (4 * 81))) / (1 + t2 / 9)
    assert (first["low"], first["high"]) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    figure = precision_curves(precision, {"net": "Net"}, [], found)
    bars = figure.axes[0].collections[0].get_segments()
    assert [bar[0][0] for bar in bars] == pytest.approx([1, 3, 5, 10])
    assert bars[0][:, 1] == pytest.approx([0.5 - half, 0.5 + half], abs=1e-6)
    plt.close(figure)


def test_rare_groups_are_faded_and_no_dot_hides_another():
    rows = [
        (model, "test", "all", "region", group, queries, 0.5, None, None)
        for model in ("net", "floor")
        for group, queries in (("chest", 5), ("neck", 4))
    ]
    columns = ["model", "query_split", "neighbors", "level", "group", "queries", "precision_at_1"]
    table = pd.DataFrame(
        rows, columns=[*columns, "precision_at_1_low", "precision_at_1_high"]
    ).astype({"precision_at_1_low": float, "precision_at_1_high": float})
    figure = precision_by_group(table, {"net": "Net", "floor": "floor"}, ["floor"])
    axis = figure.axes[1]
    assert [each.get_text() for each in axis.get_yticklabels()] == ["neck  (n=4)", "chest  (n=5)"]
    dots = [line for line in axis.lines if len(line.get_xdata()) == 1]
    heights = {(round(line.get_ydata()[0]), line.get_ydata()[0]): line.get_alpha() for line in dots}
    assert len(heights) == 4, "equal values stand in lanes of their own"
    assert {row: alpha for (row, _), alpha in heights.items()} == {0: 0.3, 1: 1.0}
    plt.close(figure)


def test_numbers_have_true_minus_signs_and_no_negative_zero():
    assert [fixed(each, 1) for each in (-1.25, -0.04, 0.0, 2.0)] == ["−1.2", "0.0", "0.0", "2.0"]
    assert [signed(each, 1) for each in (-1.25, -0.04, 0.04, 2.0)] == ["−1.2", "0.0", "0.0", "+2.0"]


def test_a_value_has_as_many_decimals_as_its_interval_allows():
    assert as_sure(0.7253, 0.46, 0.89) == "0.73"
    assert as_sure(0.7253, 0.716, 0.735) == "0.725"
    assert as_sure(0.7253, np.nan, np.nan) == "0.725"
    assert interval(0.4605, 0.8907) == "0.46 – 0.89"
    assert interval(0.7164, 0.7349) == "0.716 – 0.735"
    assert interval(np.nan, np.nan) == ""


def test_a_section_without_rows_has_its_words_and_no_empty_table(tmp_path):
    heads = [{"head": "model", "help": "", "kind": "text"}]
    row = {"control": False, "cells": [{"kind": "text", "value": "", "text": "Net"}]}
    sections = [
        {"title": "One", "reading": "Nothing can be told.", "heads": heads, "rows": []},
        {"title": "Two", "reading": "Read it.", "heads": heads, "rows": [row]},
    ]
    page = tmp_path / "page.html"
    render("report/templates/tables.html.j2", page, title="T", sections=sections)
    shown = page.read_text()
    assert "Nothing can be told." in shown
    assert shown.count("<table") == 1
