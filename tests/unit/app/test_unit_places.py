"""Where a part of a volume fits best: by hand, in mm and in numbers, and what files say of places."""

import gzip
from dataclasses import replace

import dicom_series
import nibabel
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from radcbir.app.question import Item, Question
from radcbir.app.units.lying import lying
from radcbir.app.units.places import Slabs, best_places
from radcbir.app.units.positions import distances, places
from radcbir.app.units.query import Lie, UnitQuery, check_question
from radcbir.core.errors import InputError
from radcbir.datasets.providers.dicom.geometry import Place
from radcbir.images.limits import LIMITS
from radcbir.retrieval.units.placement import Stack


def at(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def slabs(*series, placed=True):
    """Series as (unit, positions, degrees), one of each unit."""
    units = np.concatenate([[unit] * len(where) for unit, where, _ in series])
    vectors = at(*[each for _, _, degrees in series for each in degrees])
    numbers = np.repeat(np.arange(len(series)), [len(where) for _, where, _ in series])
    positions = np.concatenate([where for _, where, _ in series]).astype(float)
    orders = np.concatenate([np.arange(len(where)) for _, where, _ in series]).astype(float)
    in_numbers = Stack(vectors, numbers, orders)
    in_mm = Stack(vectors, numbers, positions) if placed else in_numbers
    return Slabs(
        np.arange(len(units)), units, in_mm, in_numbers, np.full(len(units), placed)
    )  # fmt: skip


def query(degrees, positions=None, orders=None, both_ways=False):
    orders = np.arange(len(degrees)) if orders is None else np.array(orders)
    where = None if positions is None else np.array(positions, float)
    names = [str(each) for each in range(len(degrees))]
    return UnitQuery(at(0)[0], at(*degrees), names, Lie(orders, where, both_ways))


def found(slabs, query, admitted=(True,) * 9):
    return [
        (each.unit, round(each.score, 4), each.first, each.center, each.last, each.turned)
        for each in best_places(slabs, query, np.array(admitted))
    ]


def cos(degrees):
    return round(float(np.cos(np.radians(degrees))), 4)


def test_a_slab_is_found_where_all_its_slices_fit():
    """The middle one alone fits as well at the first slice of unit 4."""
    index = slabs(
        (4, [0, 2, 4, 6], [30, 90, 90, 180]), (7, [0, 2, 4, 6, 8], [200, 10, 30, 60, 200])
    )
    asked = query([10, 30, 60], [100, 102, 104])
    best, second = found(index, asked)
    assert best == (7, 1, 5, 6, 7, False), "slices 2 to 4 of the second series"
    # In unit 4: cosines at its four places, where slices hang over an end the mean of the others.
    means = [
        np.mean([cos(0), cos(30)]), np.mean([cos(20), cos(60), cos(30)]),
        np.mean([cos(80), cos(60), cos(120)]), np.mean([cos(80), cos(150)]),
    ]  # fmt: skip
    assert second == (4, round(max(means), 4), 0, 0, 1, False)


def test_slices_of_another_spacing_are_compared_at_the_same_distances():
    """Slices 5 mm apart lie on every second one of a series whose slices are 2.5 mm apart."""
    dense = slabs((0, np.arange(7) * 2.5, [90, 0, 120, 40, 120, 80, 90]))
    asked = query([0, 40, 80], [5, 10, 15])
    assert found(dense, asked) == [(0, 1, 1, 3, 5, False)]
    # One slice after the other it does not fit.
    [(_, score, *_)] = found(dense, query([0, 40, 80]))
    assert score < 0.9


def test_without_positions_a_slab_is_laid_both_ways_slice_by_slice():
    index = slabs((0, [0] * 5, [200, 60, 30, 10, 200]), placed=False)
    [(_, score, first, center, last, turned)] = found(index, query([10, 30, 60], [0, 4, 8]))
    assert (score, first, center, last, turned) == (1, 1, 2, 3, True)
    # Of uploads with positions nobody knows which end is up; the catalog knows it.
    placed = slabs((0, [0, 4, 8, 12, 16], [200, 60, 30, 10, 200]))
    [upload] = found(placed, query([10, 30, 60], [0, 4, 8], both_ways=True))
    assert upload == (0, 1, 1, 2, 3, True)
    [(_, score, *_, turned)] = found(placed, query([10, 30, 60], [0, 4, 8]))
    assert score < 0.9 and not turned


def test_every_third_slice_of_a_long_file_lies_on_every_third_one():
    index = slabs((0, range(7), [0, 90, 90, 40, 90, 90, 80]))
    assert found(index, query([0, 40, 80], orders=[30, 33, 36])) == [(0, 1, 0, 3, 6, False)]


def test_slices_are_laid_by_position_in_whatever_order_they_come():
    index = slabs((0, [0, 2, 4], [10, 30, 60]))
    shuffled = query([60, 10, 30], [9, 5, 7])
    assert shuffled.middle == 2
    assert found(index, shuffled) == [(0, 1, 0, 1, 2, False)]


def test_units_that_are_too_short_or_filtered_are_not_found_and_one_slice_fits_everywhere():
    index = slabs(
        (0, [0], [20]), (1, [0, 2, 4, 6], [0, 10, 20, 30]), (2, [0, 2, 4, 6], [0, 10, 20, 31])
    )
    asked = query([0, 10, 20, 30], [0, 2, 4, 6])
    assert [each[0] for each in found(index, asked)] == [1, 2], "two of four slices are needed"
    assert [each[0] for each in found(index, asked, [True, False, True])] == [2]
    [one, two, three] = found(index, query([20], [50]))
    assert [each[:5] for each in (one, two, three)] == [
        (0, 1, 0, 0, 0), (1, 1, 3, 3, 3), (2, 1, 7, 7, 7),
    ]  # fmt: skip


def test_slices_of_one_series_and_view_lie_in_one_row():
    frame = pd.DataFrame(
        {
            "study_id": ["t", "t", "t", "t", "t", None],
            "series_id": ["a", "a", "a", "b", "b", None],
            "view": ["axial", "coronal", "axial", None, None, None],
            "position": [4.0, 1.0, -2.0, np.nan, 7.0, 3.0],
        }
    )
    lie = lying(pa.Table.from_pandas(frame), np.array([0, 5, 6]))
    assert lie.series.tolist() == [0, 1, 0, 2, 2, 3]
    assert lie.orders.tolist() == [1, 0, 0, 0, 1, 0]
    assert lie.placed.tolist() == [True, True, True, False, False, True]
    assert lie.positions.tolist() == [4, 1, -2, 0, 1, 3]


def test_the_slices_of_a_volume_lie_as_far_apart_as_its_header_says(tmp_path):
    """The third axis of the file is the patient's from left to right, 3 mm apart."""
    affine = np.array([[0, 0, 3, 7], [2, 0, 0, 0], [0, 1.5, 0, 0], [0, 0, 0, 1.0]])
    volume = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.uint8), affine)
    (tmp_path / "a").write_bytes(gzip.compress(volume.to_bytes()))

    def along(plane, *numbers):
        parts = [{plane: each} for each in numbers]
        return distances(places(str(tmp_path / "a"), "a.nii.gz", parts, LIMITS)).tolist()

    assert along("sagittal", 2, 4, 5) == [6, 12, 15]
    assert along("coronal", 0, 1) == [0, 2] and along("axial", 4) == [6]
    (tmp_path / "b").write_bytes(b"no image at all")
    assert places(str(tmp_path / "b"), "b.png", [{}], LIMITS) == [None]


def test_dicom_slices_lie_along_the_normal_that_their_headers_give(tmp_path):
    def position(name, **attributes):
        path = dicom_series.write(tmp_path / name, **attributes)
        return places(str(path), name, [{}], LIMITS)

    oblique = {"ImageOrientationPatient": [0, 0.6, 0.8, 1, 0, 0]}  # its normal is (0, 0.8, -0.6)
    found = [
        *position("a.dcm", ImagePositionPatient=[5, 10, 0], **oblique),
        *position("b.dcm", ImagePositionPatient=[7, 10, 5], **oblique),
    ]
    assert distances(found).tolist() == [8, 5]
    assert position("c.dcm", ImagePositionPatient=None) == [None]
    assert distances([*found, *position("d.dcm")]) is None, "an axial slice among them"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([((0, 0, 1), 5.0), ((0, 0, 1), 2.0)], [5, 2]),
        ([((0, 0, 1), 5.0), None], None),
        ([((0, 0, 1), 5.0), ((0, 1, 0), 2.0)], None),
        ([((0, 0, 1), 5.0), ((0, 0, 1), 5.0)], None),
        ([], None),
    ],
    ids=["placed", "one unknown", "two planes", "twice at one place", "nothing"],
)
def test_positions_are_those_of_parallel_slices_at_places_of_their_own(given, wanted):
    result = distances([each and Place(*each) for each in given])
    assert wanted is None if result is None else result.tolist() == wanted


@pytest.mark.parametrize(
    "change", [{"place": True}, {"items": (Item("image", id=1, slices=(0, 1)),)}]
)
def test_single_images_have_no_parts(change):
    question = replace(Question("x", items=(Item("image", id=1),)), **change)
    with pytest.raises(InputError, match="finds single images, which have no parts"):
        check_question(question, "image")
    check_question(question, "series")
