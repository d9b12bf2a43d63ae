"""What the page shows around ranked images: values for the viewer, series, one result per patient."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from radcbir.app.collection import Collection
from radcbir.app.vectors import VectorIndex
from radcbir.app.views.groups import MOST_OTHERS, Ranking
from radcbir.app.views.series import series_of
from radcbir.app.views.values import LONGEST, values_of
from radcbir.images.intensity import INTENSITY, to_8_bit
from radcbir.images.raster import Raster, UnreadableImage, Window, integer_range

# --- values
# ---------------------------------------------------------------------------------------------------------


def gray(values, bits, **more):
    values = np.asarray(values)
    signed = values.dtype.kind == "i"
    return Raster(values, bits, values.dtype.name, integer_range(bits, signed), signed, **more)


def decoded(found):
    """The values that the page computes, and what it is told."""
    told, content = found
    kind = "<u2" if told["channels"] == 1 else "u1"
    codes = np.frombuffer(content, kind).reshape(told["height"], told["width"], -1).squeeze()
    return told["intercept"] + told["slope"] * codes.astype(float), told


def named(told):
    return {each["name"]: (each["low"], each["high"]) for each in told["presets"]}


def test_ct_comes_with_all_its_bits_and_the_windows_of_ct():
    values = np.random.default_rng(0).integers(-1024, 3000, (20, 30)).astype(np.int16)
    raster = gray(values, 16, window=Window(40, 400))
    found, told = decoded(values_of(raster, INTENSITY, "CT"))
    assert np.array_equal(found, values)
    assert (told["exact"], told["bits"], told["stored"]) == (True, 16, "int16")
    windows = named(told)
    assert windows["As indexed"] == (-160, 239)  # 40 - 0.5 - 399 / 2: PS3.3, C.11.2.1.2
    assert windows["All values"] == (values.min(), values.max())
    assert windows["CT lung"] == (-1350, 150)
    assert windows["CT brain"] == (0, 80)
    assert windows["Percentiles 1 to 99"] == tuple(np.percentile(values, [1, 99]))
    assert "CT lung" in named(values_of(raster, INTENSITY, None)[0]), "an upload"
    assert "CT lung" not in named(values_of(raster, INTENSITY, "MR")[0])
    assert "CT lung" not in named(values_of(gray(abs(values), 16), INTENSITY, "CT")[0])


def test_the_first_window_shows_what_the_index_saw():
    values = np.random.default_rng(1).normal(500, 200, (40, 40)).clip(0).astype(np.uint16)
    for raster in (gray(values, 12), gray(values, 12, inverted=True), gray(values, 12, window=Window(300, 50))):  # fmt: skip
        found, told = decoded(values_of(raster, INTENSITY, "MR"))
        low, high = named(told)["As indexed"]
        painted = ((found - low) / (high - low)).clip(0, 1) * 255
        painted = 255 - painted if told["inverted"] else painted
        assert np.abs(painted - np.asarray(to_8_bit(raster, INTENSITY))).max() <= 0.5001


def test_the_window_of_the_file_is_offered_beside_that_of_the_dataset():
    raster = gray(np.arange(400, dtype=np.uint16).reshape(20, 20), 16, window=Window(100, 51))
    told, _ = values_of(raster, {"policy": "minmax"}, "MR")
    assert named(told)["As indexed"] == (0, 399)
    assert named(told)["Window of the file"] == (74.5, 124.5)


def test_gray_images_of_8_bit_have_no_more_than_they_show():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found, told = decoded(values_of(gray(values, 8), INTENSITY, "XR"))
    assert np.array_equal(found, values)
    assert named(told) == {"As indexed": (0, 255)}


def test_a_curve_of_the_file_is_applied_before_the_window():
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    table = np.linspace(0, 1, 4096) ** 2
    for raster in (gray(values, 12, lookup=(table, 0)), gray(values, 12, window=Window(2000, 900, "SIGMOID"))):  # fmt: skip
        found, told = decoded(values_of(raster, INTENSITY, "XR"))
        assert named(told)["As indexed"] == (0, 255)
        assert np.abs(found - np.asarray(to_8_bit(raster, INTENSITY))).max() <= 0.51
        assert len(np.unique(found)) > 1000, "more than the 256 values of 8 bit"


@pytest.mark.parametrize("inverted", [False, True])
def test_padding_is_black_in_every_window(inverted):
    values = np.full((8, 8), -700, dtype=np.int16)
    values[:4] = 900
    padding = np.zeros((8, 8), dtype=bool)
    padding[:, 0], values[:, 0] = True, -2000
    raster = gray(values, 16, padding=padding, inverted=inverted)
    policy = {"policy": "window", "window": [800, 400]}
    found, told = decoded(values_of(raster, policy, "CT"))
    assert np.array_equal(found[:, 1:], values[:, 1:])
    assert "CT lung" in named(told)
    for low, high in named(told).values():
        share = ((found[:, 0] - low) / (high - low)).clip(0, 1)
        assert ((1 - share if inverted else share) == 0).all()
    assert named(told)["All values"] == (-700, 900), "padding is no value of the image"


def test_floating_point_is_rounded_to_16_bit_and_the_page_says_so():
    values = np.random.default_rng(2).normal(0, 3e-4, (30, 30)).astype(np.float32)
    values[0, 0] = np.nan
    found, told = decoded(values_of(Raster(values, 0, "float32"), INTENSITY, "MR"))
    assert not told["exact"]
    known = np.isfinite(values)
    assert np.abs(found - values)[known].max() <= np.ptp(values[known]) / 65535
    whole = Raster(np.rint(values * 1e6)[1:], 0, "float32")
    assert values_of(whole, INTENSITY, "MR")[0]["exact"], "whole numbers lose nothing"
    with pytest.raises(UnreadableImage, match="nothing but padding"):
        values_of(Raster(np.full((4, 4), np.nan), 0, "float64"), INTENSITY, None)


def test_large_images_are_averaged_over_blocks():
    values = np.zeros((6, LONGEST + 4), dtype=np.uint16)
    values[0, :2], values[1, 1] = 1000, 600
    found, told = decoded(values_of(gray(values, 16), INTENSITY, "MG"))
    assert (told["width"], told["height"], told["reduced"]) == (LONGEST // 2 + 2, 3, 2)
    assert found[0, 0] == 650  # of 1000, 1000, 0, 600
    assert not told["exact"]
    told, _ = values_of(gray(values[:1], 16), INTENSITY, "MG")
    assert (told["width"], told["height"]) == (LONGEST // 2 + 2, 1)


def test_color_comes_as_it_is():
    values = np.random.default_rng(3).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    raster = Raster(values, 8, "uint8 RGB", (0.0, 255.0))
    found, told = decoded(values_of(raster, INTENSITY, "US"))
    assert np.array_equal(found, values)
    assert (told["channels"], named(told)) == (3, {"As indexed": (0, 255)})


# --- series
# ---------------------------------------------------------------------------------------------------------


def catalog(*rows):
    columns = ["path", "dataset", "patient_id", "study_id", "view", "series_id", "position", "instance"]  # fmt: skip
    rows = [(*row, *[None] * (len(columns) - len(row))) for row in rows]
    return pa.Table.from_pandas(pd.DataFrame(rows, columns=columns).astype(object))


def paths_of(table, row):
    found = series_of(table, row)
    names = table["path"].to_pylist()
    assert found["rows"][found["place"]] == row
    return [names[each] for each in found["rows"]], found["kind"]


def test_slices_of_a_volume_are_in_order_in_their_plane_and_volume():
    names = ["a.nii#axial=10", "a.nii#axial=2", "a.nii#coronal=3", "a.nii#axial=2&volume=1", "a.nii#axial=30", "ab.nii#axial=3", "a.nii"]  # fmt: skip
    table = catalog(*((name, "one", None, None, None) for name in names))
    assert paths_of(table, 0) == (["a.nii#axial=2", "a.nii#axial=10", "a.nii#axial=30"], "axial")
    assert paths_of(table, 3) == (["a.nii#axial=2&volume=1"], "axial")
    assert paths_of(table, 6) == (["a.nii"], "")


def test_the_same_name_in_another_dataset_is_another_series():
    rows = [("a.nii#axial=1", each, None, None, None) for each in ("one", "two")]
    assert paths_of(catalog(*rows, ("a.nii#axial=2", "two", None, None, None)), 1) == (
        ["a.nii#axial=1", "a.nii#axial=2"],
        "axial",
    )


def test_files_of_one_patient_and_study_are_in_the_order_of_their_numbers():
    rows = [
        ("p/s1/im10.dcm", "one", "p", "s1", None),
        ("p/s1/im9.dcm", "one", "p", "s1", None),
        ("p/s1/im11.dcm", "one", "p", "s2", None),  # another study
        ("p/s1/im12.dcm", "one", "q", "s1", None),  # another patient
        ("p/s1/scout1.dcm", "one", "p", "s1", None),  # another name
        ("p/s2/im8.dcm", "one", "p", "s1", None),  # another folder
        ("p/s1/im7.png", "one", "p", "s1", None),  # another kind
        ("p/s1/im6.dcm", "one", "p", "s1", "lateral"),  # another view
    ]
    assert paths_of(catalog(*rows), 0) == (["p/s1/im9.dcm", "p/s1/im10.dcm"], "file")
    assert paths_of(catalog(*rows), 4) == (["p/s1/scout1.dcm"], "file")


def test_a_known_series_is_in_the_order_of_its_positions_whatever_its_files_are_called():
    rows = [
        ("x/a.dcm", "one", "p", "s", "AXIAL", "1.2", 12.5, 1.0),
        ("y/b", "one", "p", "s", "AXIAL", "1.2", -7.5, 2.0),
        ("y/c.dcm#frame=3", "one", "p", "s", "AXIAL", "1.2", 2.5, 3.0),
        ("x/d.dcm", "one", "p", "s", "CORONAL", "1.2", 0.0, 4.0),  # another plane
        ("x/e.dcm", "one", "p", "s", "AXIAL", "1.3", 0.0, 5.0),  # another series
        ("x/f.dcm", "two", "p", "s", "AXIAL", "1.2", 0.0, 5.0),  # another dataset
    ]
    assert paths_of(catalog(*rows), 0) == (["y/b", "y/c.dcm#frame=3", "x/a.dcm"], "position")
    assert paths_of(catalog(*rows), 3) == (["x/d.dcm"], "position")
    numbered = [
        ("x/a", "one", "p", "s", None, "1.4", 8.0, 10.0),
        ("x/b", "one", "p", "s", None, "1.4", None, 9.0),
    ]
    assert paths_of(catalog(*numbered), 0) == (["x/b", "x/a"], "instance")
    clip = [(f"x/a#frame={each}", "one", "p", "s", None, "1.5", None, 7.0) for each in (10, 9)]
    assert paths_of(catalog(*clip), 0) == (["x/a#frame=9", "x/a#frame=10"], "frame")


def test_catalogs_of_earlier_versions_are_read(tmp_path):
    """They have no series: names of files tell the order, as they did."""
    names = ("id", "path", "dataset", "split", "modality", "region", "view", "sex", "patient_id")
    table = pd.DataFrame([[each, f"p/im{each}.png", *["x"] * 7] for each in (10, 9)], columns=names)
    table = table.assign(age=1.0, study_id="s", source="x", labels=[["CT/a/b"]] * 2)
    table.to_parquet(tmp_path / "catalog.parquet")
    read = Collection(tmp_path / "catalog.parquet", "x").table
    assert paths_of(read, 0) == (["p/im9.png", "p/im10.png"], "file")


def test_files_of_an_unknown_patient_have_no_series():
    rows = [(f"im{each}.png", "one", None, None, None) for each in range(3)]
    assert paths_of(catalog(*rows), 1) == (["im1.png"], "")


def test_a_minus_is_a_sign_where_there_is_a_plus():
    rows = [(f"h/z{each}.png", "one", "h", None, None) for each in ("+10", "-20", "-5", "+0")]
    assert paths_of(catalog(*rows), 0)[0] == ["h/z-20.png", "h/z-5.png", "h/z+0.png", "h/z+10.png"]
    rows = [(f"h/z-{each}.png", "one", "h", None, None) for each in (3, 1, 2)]
    assert paths_of(catalog(*rows), 0)[0] == ["h/z-1.png", "h/z-2.png", "h/z-3.png"]


# --- patients
# ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded():
    """An index in which the patient that is most similar has by far the most images; the query, the
    patients, and which images may be found."""
    random = np.random.default_rng(4)
    vectors = random.standard_normal((3000, 16)).astype(np.float32)
    query = vectors[0] / np.linalg.norm(vectors[0])
    patients = np.where(np.arange(3000) < 2000, 0, random.integers(-1, 60, 3000))
    vectors[:2000] += 4 * query
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = random.permutation(3000).astype(np.int64)
    return VectorIndex.of(ids, vectors), query, patients, random.random(3000) < 0.9


def by_hand(index, query, patients, admitted):
    """Per patient its admitted images, the best first; the best patient first."""
    table = pd.DataFrame({"score": index.vectors.astype(float) @ query, "id": index.ids})
    table["patient"] = np.where(patients < 0, -2 - np.arange(len(patients)), patients)
    table = table[admitted].sort_values(["score", "id"], ascending=[False, True])
    return [group.index.tolist() for _, group in table.groupby("patient", sort=False)]


@pytest.mark.parametrize("k", [1, 5, 200])
def test_each_patient_has_one_result_the_best(crowded, k):
    index, query, patients, admitted = crowded
    groups = Ranking(index, query, admitted, k, None, {}).groups_of_patients(patients)
    wanted = by_hand(index, query, patients, admitted)[:k]
    assert [each.head for each in groups] == [each[0] for each in wanted]
    assert [each.of_patient for each in groups] == [each[1 : 1 + MOST_OTHERS] for each in wanted]
    assert [each.patient_images for each in groups] == [len(each) - 1 for each in wanted]
    assert groups[0].patient_images > 1500


def test_near_duplicates_of_other_patients_fold(crowded):
    index, query, patients, admitted = crowded
    groups = Ranking(index, query, admitted, 12, 0.7, {}).groups_of_patients(patients)
    assert len(groups) == 12
    heads = index.vectors[[each.head for each in groups]]
    assert (heads @ heads.T)[~np.eye(12, dtype=bool)].max() <= 0.7
    for group in groups:
        for each in group.duplicates:
            assert index.vectors[each] @ index.vectors[group.head] > 0.7
            assert patients[each] != patients[group.head] or patients[each] < 0
    assert any(group.duplicates for group in groups)


def test_without_patients_the_best_images_are_the_results(crowded):
    index, query, _, admitted = crowded
    groups = Ranking(index, query, admitted, 7, None, {}).groups()
    positions, _ = index.best(query, 7, admitted)
    assert [each.head for each in groups] == positions.tolist()
    assert all(each.of_patient == [] and each.patient_images == 0 for each in groups)
