"""Where slabs of slices are found: by hand, against plain loops, and in figure and page."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from figure_texts import figure_texts, figures_unfit_for_print
from PIL import Image
from plain_localization import plain_place, plain_slab

from radcbir.analyses import registry
from radcbir.analyses.localization.box import cropped, drawn
from radcbir.analyses.localization.boxes import boxed_slabs, read_slabs, write_slabs
from radcbir.analyses.localization.compute import localization
from radcbir.analyses.summary import Given, summarise
from radcbir.core.errors import InputError
from radcbir.images.raster import UnreadableImage
from radcbir.report.render import render
from radcbir.report.style import save
from radcbir.retrieval.units.placement import Stack, fits, slab


def stack(*series):
    """Slices of series, each given as positions; their vectors do not matter."""
    count = sum(map(len, series))
    numbers = np.repeat(np.arange(len(series)), [len(each) for each in series])
    return Stack(np.ones((count, 1)), numbers, np.concatenate(series).astype(float))


def test_partners_are_in_the_same_series_at_the_same_distance():
    slices = stack([0, 4, 8, 12], [0, 5, 10])
    assert slices.partners(0).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert slices.partners(4).tolist() == [1, 2, 3, -1, 5, 6, -1]  # 4 is near 5, and 14 is nowhere
    assert slices.partners(-8).tolist() == [-1, -1, 0, 1, -1, -1, 4]  # -3 is not, 2 is near 0
    assert stack([3]).partners(0).tolist() == [0] and stack([3]).partners(1).tolist() == [-1]
    halfway = stack([0, 4, 8])
    assert halfway.partners(2).tolist() == [0, 1, 2], "of two as near, the lower one"


def test_a_slab_at_the_end_of_a_series_keeps_its_size_and_its_series():
    slices = stack([0, 1, 2, 3], [0, 1])
    assert [slab(slices, each, 3).tolist() for each in range(4)] == [
        [0, 1, 2], [0, 1, 2], [1, 2, 3], [1, 2, 3],
    ]  # fmt: skip
    assert slab(slices, 5, 3).tolist() == [4, 5]
    assert slab(slices, 2, 1).tolist() == [2]


def images(*series, split="train"):
    """Rows of a catalog from series as (name, patient, view, positions)."""
    return [
        {
            "dataset": "heads", "split": split, "patient_id": patient, "study_id": None, "series_id": name,
            "view": view, "position": float(place),
        }
        for name, patient, view, positions in series
        for place in positions
    ]  # fmt: skip


def catalog_of(rows):
    frame = pd.DataFrame(rows)
    return frame.assign(id=np.arange(len(frame)) * 7 + 3)


def at(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


LIMITS = {"slices": [3], "within_mm": 1.0, "queries": 100}


def test_neighbors_tell_two_slices_apart_that_look_alike():
    """The slices at 4 and 12 mm look the same; what follows them does not."""
    positions = [0, 4, 8, 12, 16]
    catalog = catalog_of(
        images(("a", "p1", "axial", positions), ("b", "p2", "coronal", positions))
        + images(("q", "p3", "axial", [12]), ("q", "p3", "axial", [8, 16]), split="test")
    )
    vectors = at(0, 30, 60, 30, 90, *[200] * 5, 30, 60, 90)
    table = localization(catalog, catalog["id"], vectors, "train", ["test"], **LIMITS)
    assert table["slices"].tolist() == [1, 3] and table["query_split"].tolist() == ["test"] * 2
    # Alone, the slice at 12 mm is found at 4 mm, which is first.
    assert table["value"].tolist() == [pytest.approx(2 / 3), 1]
    assert table["difference"].iloc[1] == pytest.approx(1 / 3)
    assert table["same_view"].tolist() == [1, 1] and table["median_error_mm"].tolist() == [0, 0]
    assert table["extent_mm"].tolist() == [0, 8] and table["queries"].tolist() == [3, 3]
    assert table["chance"].tolist() == [pytest.approx(0.1)] * 2, "one of ten slices"
    assert table["caution"].tolist() == ["no interval"] * 2


def test_the_own_patient_another_view_and_a_place_that_is_not_there():
    catalog = catalog_of(
        images(("a", "p1", "axial", [0, 4]), ("b", "p2", "axial", [0, 4]), ("c", "p2", "coronal", [0]))
        + images(("q", "p1", "axial", [0, 4, 20]), split="test")
    )  # fmt: skip
    vectors = at(0, 50, 10, 80, 3, 0, 50, 0)
    limits = LIMITS | {"slices": [1]}
    [row] = localization(
        catalog, catalog["id"], vectors, "train", ["test"], **limits
    ).to_dict("records")  # fmt: skip
    # Not in a, the own patient's: 0 mm is found in c, a coronal one, 4 mm in b (30 degrees away).
    assert (row["value"], row["same_view"], row["queries"]) == (0.5, 0.5, 2)
    assert row["queries_without_answer"] == 1, "nothing is near 20 mm"
    assert row["chance"] == pytest.approx(1 / 3) and row["median_error_mm"] == 0


def test_all_places_are_those_of_plain_loops():
    random = np.random.default_rng(4)
    views = ["axial", "coronal"]
    series = []
    for number in range(9):
        spacing, count = random.choice([3.0, 4.0, 5.5]), random.integers(1, 12)
        places = random.uniform(-5, 5) + spacing * np.arange(count) + random.uniform(0, 0.4, count)
        series.append((f"s{number}", f"p{number}", views[number % 2], places))
    catalog = catalog_of(images(*series[:6]) + images(*series[6:], split="test"))
    catalog = catalog.sample(frac=1, random_state=1).reset_index(drop=True)
    vectors = random.standard_normal((len(catalog), 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sizes, within = [1, 3, 4, 7], 6.0
    table = localization(
        catalog, catalog["id"], vectors, "train", ["test"], slices=sizes, within_mm=within, queries=99
    ).set_index("slices")  # fmt: skip
    by_series = {
        name: sorted(
            zip(here["position"], vectors[here.index].astype(float), strict=True),
            key=lambda each: each[0],
        )
        for name, here in catalog.groupby("series_id")
    }
    view = catalog.groupby("series_id")["view"].first()
    index = {name: by_series[name] for name in sorted(by_series) if name < "s6"}
    for size in sizes:
        right = []
        for name in ("s6", "s7", "s8"):
            for number, (place, _) in enumerate(by_series[name]):
                near = [
                    abs(other - place) <= within
                    for each in index
                    for other, _ in index[each]
                    if view[each] == view[name]
                ]
                if any(near):
                    found, position = plain_place(
                        place, plain_slab(by_series[name], number, size), index
                    )
                    right.append(view[found] == view[name] and abs(position - place) <= within)
        assert table.loc[size, "value"] == pytest.approx(np.mean(right)), size
        assert table.loc[size, "queries"] == len(right) > 10
    assert len(set(table["value"])) > 1


def test_a_slab_that_hangs_out_of_a_series_by_more_than_half_is_not_placed_there():
    query, index = stack([0, 1, 2]), stack([0], [5, 6])
    [scores] = fits(query, [0], [1, 3], index)
    assert np.isfinite(scores).tolist() == [[True] * 3, [False, True, False]]


def test_a_slab_that_fits_in_no_other_patients_series_is_not_found():
    """Only single slices lie near; the first of the index is the query's own patient's."""
    catalog = catalog_of(
        images(("a", "p1", "axial", [0]), ("b", "p2", "axial", [100]), ("c", "p2", "axial", [0]))
        + images(("q", "p1", "axial", range(9)), split="test")
    )
    limits = LIMITS | {"slices": [9]}
    vectors = at(*[0] * len(catalog))
    table = localization(catalog, catalog["id"], vectors, "train", ["test"], **limits)
    # Two of nine slices have a place within 1 mm; all vectors are equal, so that b is found first.
    assert table["queries"].tolist() == [2, 2] and table["value"].tolist() == [0, 0]
    assert table["same_view"].tolist() == [1, 0] and np.isnan(table["median_error_mm"][1])


def test_without_any_answer_there_are_no_figures(tmp_path):
    catalog = catalog_of(
        images(("a", "p1", "axial", [0, 4])) + images(("q", "p2", "axial", [90, 94]), split="test")
    )
    table = localization(catalog, catalog["id"], at(0, 40, 0, 0), "train", ["test"], **LIMITS)
    assert table["queries"].tolist() == [0, 0] and table["queries_without_answer"].tolist() == [
        2,
        2,
    ]
    unknown = ["value", "chance", "extent_mm", "same_view", "median_error_mm"]
    assert table[unknown].isna().all(axis=None)
    cards, tables = (
        {"net": {"name": "The net", "loader": "timm"}},
        {"localization": table.assign(model="net")},
    )
    made = summarise("localization", Given("heads", cards, tables, settings={"within_mm": 8}))
    save(made.figures["localization"], tmp_path / "none.svg")
    texts = " ".join(figure_texts(tmp_path / "none.svg"))
    assert "no query has its place in the index" in texts


def test_fewer_queries_are_a_part_of_them_and_the_same_each_time():
    positions = np.arange(40)
    catalog = catalog_of(
        images(("a", "p1", "axial", positions)) + images(("q", "p2", "axial", positions), split="test")
    )  # fmt: skip
    vectors = np.random.default_rng(0).standard_normal((80, 4)).astype(np.float32)
    tables = [
        localization(catalog, catalog["id"], vectors, "train", ["test"], **LIMITS | {"queries": 9})
        for _ in range(2)
    ]
    assert tables[0]["queries"].tolist() == [9, 9]
    pd.testing.assert_frame_equal(*tables)


def test_images_without_series_or_position_are_left_out_and_none_is_a_sentence():
    catalog = catalog_of(
        images(("a", "p1", "axial", [0, 4])) + images(("q", "p2", "axial", [0, 4]), split="test")
    )
    catalog.loc[3, "series_id"] = None
    table = localization(catalog, catalog["id"], at(0, 40, 0, 0), "train", ["test"], **LIMITS)
    assert table["queries"].tolist() == [1, 1]
    with pytest.raises(InputError, match=r"no image has both a series_id and a position.*`space:`"):
        localization(
            catalog.assign(position=np.nan), catalog["id"], at(0, 40, 0, 0), "train", ["test"], **LIMITS
        )  # fmt: skip


@pytest.mark.parametrize(
    ("spaces", "sentence"),
    [
        ({"one": "MNI", "two": ""}, "no `space:` is given for two"),
        ({"one": "MNI", "two": "atlas"}, r"different spaces \(MNI, atlas\)"),
        ({"one": "MNI", "two": "MNI"}, "^$"),
    ],
)
def test_where_positions_cannot_be_compared_there_is_a_reason(spaces, sentence):
    project = SimpleNamespace(
        datasets={name: {"space": space} if space else {} for name, space in spaces.items()},
        experiments={"heads": {"datasets": ["one", "two"]}},
        cards={"net": {"loader": "timm"}},
        searched_models=lambda experiment: ["net"],
    )
    assert re.search(sentence, registry()["localization"].without(project, "heads"))


def table_of(model, values):
    return pd.DataFrame(
        {
            "model": model, "query_split": "test", "slices": [1, 9], "extent_mm": [0.0, 32.0],
            "value": values, "low": np.array(values) - 0.1, "high": np.array(values) + 0.1, "chance": 0.02,
            "difference": [np.nan, values[1] - values[0]], "difference_low": [np.nan, -0.125],
            "difference_high": [np.nan, 0.5], "same_view": [0.75, 1.0], "median_error_mm": [12.0, 4.0],
            "queries": 220, "queries_without_answer": 3, "effective_patients": 2.0, "caution": "no interval",
        }
    )  # fmt: skip


def test_figure_and_page_hold_the_numbers(tmp_path):
    table = pd.concat([table_of("net", [0.625, 0.875]), table_of("control", [0.25, 0.5])])
    cards = {
        "net": {"name": "The net", "loader": "timm"},
        "control": {"name": "Control", "loader": "control"},
    }
    given = Given("heads", cards, {"localization": table}, settings={"within_mm": 8})
    made = summarise("localization", given)
    render(registry()["localization"].template, tmp_path / "page.html", **made.page)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("The net", "0.875", "+0.250", "−0.125", ">32<", "at most 8 mm", "Control", "220"):
        assert words in page, words
    save(made.figures["localization"], tmp_path / "here.svg", tmp_path / "here.pdf")
    assert figures_unfit_for_print(tmp_path) == {}
    texts = figure_texts(tmp_path / "here.svg")
    assert {"1 slice", "9 slices", "The net", "queries: test"} <= set(texts)
    assert "share of queries placed within 8 mm" in texts
    boxed = table.assign(box=0.25, value=table["value"] / 2)
    both = pd.concat([table.assign(box=np.nan), boxed], ignore_index=True)
    given = Given("heads", cards, {"localization": both}, settings={"within_mm": 8})
    made = summarise("localization", given)
    render(registry()["localization"].template, tmp_path / "page.html", **made.page)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "share of the area; empty: whole slices" in page and "0.438" in page
    save(made.figures["localization"], tmp_path / "here.svg", tmp_path / "here.pdf")
    assert figures_unfit_for_print(tmp_path) == {}
    assert {"9 slices", "9 slices, box 25 %"} <= set(figure_texts(tmp_path / "here.svg"))


# --- boxes
# -------------------------------------------------------------------------------------------------


def test_a_box_lies_on_what_is_not_empty_and_is_the_same_each_time():
    """Light is a column at the right, a quarter of the width."""
    pixels = np.zeros((40, 80))
    pixels[:, 60:] = 200
    found = [drawn(pixels, 0.04, seed) for seed in range(30)]
    assert found == [drawn(pixels, 0.04, seed) for seed in range(30)]
    assert len({each[1] for each in found}) > 20, "their heights are anywhere"
    for left, top, right, bottom in found:
        assert (right - left, bottom - top) == (pytest.approx(0.2), pytest.approx(0.2))
        assert left >= 0 and right <= 1 and top >= 0 and bottom <= 1
        assert left + 0.1 >= 0.74, "half of it is light, to the pixel"
    # Nothing is light enough: the fullest of the places that were drawn.
    pixels[:, 62:] = 0
    left, _, right, _ = drawn(pixels, 0.25, 0)
    assert left <= 60 / 80 and right >= 62 / 80


def test_what_is_in_a_box_is_cut_out():
    image = Image.fromarray(np.arange(80, dtype=np.uint8).reshape(8, 10))
    part = np.asarray(cropped(image, (0.2, 0.25, 0.5, 0.75)))
    assert part.tolist() == [[10 * row + column for column in (2, 3, 4)] for row in (2, 3, 4, 5)]
    assert cropped(image, (0.99, 0.99, 1, 1)).size == (1, 1)


def read(dataset, path):
    if path == "bad":
        raise UnreadableImage("truncated")
    return np.eye(20) * 255


def listed(*series, split="test"):
    """The catalog of some images whose paths are their numbers."""
    frame = catalog_of(images(*series, split=split))
    return frame.assign(path=frame["id"].astype(str))


def test_slabs_in_boxes_have_the_slices_around_their_middle_and_one_box():
    catalog = listed(("a", "p1", "axial", [8, 0, 4, 12]), ("b", "p2", "axial", [5]))
    catalog.loc[4, "path"] = "bad"
    slabs = boxed_slabs(catalog, ["test"], [3], [0.25, 0.5], 99, read)
    assert sorted(slabs["query"].unique()) == [3, 10, 17, 24], "the bad one is left out"
    place = catalog.set_index("id")["position"]
    for (query, share), here in slabs.groupby(["query", "share"]):
        assert here[["left", "top", "right", "bottom"]].drop_duplicates().shape[0] == 1
        box = here.iloc[0]
        assert (box["right"] - box["left"]) ** 2 == pytest.approx(share, abs=1e-5)
        assert here.set_index("id")["size"].to_dict()[query] == 1
        assert here["size"].tolist().count(3) == 2
    around = {
        query: sorted(place[each] for each in here["id"].unique())
        for query, here in slabs.groupby("query")
    }
    assert around == {10: [0, 4, 8], 17: [0, 4, 8], 3: [4, 8, 12], 24: [4, 8, 12]}


def test_a_list_of_boxes_is_named_for_its_content_and_read_as_it_was(tmp_path):
    catalog = listed(("a", "p1", "axial", [0, 4]))
    slabs = boxed_slabs(catalog, ["test"], [2], [0.25], 99, read)
    shard = tmp_path / "one.tsv"
    shard.write_text("id\tpath\tbytes\tcontent\n3\t3\t77\tabc\n10\t10\t78\tdef\n")
    for folder in ("a", "b"):
        write_slabs(slabs, [shard], tmp_path / folder)
    [one], [other] = (list((tmp_path / folder).iterdir()) for folder in ("a", "b"))
    assert one.name == other.name
    found = read_slabs(one)
    pd.testing.assert_frame_equal(found[list(slabs.columns)], slabs, check_dtype=False)
    assert set(zip(found["id"], found["bytes"], found["content"], strict=True)) == {(3, 77, "abc"), (10, 78, "def")}  # fmt: skip


def test_boxes_are_laid_over_whole_slices_beside_slabs():
    """In the box the slices look as those at 0 and 4 mm do; whole ones as those at 8 and 12 mm."""
    positions = [0, 4, 8, 12]
    catalog = catalog_of(
        images(("a", "p1", "axial", positions)) + images(("q", "p2", "axial", [8, 12]), split="test")
    )  # fmt: skip
    vectors = at(0, 30, 60, 90, 60, 90)
    query = catalog["id"].tolist()[4:]
    slabs = pd.DataFrame(
        [
            {"query": middle, "share": 0.25, "size": 1 if middle == one else 2, "id": one, "dataset": "heads", "path": ""}
            for middle in query for one in query
        ]
    )  # fmt: skip
    boxes = at(0, 30, 0, 30)
    limits = LIMITS | {"slices": [2]}
    arguments = (catalog, catalog["id"], vectors, "train", ["test"])
    table = localization(*arguments, **limits, boxed=(slabs, boxes))
    assert table["box"].isna().tolist() == [True, True, False, False]
    assert table["box"].tolist()[2:] == [0.25] * 2 and table["slices"].tolist() == [1, 2, 1, 2]
    assert table["value"].tolist() == [1, 1, 0, 0]
    assert table["median_error_mm"].tolist() == [0, 0, 8, 8]
    assert table["queries"].tolist() == [2] * 4 and table["extent_mm"].tolist() == [0, 4] * 2
    plain = localization(*arguments, **limits)
    assert "box" not in plain
    pd.testing.assert_frame_equal(table.drop(columns="box")[:2], plain)
    # Boxes that look as the whole slices do are found where these are; one that is not embedded is
    # no part of its slab.
    table = localization(*arguments, **limits, boxed=(slabs[1:], at(90, 60, 90)))
    assert table["value"].tolist()[2:] == [1, 1] and table["queries"].tolist()[2:] == [1, 1]
