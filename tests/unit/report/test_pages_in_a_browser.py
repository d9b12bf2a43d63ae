"""What the scripts of the pages do, in a real browser."""

import base64
import contextlib
import csv
import io
from pathlib import Path
from types import SimpleNamespace

import chromium
import pandas as pd
import pytest

from radcbir.analyses.gallery.compute import KINDS
from radcbir.report.figure_page import LARGEST_EMBEDDED, caption, write_figure_page
from radcbir.report.render import render
from radcbir.report.sections import count, figure, section, text

CARDS = {f"m{each}": {"name": f"Net {each}", "loader": "timm"} for each in range(12)}


@pytest.fixture(scope="module")
def browser():
    with chromium.started() as browser:
        yield browser


@contextlib.contextmanager
def opened(browser, path):
    """A page of a file, in which no script fails."""
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def page(browser, tmp_path):
    rows = pd.DataFrame(
        {
            "model": list(CARDS),
            "value": [0.5, 0.25, None, *[0.1] * 9],
            "queries": 1200,
            "words": ["=1+1", 'say "x"', *["plain"] * 10],
        }
    )
    columns = [
        ("value", "P@1", "", figure),
        ("queries", "queries", "", count),
        ("words", "words", "", text),
    ]
    sections = [section("One", "Read it.", rows, columns, CARDS)]
    render(
        "report/templates/tables.html.j2", tmp_path / "page.html", title="Table", sections=sections
    )
    with opened(browser, tmp_path / "page.html") as page:
        yield page


def names(page):
    return page.locator("tbody tr:visible td:first-child").all_inner_texts()


def test_a_head_sorts_and_says_so(page):
    head = page.locator("th", has_text="P@1")
    head.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert names(page)[:2] == ["Net 0", "Net 1"] and names(page)[-1] == "Net 2", (
        "missing comes last"
    )
    head.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert names(page)[-2:] == ["Net 0", "Net 2"]
    page.locator("th", has_text="model").click()
    assert head.get_attribute("aria-sort") is None


def test_rows_are_filtered_and_saved_as_csv(page):
    page.get_by_label("filter rows").fill("net 1")
    assert names(page) == ["Net 1", "Net 10", "Net 11"]
    page.get_by_label("filter rows").fill("")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "Table.csv"
    rows = list(csv.reader(io.StringIO(Path(saved.value.path()).read_text())))
    assert rows[0] == ["model", "P@1", "queries", "words"]
    assert rows[1] == ["Net 0", "0.5", "1200", "'=1+1"], "no formula for a spreadsheet"
    assert rows[2] == ["Net 1", "0.25", "1200", 'say "x"']
    assert len(rows) == 13


def test_a_narrow_table_offers_no_choice_of_columns(page):
    assert page.locator("summary", has_text="columns").count() == 0, "four columns need no choice"


def test_columns_of_a_wide_table_are_chosen_for_the_screen_and_the_csv(browser, tmp_path):
    columns = [(f"c{each}", f"C {each}", "", figure) for each in range(6)]
    rows = pd.DataFrame({"model": ["m0"], **{name: [0.5] for name, *_ in columns}})
    sections = [section("One", "Read it.", rows, columns, CARDS)]
    render("report/templates/tables.html.j2", tmp_path / "wide.html", title="W", sections=sections)
    with opened(browser, tmp_path / "wide.html") as page:
        page.locator("summary", has_text="columns").click()
        page.get_by_label("C 2", exact=True).uncheck()
        heads = page.locator("th:visible").all_inner_texts()
        assert heads == ["model", "C 0", "C 1", "C 3", "C 4", "C 5"]
        assert page.locator("tbody td:visible").count() == 6
        with page.expect_download() as saved:
            page.get_by_role("button", name="CSV").click()
        assert Path(saved.value.path()).read_text().splitlines()[0] == ",".join(
            f'"{each}"' for each in heads
        )
        page.get_by_label("C 2", exact=True).check()
        assert page.locator("th:visible").count() == 7
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_name_stays_in_sight_when_a_wide_table_is_scrolled(page):
    page.set_viewport_size({"width": 260, "height": 600})
    page.locator(".scroll").evaluate("each => each.scrollLeft = 150")
    assert page.locator("tbody td:first-child").first.bounding_box()["x"] >= 0


@pytest.fixture
def gallery(browser, tmp_path):
    def query(number, kind):
        hit = {
            "thumbnail": "t9",
            "path": "hit.png",
            "label": "x",
            "shared": "",
            "score": "0.500",
            "right": kind == "right",
        }
        unlike = number == 1
        row = {"model": "Net", "right": 0, "neighbors": [hit], "unlike": unlike}
        return {
            "kind": kind, "first_right": 0, "models": 1, "label": f"label {number % 2}", "short": f"label {number % 2}", "path": f"{number}.png",
            "source": "a", "thumbnail": f"t{number}", "rows": [row], "unlike": unlike,
        }  # fmt: skip

    kinds = ["wrong", "disagree", "disagree", "right"]
    render(
        "analyses/gallery/gallery.html.j2",
        tmp_path / "gallery.html",
        title="Gallery",
        pixels=48,
        queries=[query(number, kind) for number, kind in enumerate(kinds)],
        kinds=KINDS,
        retrieved="images",
        thumbnails=[("t0", "data:image/png;base64,"), ("t9", "data:image/png;base64,")],
    )
    with opened(browser, tmp_path / "gallery.html") as page:
        yield page


def test_the_gallery_marks_the_query_that_is_unlike_the_benchmark(gallery):
    assert gallery.locator(".query .unlike").count() == 1
    assert (
        gallery.locator(".query", has_text="unlike the benchmark")
        .locator("figcaption b")
        .first.text_content()
        == "label 1"
    )
    assert gallery.locator("p .unlike").text_content() == "Unlike the benchmark"


def test_the_gallery_is_filtered_by_kind_and_label(gallery):
    shown = gallery.locator(".query:visible")
    assert shown.count() == 4
    gallery.get_by_role("button", name="models disagree (2)").click()
    assert shown.count() == 2
    assert gallery.locator("#shown").inner_text() == "2 shown"
    gallery.locator(".choice select").select_option("label 1")
    assert shown.count() == 1
    gallery.get_by_role("button", name="all 4").click()
    assert shown.count() == 2
    assert gallery.locator("[aria-pressed=true]").inner_text() == "all 4"


def test_an_image_is_enlarged_beside_its_query(gallery):
    gallery.get_by_role("button", name="enlarge hit.png").first.click()
    dialog = gallery.locator("dialog")
    assert dialog.is_visible()
    assert dialog.locator("figure").count() == 2
    assert dialog.locator("button").first.bounding_box()["height"] > 100
    dialog.click()
    assert not dialog.is_visible()
    gallery.get_by_role("button", name="enlarge the query 0.png").click()
    assert dialog.locator("figure").count() == 1


def test_the_gallery_fits_a_telephone(gallery):
    gallery.set_viewport_size({"width": 390, "height": 844})
    assert gallery.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.fixture
def figure_page(tmp_path):
    """The page of a figure of a red square, with a small table and a large one."""
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="9" height="9"><rect width="9" height="9" fill="red"/></svg>'
    (tmp_path / "square.svg").write_text(svg)
    (tmp_path / "small.csv").write_text("a,b\n1,2\n")
    (tmp_path / "large.csv").write_text("0" * (LARGEST_EMBEDDED + 1))
    words = caption("What **{{ snakemake.wildcards.experiment }}** shows.\n\nSee `a` & <b>.", GIVEN)
    output = tmp_path / "square_figure.html"
    tables = [tmp_path / "small.csv", tmp_path / "large.csv"]
    write_figure_page(output, "A square", words, tmp_path / "square.svg", tables)
    return output


GIVEN = SimpleNamespace(wildcards=SimpleNamespace(experiment="findings"), params={})


def test_a_figure_has_its_caption_below_and_its_numbers(browser, figure_page):
    with opened(browser, figure_page) as page:
        image = page.locator("figure img").bounding_box()
        words = page.locator("figcaption").bounding_box()
        assert image["width"] > 500, "it fills the page"
        assert image["y"] + image["height"] <= words["y"]
        assert page.locator("figcaption").inner_text() == "What findings shows.\n\nSee a & <b>."
        assert page.locator("figcaption b").inner_text() == "findings"
        assert page.get_by_role("link", name="square.svg").is_visible()
        assert page.get_by_role("link", name="large.csv").get_attribute("href") == "large.csv"
        with page.expect_download() as saved:
            page.get_by_role("link", name="small.csv").click()
        assert Path(saved.value.path()).read_text() == "a,b\n1,2\n"


def test_a_figure_in_the_report_needs_no_file_beside_it(browser, figure_page):
    """Snakemake shows pages of its report as data in a frame."""
    page = browser.new_page()
    data = base64.b64encode(figure_page.read_bytes()).decode()
    page.set_content(f'<iframe src="data:text/html;base64,{data}"></iframe>')
    frame = page.frame_locator("iframe")
    assert frame.locator("figure img").evaluate("each => each.naturalWidth") > 0
    assert not frame.get_by_role("link", name="square.svg").is_visible()
    assert frame.get_by_role("link", name="small.csv").is_visible()
    page.close()


@pytest.fixture
def plane(browser, tmp_path):
    """A map of four images in the corners. The one at the top left is a query with a wrong answer,
    the one at the top right a query with a right one."""
    data = {
        "groups": {
            each: {"names": ["a", "b"], "of": [0, 0, 1, 1]}
            for each in ("label", "region", "modality", "split", "dataset")
        },
        "models": [
            {
                "name": "Net",
                "answers": [1, 0, 3, 3],
                "at": [[-900, 900], [900, 900], [-900, -900], [900, -900]],
            }
        ],
        "paths": ["0.png", "1.png", "2.png", "3.png"],
        "labels": ["a", "a", "b", "b"],
    }
    render(
        "analyses/map/map.html.j2",
        tmp_path / "map.html",
        title="Map",
        data=data,
        sprite="data:,",
        columns=2,
        pixels=16,
    )
    with opened(browser, tmp_path / "map.html") as page:
        page.locator("#plane").scroll_into_view_if_needed()
        yield page


def at(page, x, y):
    """A point of the map, 0 to 1, on the screen."""
    box = page.locator("#plane").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def pixel(page, x, y):
    """The color of a point of the map."""
    return page.evaluate(
        "([x, y]) => { const c = document.getElementById('plane');"
        " return [...c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data]; }",
        [x, y],
    )[:3]


BLUE, ORANGE, FADED = (0, 114, 178), (213, 94, 0), (211, 216, 222)


def looks(found, wanted):
    """Dots are slightly transparent on white."""
    return all(
        abs(0.85 * one + 0.15 * 255 - two) < 14 for one, two in zip(wanted, found, strict=True)
    )


TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT = (0.06, 0.06), (0.94, 0.06), (0.06, 0.94)


def corner(page, place):
    """Where a dot of the map lies, 0 to 1: the plane has a margin of 12 px."""
    side = page.locator("#plane").bounding_box()["width"] - 2
    return [(12 + (0.05 if each < 0.5 else 0.95) * (side - 24)) / side for each in place]


def test_the_map_is_colored_by_right_and_wrong_and_leaves_the_rest_gray(plane):
    assert looks(pixel(plane, *corner(plane, TOP_LEFT)), BLUE), "label a"
    assert looks(pixel(plane, *corner(plane, BOTTOM_LEFT)), ORANGE), "label b"
    plane.get_by_role("button", name="b (2)").click()
    assert plane.locator("#shown").inner_text() == "2 of 4 images in color"
    assert looks(pixel(plane, *corner(plane, TOP_LEFT)), FADED), "still there"
    plane.get_by_label("Colored by").select_option("right or wrong")
    assert plane.locator("#legend button").all_inner_texts() == [
        "right first neighbor (1)",
        "wrong first neighbor (1)",
        "not a query (2)",
    ]
    assert looks(pixel(plane, *corner(plane, TOP_LEFT)), ORANGE)
    assert looks(pixel(plane, *corner(plane, TOP_RIGHT)), BLUE)


def test_the_map_is_zoomed_around_the_pointer_and_moved(plane):
    plane.mouse.move(*at(plane, 0, 0))
    plane.mouse.wheel(0, -400)
    plane.wait_for_function("view.scale > 2.5")
    assert plane.evaluate("places[0][0]") < plane.evaluate("plane.clientWidth / 4")
    assert plane.evaluate("places[3][0] > plane.clientWidth"), "out of sight"
    before = plane.evaluate("places[0]")
    plane.mouse.move(*at(plane, 0.5, 0.5))
    plane.mouse.down()
    plane.mouse.move(*at(plane, 0.4, 0.5))
    plane.mouse.up()
    assert plane.evaluate("places[0][0]") < before[0] - 10
    plane.get_by_role("button", name="whole map").click()
    assert plane.evaluate("view") == {"scale": 1, "x": 0, "y": 0}
    plane.locator("#plane").press("+")
    assert plane.evaluate("view.scale") == pytest.approx(1.6)


def test_a_lasso_shows_its_images(plane):
    plane.get_by_role("button", name="lasso", exact=True).click()
    plane.mouse.move(*at(plane, 0.01, 0.01))
    plane.mouse.down()
    for x, y in ((0.99, 0.01), (0.99, 0.3), (0.01, 0.3)):
        plane.mouse.move(*at(plane, x, y))
    plane.mouse.up()
    assert plane.locator("#images figure").count() == 2
    assert plane.locator("#images .wrong").get_attribute("title") == "0.png"
    assert (
        "2 images, 2 of them answered queries, 1 with a wrong"
        in plane.locator("#count").inner_text()
    )
    assert looks(pixel(plane, *corner(plane, BOTTOM_LEFT)), FADED)
    with plane.expect_download() as saved:
        plane.locator("#save").click()
    rows = list(csv.reader(io.StringIO(Path(saved.value.path()).read_text())))
    assert rows == [
        ["path", "label", "answer"],
        ["0.png", "a", "wrong first neighbor"],
        ["1.png", "a", "right first neighbor"],
    ]
    plane.get_by_role("button", name="remove the lasso").click()
    assert not plane.locator("#chosen").is_visible()
    assert plane.locator("#shown").inner_text() == "4 of 4 images in color"


def test_the_map_fits_a_telephone(plane):
    plane.set_viewport_size({"width": 390, "height": 844})
    assert plane.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("folder", ["results", "elsewhere"])
def test_the_front_page_has_links_only_where_the_files_are(browser, tmp_path, folder):
    (tmp_path / folder).mkdir()
    render(
        "front_page/index.html.j2",
        tmp_path / folder / "index.html",
        title="Front",
        fronts=[{"experiment": "one", "splits": [], "thumbnails": []}],
        links={"one": {"sections": [], "left_out": [{"title": "Map", "reason": "no images"}]}},
        data_files=[{"title": "Ledger", "path": "datasets/a b/ledger.html"}],
    )
    with opened(browser, tmp_path / folder / "index.html") as page:
        assert page.locator(".data").is_visible() == (folder == "results")
        page.locator("summary").click()
        assert page.get_by_text("Map: no images").is_visible()
        assert page.locator(".menu").is_visible() == (folder == "elsewhere")
        assert page.locator(".data a").get_attribute("href") == "datasets/a%20b/ledger.html"
