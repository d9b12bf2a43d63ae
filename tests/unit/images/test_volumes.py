"""Series as volumes: each voxel at its place, whatever file it comes from, and series that make none."""

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_series import item, write, write_series
from PIL import Image

from radcbir.encoders.volumes import oriented
from radcbir.images.raster import UnreadableImage
from radcbir.images.volumes import read_volume

VALUES = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3) - 20
"""5 voxels to the right, 4 to the front, 3 up: each has a value of its own."""

SPACING = (0.5, 0.75, 2.0)
"""To the right, to the front, up, in mm."""


def nifti(path, values=VALUES, flipped=(), order=(0, 1, 2)):
    """A file whose axes run as ``order`` and ``flipped`` say; its affine says so as well."""
    affine = np.diag([*SPACING, 1.0])
    for axis in flipped:
        values = np.flip(values, axis)
        affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
        affine[:3, axis] *= -1
    nibabel.save(
        nibabel.Nifti1Image(values.transpose(order), affine[:, [*order, 3]]), path / "head.nii.gz"
    )
    return ["head.nii.gz#axial=1", "head.nii.gz#axial=0"]


def stored(values):
    """How a CT slice keeps values from -1024 on."""
    pixels = (values.astype(int) + 1024).astype(np.uint16)
    return pixels, {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "RescaleIntercept": -1024, "RescaleSlope": 1}  # fmt: skip


def axial(path, upside_down=False):
    """An axial DICOM series: rows run to the left, columns to the back; files in any order."""
    names = []
    for height in (2, 0, 1):
        pixels, attributes = stored(VALUES[::-1, ::-1, height].T)
        place = [-4 * SPACING[0], -3 * SPACING[1], height * SPACING[2]]
        write(path / f"{height}.dcm", pixels, PixelSpacing=[0.75, 0.5], ImagePositionPatient=place, **attributes)  # fmt: skip
        names.append(f"{height}.dcm")
    return names


def coronal(path):
    """The same as coronal slices: rows run to the left, columns down."""
    for front in range(4):
        pixels, attributes = stored(VALUES[::-1, front, ::-1].T)
        place = [-4 * SPACING[0], -front * SPACING[1], 2 * SPACING[2]]
        write(path / f"{front}.dcm", pixels, PixelSpacing=[2.0, 0.5], ImagePositionPatient=place,
              ImageOrientationPatient=[1, 0, 0, 0, 0, -1], **attributes)  # fmt: skip
    return [f"{front}.dcm" for front in range(4)]


def several_frames(path):
    """The same as one file of axial frames, their places in functional groups."""
    pixels, attributes = stored(VALUES[::-1, ::-1].transpose(2, 1, 0))
    groups = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[-2.0, -2.25, 2.0 * height])])
        for height in range(3)
    ]
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[item(PixelSpacing=[0.75, 0.5])],
    )
    write(path / "all.dcm", pixels, NumberOfFrames=3, PerFrameFunctionalGroupsSequence=groups,
          SharedFunctionalGroupsSequence=[shared], ImageOrientationPatient=None,
          ImagePositionPatient=None, PixelSpacing=None, **attributes)  # fmt: skip
    return [f"all.dcm#frame={each}" for each in (1, 2, 0)]


@pytest.mark.parametrize(
    "files",
    [
        nifti,
        lambda path: nifti(path, flipped=(0,)),
        lambda path: nifti(path, flipped=(1, 2), order=(2, 0, 1)),
        axial,
        coronal,
        several_frames,
    ],
    ids=["nifti", "flipped", "turned", "axial", "coronal", "frames"],
)
def test_every_voxel_is_at_its_place(files, tmp_path):
    volume = read_volume(tmp_path, files(tmp_path))
    assert volume.values.dtype == np.float32
    values, spacing = oriented(volume, "RAS")
    np.testing.assert_array_equal(values, VALUES)
    np.testing.assert_allclose(spacing, SPACING)
    other, spacing = oriented(volume, "SPL")
    np.testing.assert_array_equal(other, VALUES[::-1, ::-1].transpose(2, 1, 0))
    np.testing.assert_allclose(spacing, SPACING[::-1])


def test_padding_and_values_that_are_not_finite_become_the_lowest(tmp_path):
    for height in range(2):
        pixels, attributes = stored(np.array([[-1000, 7], [9, -1024]]))
        write(tmp_path / f"{height}.dcm", pixels, PixelPaddingValue=0, ImagePositionPatient=[0, 0, height], **attributes)  # fmt: skip
    volume = read_volume(tmp_path, ["0.dcm", "1.dcm"])
    assert volume.values[:, :, 0].T.tolist() == [[-1000, 7], [9, -1000]]
    values = VALUES.astype(np.float32)
    values[0, 0, 0] = np.nan
    found = read_volume(tmp_path, nifti(tmp_path, values))
    assert found.values[0, 0, 0] == -19 and found.values[0, 0, 1] == -19


def one_slice(path):
    return axial(path)[:1]


def two_orientations(path):
    return [*axial(path), *("c/" + each for each in coronal(path / "c"))]


def one_place(path):
    return [each.name for each in write_series(path, "p", [0, 2, 2, 4])]


def gap(path):
    return [each.name for each in write_series(path, "p", [0, 2, 4, 8])]


def no_place(path):
    write(path / "a.dcm", ImagePositionPatient=None)
    write(path / "b.dcm", ImagePositionPatient=[0, 0, 2])
    return ["a.dcm", "b.dcm"]


def two_sizes(path):
    write(path / "a.dcm", np.zeros((8, 8), np.uint8), ImagePositionPatient=[0, 0, 0])
    write(path / "b.dcm", np.zeros((8, 9), np.uint8), ImagePositionPatient=[0, 0, 2])
    return ["a.dcm", "b.dcm"]


def pictures(path):
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(path / name)
    return ["a.png", "b.png"]


def two_files(path):
    (path / "other").mkdir()
    return [nifti(path)[0], "other/" + nifti(path / "other")[0]]


def damaged(path):
    names = axial(path)
    (path / "1.dcm").write_bytes((path / "1.dcm").read_bytes()[:-10])
    return names


def lost(path):
    names = axial(path)
    (path / "1.dcm").unlink()
    return names


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (one_slice, "no volume: it has one slice"),
        (two_orientations, "no volume: its slices have several orientations"),
        (one_place, "several slices lie at one place"),
        (gap, r"its slices are 2 to 4 mm apart; some are missing"),
        (no_place, "the header of a.dcm gives no place of a slice"),
        (two_sizes, "its slices have several sizes of images"),
        (pictures, "no volume: pillow files do not say where a slice lies"),
        (two_files, "its slices are from 2 volumes"),
        (damaged, "truncated"),
        (lost, "missing"),
    ],
)
def test_series_that_make_no_volume_say_why(files, reason, tmp_path):
    with pytest.raises(UnreadableImage, match=reason):
        read_volume(tmp_path, files(tmp_path))


def test_the_reader_agrees_with_nibabel_on_an_oblique_series(tmp_path):
    """Slices that are tilted by 20 degrees: each voxel's place in mm, from the header of each file."""
    turn = np.deg2rad(20)
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(turn), np.sin(turn)])
    normal = np.cross(row, column)
    names = []
    for number in range(3):
        corner = np.array([5.0, -7, 11]) + 2.5 * number * normal
        pixels, attributes = stored(np.arange(12).reshape(3, 4) + 100 * number)
        cosines = [f"{each:.10g}" for each in (*row, *column)]
        write(tmp_path / f"{number}.dcm", pixels, PixelSpacing=[0.8, 0.6], ImageOrientationPatient=cosines,
              ImagePositionPatient=[f"{each:.10g}" for each in corner], **attributes)  # fmt: skip
        names.append(f"{number}.dcm")
    volume = read_volume(tmp_path, names)
    assert volume.values[3, 2, 1] == 100 + 11
    header = pydicom.dcmread(tmp_path / "1.dcm")
    start = np.array(header.ImagePositionPatient, float)
    expected = start + 3 * 0.6 * row + 2 * 0.8 * column
    found = nibabel.affines.apply_affine(volume.affine, [3, 2, 1])
    np.testing.assert_allclose(found, expected * [-1, -1, 1], atol=1e-6)
