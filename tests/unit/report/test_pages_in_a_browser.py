"""What the scripts of the pages do, in a real browser."""

import contextlib
import csv
import io
from pathlib import Path

import chromium
import pandas as pd
import pytest

from radcbir.analyses.gallery.compute import KINDS
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
            "score": "0.500",
            "right": kind == "right",
        }
        unlike = number == 1
        row = {"model": "Net", "right": 0, "neighbors": [hit], "unlike": unlike}
        return {
            "kind": kind, "first_right": 0, "models": 1, "label": f"label {number % 2}", "path": f"{number}.png",
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
