"""The viewer and what surrounds it on the page of queries, in a headless browser."""

import base64
import csv
import gzip
import hashlib
import io
import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest
from conftest import CONFIG, PATTERNS, Project, draw
from live_page import AXE, barriers, copy_of, drop, opened, running, shown, until
from PIL import Image
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

LABELS = list(PATTERNS)
SIZES = [(1280, 720), (390, 844), (640, 360)]
"""A laptop, a telephone, and the laptop with a zoom of 200 %."""

HOUNSFIELD = np.repeat([[-900], [40], [1200]], 20, axis=0) + np.arange(48)
"""60 rows of 48 columns: lung, soft tissue, bone."""


def ct(values):
    """A CT slice as DICOM, with a window of soft tissue."""
    file = pydicom.FileDataset(None, {}, preamble=b"\0" * 128)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, generate_uid()
    file.PhotometricInterpretation, file.SamplesPerPixel = "MONOCHROME2", 1
    file.Rows, file.Columns = values.shape
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    file.RescaleSlope, file.RescaleIntercept, file.RescaleType = 1, 0, "HU"
    file.WindowCenter, file.WindowWidth = 40, 400
    file.PixelData = values.astype("<i2").tobytes()
    content = io.BytesIO()
    pydicom.dcmwrite(content, file, enforce_file_format=True)
    return content.getvalue()


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    """A copy of the finished project in which every CT of the index is a DICOM file of 16 bit."""
    config = CONFIG | {"app": {"port": 0, "viewer": "http://127.0.0.1:1/viewer?study={study_uid}"}}
    copy = copy_of(finished, Project(tmp_path_factory.mktemp("viewer") / "project"), config)
    place = copy / "results/experiments/findings/catalog.parquet"
    table = pq.read_table(place)
    column = table.column_names.index("study_id")
    patients = table["patient_id"].to_pylist()
    uids = [f"1.2.{int(each[-2:])}" for each in patients]  # a study per patient
    studies = pa.array(uids, table["study_id"].type)
    pq.write_table(table.set_column(column, "study_id", studies), place)
    catalog = pd.read_parquet(place)
    for path in catalog[(catalog["split"] == "train") & (catalog["modality"] == "CT")]["path"]:
        (copy / "data/images" / path).write_bytes(ct(HOUNSFIELD))
    return copy


@pytest.fixture(scope="module")
def link(served):
    with running(served, "config/app.yaml", snakemake=False) as link:
        yield link


@pytest.fixture
def page(browser, link):
    with opened(browser, link, viewport={"width": 1280, "height": 720}) as page:
        yield page


def catalog_of(served):
    return pd.read_parquet(served / "results/experiments/findings/catalog.parquet")


def ask_with_sample(page, place=0):
    page.get_by_text("Start from an image of the catalog").click()
    page.locator("#samples button").nth(place).click()
    return shown(page)


def open_viewer(page, image=None):
    """Opens the first result, or the first one of a label, and waits for its pixels."""
    hits = page.locator(".hit") if image is None else page.locator(".hit", has_text=image)
    hits.first.locator(".picture").click()
    until(page, "[...document.querySelectorAll('.readout')].every(each => each.textContent)")


def painted(page, place):
    """The gray values of a pane, (height, width)."""
    picture = page.evaluate(f"document.querySelectorAll('.screen canvas')[{place}].toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(picture.split(",")[1])))
    return np.asarray(image.convert("RGB"))[..., 0].astype(int)


def test_the_best_model_comes_first_with_its_figure_and_is_loaded(page, served):
    summary = pd.read_csv(served / "results/experiments/findings/comparison/summary.csv")
    rows = summary[
        (summary["query_split"] == "test")
        & (summary["neighbors"] == "all")
        & (summary["metric"] == "precision_at_1")
        & (summary["average"] == "micro")
    ].set_index("model")
    best = rows["common_value"].idxmax()
    assert page.locator("#model").input_value() == best
    share = f"P@1 {rows['common_value'][best]:.2f}"
    assert page.locator("#model option").first.inner_text().endswith(share)
    count = int(rows["common_queries"][best])
    assert f"{share}, the share of {count} queries (split test)" in page.inner_text("#notes")
    until(page, "document.querySelector('#ready').textContent.endsWith(' is ready.')")
    log = (served / "results/logs/app.log").read_text()
    assert f"started a process for {best} (" in log, "before the first query"


def test_a_result_has_the_values_of_its_file_and_the_windows_of_ct(page):
    drop(page, draw(2, 900))
    shown(page)
    open_viewer(page, LABELS[2])
    assert page.locator("#preset option").all_inner_texts() == [
        "As indexed", "Percentiles 1 to 99", "All values", "CT soft tissue", "CT lung", "CT bone", "CT brain",
    ]  # fmt: skip
    assert page.locator("#detail-tools input").first.input_value() == "39.5"
    page.select_option("#preset", "CT lung")
    level, width = page.locator("#detail-tools input").all()
    assert (level.input_value(), width.input_value()) == ("-600", "1500")
    lung = painted(page, 1)
    middle = lung[lung.shape[0] // 12, lung.shape[1] // 2]  # -876 HU, in the window from -1350
    assert abs(middle - 255 * (-876 + 1350) / 1500) <= 2
    assert lung[lung.shape[0] // 2, lung.shape[1] // 2] in (238, 239, 240, 241)  # 40 + 24 HU

    area = page.locator(".screen canvas").nth(1).bounding_box()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 12)
    until(page, "document.querySelectorAll('.readout')[1].textContent.includes('value -8')")
    assert re.search(r"value -8(7|8)\d", page.locator(".readout").nth(1).inner_text())

    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2 + 40, area["y"] + area["height"] / 12, steps=4)
    page.mouse.up()
    assert float(width.input_value()) > 1600
    assert page.locator("#preset").input_value() == "Own window"
    wider = float(width.input_value()) / 1500
    query = page.locator(".readout").first.inner_text()  # of 8 bit: by the same factor
    assert abs(float(re.search(r"width ([\d.]+)", query)[1]) / 255 - wider) < 0.01
    level.fill("100")
    level.press("Enter")
    assert "level 100" in page.locator(".readout").nth(1).inner_text()

    page.get_by_role("button", name="As at first").click()
    plain = painted(page, 1)
    page.locator(".screen canvas").nth(1).press("i")
    inside = slice(plain.shape[1] // 2 - 20, plain.shape[1] // 2 + 20)
    assert np.array_equal(painted(page, 1)[:, inside], 255 - plain[:, inside])


def test_a_result_links_to_its_study_in_the_viewer_of_the_archive(page, served):
    drop(page, draw(2, 900))
    shown(page)
    open_viewer(page, LABELS[2])
    to_study = page.locator("#detail dl a")
    assert to_study.count() == 1, "of the result; nobody knows the study of the query"
    known = page.locator("#detail dl").last.inner_text().split()
    catalog = catalog_of(served).set_index("path")
    study = catalog.loc[known[known.index("file") + 1].removeprefix("data/images/"), "study_id"]
    assert to_study.inner_text() == study
    assert to_study.get_attribute("href") == f"http://127.0.0.1:1/viewer?study={study}"
    assert to_study.get_attribute("rel") == "noreferrer"


def test_both_images_are_enlarged_and_moved_together(page):
    drop(page, draw(0, 900))
    shown(page)
    open_viewer(page, LABELS[0])
    before = [painted(page, place) for place in (0, 1)]
    black = [float((each == 0).mean()) for each in before]
    area = page.locator(".screen canvas").first.bounding_box()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    page.mouse.wheel(0, -600)
    assert [float((painted(page, each) == 0).mean()) < black[each] for each in (0, 1)] == [
        True,
        True,
    ]
    page.get_by_role("button", name="As at first").click()
    assert all(np.array_equal(painted(page, each), before[each]) for each in (0, 1))
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2 + 60, area["y"] + area["height"] / 2, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    for place in (0, 1):
        moved = np.roll(before[place], 60, axis=1)[:, 60:]
        assert np.abs(painted(page, place)[:, 60:] - moved).mean() < 3


def test_the_keyboard_goes_through_results_and_slices(page, served):
    ask_with_sample(page)
    open_viewer(page)
    count = page.locator("#columns .hit").count()
    assert page.inner_text("#detail-place") == f"1 of {count}"
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#detail-place") == f"2 of {count}"
    second = page.locator(".hit").nth(1).get_attribute("data-id")
    catalog = catalog_of(served)
    image = catalog[catalog["id"] == int(second)].iloc[0]
    series = sorted(catalog[catalog["patient_id"] == image["patient_id"]]["path"])
    place = series.index(image["path"])
    slices = page.locator(".slices").nth(1)
    until(page, "document.querySelectorAll('.slices')[1].textContent.includes(' of ')")
    assert f"{place + 1} of {len(series)} (by file name), the result" in slices.inner_text()
    down = place + 1 < len(series)
    page.keyboard.press("ArrowDown" if down else "ArrowUp")
    wanted = series[place + (1 if down else -1)]
    until(
        page,
        f"document.querySelectorAll('.screen canvas')[1].ariaLabel.includes({json.dumps(wanted)})",
    )
    assert f"1 {'after' if down else 'before'} the result" in slices.inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_the_keyboard_goes_through_the_slices_of_an_uploaded_volume(page):
    """Each slice has a gray value of its own; the volume has several planes and the page knows which."""
    voxels = np.zeros((40, 40, 6), np.int16)
    voxels[8:32, 8:32] = 100 * np.arange(1, 7)
    content = gzip.compress(nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes(), 1)
    drop(page, content, "head.nii.gz")
    shown(page)
    open_viewer(page)
    line = page.locator(".slices").first
    until(page, "document.querySelector('.slices').textContent.includes(' of ')")
    assert line.inner_text().endswith("4 of 6 (axial), the query")
    label = "document.querySelectorAll('.screen canvas')[0].ariaLabel"
    page.locator(".screen canvas").first.click()
    values = []
    for key, place in (("ArrowDown", 5), ("ArrowDown", 6), ("ArrowDown", 6), ("ArrowUp", 5)):
        page.keyboard.press(key)
        until(page, f"{label}.includes('head.nii.gz, axial {place - 1}')")
        until(page, f"document.querySelector('.slices').textContent.includes('{place} of 6')")
        page.locator(".screen canvas").first.hover()
        until(page, f"/{100 * place}\\b/.test(document.querySelector('.readout').textContent)")
        values.append(line.inner_text().split(", ")[-1])
    assert values == ["1 after the query", "2 after the query", "2 after the query", "1 after the query"]  # fmt: skip
    page.keyboard.press("ArrowUp")
    until(page, "document.querySelector('.slices').textContent.includes(', the query')")


def test_each_patient_has_one_result_with_the_others_below(page, served):
    catalog = catalog_of(served)
    index = catalog[catalog["split"] == "train"]
    labels = ask_with_sample(page)
    assert len(labels) == index["patient_id"].nunique()
    first = page.locator(".hit").first
    patient = index[index["id"] == int(first.get_attribute("data-id"))]["patient_id"].iloc[0]
    assert f"patient {patient.split(':')[1]}" in first.inner_text()
    others = int((index["patient_id"] == patient).sum()) - 1
    first.get_by_text(f"+ {others} images of this patient").click()
    assert first.locator(".twins button").count() == others
    first.locator(".twins button").first.click()
    assert page.inner_text("#detail-place") == f"2 of {others + 1}"
    page.keyboard.press("Escape")
    page.uncheck("#per-patient")
    until(page, f"document.querySelectorAll('.hit').length > {len(labels)}")
    with page.expect_download() as download:
        page.click("#export")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert {row["patient"] for row in rows} == {each.split(":")[1] for each in index["patient_id"]}


def test_known_labels_and_the_tally_of_the_results(page):
    page.uncheck("#per-patient")
    page.uncheck("#fold")
    labels = ask_with_sample(page)
    known = re.search(r"known labels: (\S+)", page.inner_text("#items"))[1]
    counts = pd.Series(labels).value_counts()
    tally = page.locator(".tally li").all_inner_texts()
    assert tally[0] == f"{counts.iloc[0]} {counts.index[0]}"
    assert sorted(tally) == sorted(f"{count} {label}" for label, count in counts.items())
    own = f"{labels.count(known)} of {len(labels)} have a label of the query."
    assert own in page.inner_text(".tally")


def test_after_a_refinement_both_scores_are_named(page):
    drop(page, draw(0, 900))
    shown(page)
    assert page.locator("#measured").is_hidden()
    first = page.locator(".hit").first
    identity, score = first.get_attribute("data-id"), first.locator(".line span").inner_text()
    first.locator(".yes").click()
    page.click("#refine")
    until(page, "document.querySelector('#status').textContent.includes('refined')")
    again = page.locator(f".hit[data-id='{identity}']")
    assert again.locator(".line span").inner_text() == score, "to the query that was asked"
    refined = float(re.search(r"refined query ([\d.]+)", again.inner_text())[1])
    assert refined > float(score)
    assert "has a refinement. The benchmark did not measure that" in page.inner_text("#measured")
    page.get_by_text("Modality").click()
    page.get_by_label("CT 12").check()
    until(
        page,
        "document.querySelector('#measured').textContent.includes('a refinement and a filter')",
    )


def test_what_is_chosen_is_in_the_address_and_outlives_a_reload(browser, link):
    with opened(browser, link) as page:
        other = page.locator("#model option").nth(1).get_attribute("value")
        page.select_option("#model", other)
        page.fill("#k", "7")
        page.uncheck("#fold")
        ask_with_sample(page, 3)
        page.get_by_text("Modality").click()
        page.get_by_label("CT 12").check()
        until(page, "location.hash.includes('modality=CT')")
        before = shown(page)
        assert "key" not in page.url
        page.reload()
        assert shown(page) == before
        assert page.locator("#model").input_value() == other
        assert page.locator("#k").input_value() == "7"
        assert not page.locator("#fold").is_checked()
        assert page.get_by_label("CT 12").is_checked()
        until(
            page, "document.querySelector('#ready').textContent.endsWith('ready.')"
        )  # moves what is below
        page.get_by_label("CT 12").uncheck()
        until(page, "!location.hash.includes('modality')")


def test_a_link_with_the_uid_of_a_study_lists_its_images(browser, link, served):
    catalog = catalog_of(served)
    images = catalog[catalog["study_id"] == "1.2.1"].set_index("path")
    assert len(images) > 2
    with opened(browser, f"{link}#experiment=findings&uid=1.2.1") as page:
        until(page, f"document.querySelectorAll('#named button').length === {len(images)}")
        assert f"It belongs to {len(images)} images" in page.inner_text("#named")
        listed = page.locator("#named button").all_inner_texts()
        assert {each.split(" · ")[-1] for each in listed} == set(images.index)
        page.locator("#named button").nth(1).click()
        shown(page)
        asked = int(page.evaluate("location.hash").split("image=")[1])
        assert asked == images["id"][listed[1].split(" · ")[-1]]
    with opened(browser, f"{link}#experiment=findings&uid=1.2.999") as page:
        until(page, "document.querySelector('#error').checkVisibility()")
        assert page.inner_text("#error").startswith("No image of the experiment 'findings' has the")


@pytest.mark.parametrize(
    "nonsense",
    ["#model=none&modality=%3Cb%3E&k=x&alike=-1&image=../x", "#%", "#experiment=%00&with=", "#image=1"],
)  # fmt: skip
def test_an_address_with_nonsense_opens_the_page(browser, link, nonsense):
    with opened(browser, link + nonsense) as page:
        until(page, "document.querySelector('#ready').textContent.endsWith('ready.')")
        unknown = nonsense == "#image=1"
        assert page.locator("#error").is_visible() == unknown
        if unknown:
            assert page.inner_text("#error").startswith("An image is not in the catalog")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_page_and_viewer_fit(browser, link, width, height):
    with opened(browser, link, viewport={"width": width, "height": height}) as page:
        drop(page, draw(1, 900))
        shown(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        search = page.locator("#search").bounding_box()
        if width > 820:
            assert search["y"] + search["height"] <= height
        open_viewer(page)
        frame = "(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(document.querySelector('dialog'))"
        assert page.evaluate(frame)
        for place in (0, 1):
            area = page.locator(".screen canvas").nth(place).bounding_box()
            assert area["height"] >= 150 and area["width"] >= 250
        if height > 700:
            assert area["y"] + area["height"] <= height, "both images are in sight"
        close = page.get_by_role("button", name="Close").bounding_box()
        assert close["x"] + close["width"] <= width and close["y"] >= 0


def test_the_first_key_leads_past_the_query(page):
    drop(page, draw(1, 900))
    shown(page)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "results"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#results') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(browser, link, scheme):
    program = (AXE / "axe.min.js").read_bytes()
    assert hashlib.sha256(program).hexdigest() in (AXE / "README.md").read_text()
    size = {"width": 1280, "height": 720}
    with opened(browser, link, viewport=size, color_scheme=scheme) as page:
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (scheme == "dark")
        assert barriers(page) == []
        ask_with_sample(page)
        page.get_by_text("Modality").click()
        page.locator(".hit .no").first.click()
        page.click("#refine")
        until(page, "document.querySelector('#status').textContent.includes('refined')")
        page.locator(".hit summary").first.click()
        assert barriers(page) == []
        open_viewer(page)
        page.locator(".keys summary").click()
        assert barriers(page) == []
