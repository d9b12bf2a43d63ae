"""Perturbations of images: by hand, against SciPy, and as recorded pixels; which queries are drawn."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from golden import images
from PIL import Image
from scipy import ndimage

from radcbir.analyses.robustness.kinds import PERTURBATIONS, VERSION
from radcbir.analyses.robustness.perturbations import generator, perturbed
from radcbir.analyses.robustness.sample import Listed, read_list, read_sample, sample, write_sample
from radcbir.images.intensity import INTENSITY
from radcbir.images.raster import Raster, Window
from radcbir.project.configuration import config_schema

NAMES = list(PERTURBATIONS)


def raster_of(image):
    return Raster(np.asarray(image), 8, "uint8", (0.0, 255.0))


def changed(image, name, severity, number=1):
    """The pixels of a perturbed image of 8 bit, with signs."""
    found = perturbed(raster_of(image), INTENSITY, name, severity, number)
    assert found.mode == Image.fromarray(np.asarray(image)).mode
    return np.asarray(found).astype(int)


def flat(value, side=224):
    return np.full((side, side), value, dtype=np.uint8)


def smooth(side=224):
    """Blobs on gray, the same on every machine, brightest in one corner."""
    y, x = np.mgrid[0:1:side*1j, 0:1:side*1j]  # fmt: skip
    return (30 + 100 * x * y + 90 * np.exp(-40 * ((x - 0.4) ** 2 + (y - 0.6) ** 2))).astype(
        np.uint8
    )


def test_there_are_twelve_in_five_severities_that_a_configuration_can_name():
    assert len(NAMES) == 12
    assert {len(each.amounts) for each in PERTURBATIONS.values()} == {5}
    schema = config_schema()["properties"]["robustness"]["properties"]["perturbations"]
    assert schema["items"]["enum"] == schema["default"] == NAMES


def test_the_documented_amounts_are_those_that_are_used():
    text = (Path(__file__).parents[3] / "docs/analyses.md").read_text()
    rows = {
        cells[1].strip(" `"): [float(each) for each in cells[3:8]]
        for cells in (line.split("|") for line in text.splitlines())
        if len(cells) == 10 and cells[1].strip(" `") in NAMES
    }
    assert rows == {name: list(each.amounts) for name, each in PERTURBATIONS.items()}


# --- by hand --------------------------------------------------------------------------------------


def test_inversion_begins_with_the_bright_values():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    first, last = changed(ramp, "inversion", 1).ravel(), changed(ramp, "inversion", 5).ravel()
    assert (first[203], first[204], first[255]) == (203, 255 - 204, 0)
    assert last.tolist() == list(range(255, -1, -1))


def test_a_shift_moves_by_its_share_and_leaves_black():
    image = flat(100, 100)
    image[50, 50] = 255
    found = changed(image, "shift", 3)
    [[row, column]] = np.argwhere(found == 255)
    assert {row, column} <= {40, 60}
    assert (found == 0).sum() == 100 * 100 - 90 * 90


def test_a_crop_is_a_part_of_the_image():
    image = (np.arange(80 * 100) % 251).reshape(80, 100).astype(np.uint8)
    found = changed(image, "crop", 3)
    assert found.shape == (64, 80)
    windows = np.lib.stride_tricks.sliding_window_view(image, found.shape)
    assert (windows == found).all(axis=(2, 3)).any()


def test_gamma_bends_the_gray_scale_one_way_or_the_other():
    values = np.array([[0, 51, 255]], dtype=np.uint8)
    # 0.2 ** 2.1 = 0.0340 and 0.2 ** (1 / 2.1) = 0.4646, of 255: 8.7 and 118.5.
    found = {tuple(changed(values, "gamma", 4, number)[0]) for number in range(20)}
    assert found == {(0, 9, 255), (0, 118, 255)}


def test_a_window_shows_what_the_old_one_cut_off():
    values = np.arange(0, 1001, 20, dtype=np.uint16).reshape(3, 17)
    raster = Raster(values, 16, "uint16", (0.0, 65535.0), window=Window(500, 400, "LINEAR_EXACT"))
    # 300 to 700. The center moves by 0.1 * 400, the width becomes 400 * 1.2 or 400 / 1.2.
    limits = [
        (center - width / 2, center + width / 2)
        for center in (460, 540)
        for width in (480, 400 / 1.2)
    ]
    expected = [
        np.rint(np.clip((values - low) * 255 / (high - low), 0, 255)) for low, high in limits
    ]
    seen = set()
    for number in range(40):
        found = np.asarray(perturbed(raster, INTENSITY, "window", 2, number))
        [place] = [place for place, each in enumerate(expected) if (each == found).all()]
        seen.add(place)
    assert seen == {0, 1, 2, 3}
    # 740 is white in the old window; from 300 to 780 it is 440 / 480 of the way.
    assert expected[2].ravel()[37] == round(255 * 440 / 480)


def test_a_window_of_8_bit_cuts_the_ends():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = [changed(ramp, "window", 5, number).ravel() for number in range(20)]
    assert any((each == 0).sum() > 40 for each in found)
    assert any((each == 255).sum() > 40 for each in found)
    assert all((np.diff(each) >= 0).all() for each in found)


def test_padding_and_inverted_grays_stay_what_they_are():
    values = np.array([[100, 300], [500, 900]], dtype=np.int16)
    padding = np.array([[False, False], [False, True]])
    plain = Raster(values, 16, "int16", None, signed=True, padding=padding)
    turned = Raster(values, 16, "int16", None, signed=True, padding=padding, inverted=True)
    one, other = (
        np.asarray(perturbed(each, INTENSITY, "window", 1, 7)).astype(int)
        for each in (plain, turned)
    )
    assert one[1, 1] == other[1, 1] == 0
    assert (one + other)[~padding].tolist() == pytest.approx([255, 255, 255], abs=1)


def test_a_bias_field_changes_brightness_by_its_factor_at_most():
    found = changed(flat(80), "bias_field", 3)
    logarithm = np.log(found / 80)
    assert np.abs(logarithm).max() == pytest.approx(math.log(3), abs=0.02)
    assert logarithm.mean() == pytest.approx(0, abs=0.01)
    assert np.abs(np.diff(found, axis=0)).max() < 12, "it is smooth"


def test_burned_in_text_has_its_lines_in_a_corner():
    for number in range(8):
        for severity, lines in ((1, 1), (4, 5)):
            found = changed(flat(0), "text", severity, number)
            assert set(np.unique(found)) == {0, 255}
            rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
            # A line is 13 pixels high (6 % of 224), the margin 4. Letters fill most of a line.
            assert 13 * lines - 6 <= np.ptp(rows) + 1 <= 13 * lines
            at_top, at_left = rows[0] < 8, columns[0] < 8
            assert at_top or rows[-1] >= 224 - 8
            assert at_left or columns[-1] >= 224 - 10


def test_noise_has_its_spread_and_its_grains():
    found = changed(flat(128), "noise", 1)
    assert found.std() == pytest.approx(0.08 * 255, rel=0.03)
    assert found.mean() == pytest.approx(128, abs=0.5)
    large = changed(flat(128, 448), "noise", 1)
    assert (large.reshape(224, 2, 224, 2) == large[::2, ::2].reshape(224, 1, 224, 1)).all()


def test_downsampling_keeps_means_and_loses_what_is_fine():
    checkers = (255 * (np.indices((224, 224)).sum(axis=0) % 2)).astype(np.uint8)
    found = changed(checkers, "downsampling", 3)
    assert found.std() < 0.25 * checkers.std()
    assert found.mean() == pytest.approx(127.5, abs=2)
    assert (changed(flat(77), "downsampling", 5) == 77).all()
    image = smooth(896)
    assert np.abs(changed(image, "downsampling", 1) - image).mean() < 1.5, "134 pixels are enough"


# --- other implementations ------------------------------------------------------------------------


def test_blur_is_that_of_scipy():
    image = smooth()
    for severity, sigma in ((1, 1), (5, 6)):
        expected = ndimage.gaussian_filter(image.astype(float), sigma, mode="nearest")
        inner = slice(24, -24)
        found = changed(image, "blur", severity)
        assert np.abs(found - expected)[inner, inner].max() < 3


def test_rotation_is_that_of_scipy():
    image = smooth()
    for number in range(4):
        found = changed(image, "rotation", 4, number)
        expected = [
            ndimage.rotate(image.astype(float), angle, reshape=False, order=1)
            for angle in (15, -15)
        ]
        errors = [np.abs(found - each)[40:-40, 40:-40].max() for each in expected]
        assert min(errors) < 2 < max(errors)


# --- for all --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [each for each in NAMES if each != "crop"])
def test_a_higher_severity_changes_more(name):
    image = smooth().astype(float)
    stripes = 20 * (np.sin(np.arange(224) ** 1.5 / 40) > 0)
    image = (235 * (image - image.min()) / np.ptp(image) + stripes).astype(np.uint8)
    far = [np.abs(changed(image, name, severity) - image).mean() for severity in range(1, 6)]
    assert far[0] > 0
    assert far == sorted(far)
    assert far[4] > 1.5 * far[0]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_changed_alike_whatever_comes_before(name):
    image = smooth(64)
    first = changed(image, name, 3, 7)
    changed(image, name, 3, 8)
    assert (changed(image, name, 3, 7) == first).all()
    draws = {generator(number, name).random() for number in range(50)}
    assert len(draws) == 50


@pytest.mark.parametrize("name", NAMES)
def test_gray_in_three_channels_is_changed_as_gray_is(name):
    gray = smooth(96)
    color = changed(np.stack([gray] * 3, axis=-1), name, 4, 3)
    assert np.ptp(color, axis=-1).max() <= (4 if name == "jpeg" else 0)
    assert np.abs(color[..., 0] - changed(gray, name, 4, 3)).max() <= (6 if name == "jpeg" else 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 400), (30, 9), (5, 7, 3)])
def test_small_and_narrow_images_are_no_trouble(name, shape):
    image = (np.arange(np.prod(shape)) * 37 % 256).reshape(shape).astype(np.uint8)
    for severity in (1, 5):
        found = changed(image, name, severity)
        assert found.size > 0
        assert name == "crop" or found.shape == shape


RECORDED = {
    "noise": (1, "8ff1e4eec4d40fb0"),
    "blur": (1, "592a5fbcc4b867c0"),
    "jpeg": (1, "71c063503ff964cf"),
    "gamma": (1, "06f1e44dfacb26af"),
    "window": (1, "250cf9d6cddea868"),
    "rotation": (1, "b23085d3a6085409"),
    "shift": (1, "438b90ec2a3de161"),
    "crop": (1, "d570980e73951607"),
    "downsampling": (1, "c7f05b30efe107b4"),
    "bias_field": (1, "f086200b49daae1c"),
    "inversion": (1, "67e9d4bc4a436cfb"),
    "text": (1, "4a4058fe7e27e2d4"),
}


@pytest.mark.parametrize("name", NAMES)
def test_recorded_pixels_change_only_with_the_version(name):
    """Queries are embedded again where the version is raised; a changed digest without it would mix
    perturbations. JPEG and blur are those of the locked Pillow."""
    digest = hashlib.sha256()
    for number, image in enumerate(images()):
        for severity in (1, 5):
            digest.update(changed(image, name, severity, number).astype(np.uint8).tobytes())
    assert RECORDED[name] == (VERSION, digest.hexdigest()[:16])


# --- the sample -----------------------------------------------------------------------------------


def listed(patients):
    return [Listed(number, "chest", patient) for number, patient in enumerate(patients)]


def test_each_patient_is_drawn_once_before_one_is_drawn_twice():
    found = listed(["a", "a", "a", "b", "c", "c", "", ""])
    assert sorted(each.patient for each in sample(found, 5)) == ["", "", "a", "b", "c"]
    assert sorted(each.patient for each in sample(found, 7)) == ["", "", "a", "a", "b", "c", "c"]
    assert sample(found, 100) == found
    assert sample(found[::-1], 4) == sample(found, 4)


def test_images_that_are_added_bring_no_other_old_image_in():
    old = listed([f"p{each % 40}" for each in range(120)])
    new = [Listed(1000 + each, "chest", f"p{each % 50}") for each in range(30)]
    before, after = set(sample(old, 60)), set(sample([*new, *old], 60))
    assert after & set(old) < before
    assert len(after & before) > 30


def test_a_sample_is_named_after_its_content(tmp_path):
    split, shard = tmp_path / "split.tsv", tmp_path / "shard.tsv"
    split.write_text(
        "id\tdataset\tpatient_id\tseveral_labels\n1\tchest\tp1\t0\n2\tchest\t\t1\n3\tchest\t\t0\n"
    )
    shard.write_text("id\tpath\tbytes\n1\ta.png\t10\n2\tb.png\t11\n3\tc d.png\t12\n4\te.png\t9\n")
    images = read_list(split)
    assert [(each.id, each.patient) for each in images] == [(1, "p1"), (3, "")]
    names = []
    for rows in ("", "5\tf.png\t1\n"):
        shard.write_text(shard.read_text() + rows)
        write_sample(images, [shard], tmp_path / "sample")
        [path] = (tmp_path / "sample").iterdir()
        assert read_sample(path) == [(1, "chest", "a.png"), (3, "chest", "c d.png")]
        names.append(path.name)
    shard.write_text(shard.read_text().replace("a.png\t10", "a.png\t11"))
    write_sample(images, [shard], tmp_path / "sample")
    [path] = (tmp_path / "sample").iterdir()
    assert names[0] == names[1] != path.name
