"""NIfTI volumes: which voxel lands where, squares, shared ranges, and damaged files."""

import gzip
import tracemalloc

import nibabel
import numpy as np
import pytest

from radcbir.images import raster, reader
from radcbir.images.formats import nifti

MINMAX = {"policy": "minmax", "low": 0.5, "high": 99.5}
VALUES = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 2)
"""Right 4, front 3, up 2: the voxel (i, j, k) has the value 6 i + 2 j + k."""


def saved(path, values=VALUES, affine=None, header=None):
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine, header), path)
    return path


def shown(address):
    """The voxel values behind the gray values of a volume of 24 values."""
    return np.rint(np.asarray(reader.read(address, MINMAX)) / 255 * 23).astype(int).tolist()


@pytest.mark.parametrize("name", ["head.nii", "head.nii.gz"])
def test_planes_are_seen_as_radiologists_see_them(tmp_path, name):
    path = saved(tmp_path / name)
    # Axial: the front on top, the patient's right (large i) on the left.
    assert shown(f"{path}#axial=1") == [[23, 17, 11, 5], [21, 15, 9, 3], [19, 13, 7, 1]]
    # Coronal: up on top, the patient's right on the left.
    assert shown(f"{path}#coronal=0") == [[19, 13, 7, 1], [18, 12, 6, 0]]
    # Sagittal: up on top, the front on the left.
    assert shown(f"{path}#sagittal=3") == [[23, 21, 19], [22, 20, 18]]


def test_the_axes_of_the_body_count_and_not_those_of_the_file(tmp_path):
    flipped = saved(tmp_path / "flipped.nii", VALUES[::-1].transpose(2, 0, 1), np.array([[0, -1, 0, 3], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]))  # fmt: skip
    straight = saved(tmp_path / "straight.nii")
    assert (
        reader.parts(flipped)
        == reader.parts(straight)
        == {"sagittal": 4, "coronal": 3, "axial": 2, "volume": 1}
    )
    assert shown(f"{flipped}#axial=1") == shown(f"{straight}#axial=1")


def test_slices_share_the_range_of_their_volume(tmp_path):
    path = saved(tmp_path / "head.nii.gz")
    both = [np.asarray(reader.read(f"{path}#axial={number}", MINMAX)) for number in (0, 1)]
    assert (both[0].min(), both[1].max()) == (0, 255)
    assert both[0].max() < 255 and both[1].min() > 0


def test_pixels_become_square(tmp_path):
    path = saved(
        tmp_path / "thick.nii", np.zeros((20, 10, 6), dtype=np.int16), np.diag([1, 1, 3, 1])
    )
    assert reader.read(f"{path}#axial=0").size == (20, 10)
    assert reader.read(f"{path}#coronal=0").size == (20, 18)
    assert reader.read(f"{path}#sagittal=0").size == (10, 18)


def test_scaling_of_the_header_is_applied_before_the_window(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_slope_inter(2, -1024)
    image = nibabel.Nifti1Image(np.array([[[0], [532]]], dtype=np.int16), np.eye(4), header)
    image.header.set_slope_inter(2, -1024)
    content = image.to_bytes()
    (tmp_path / "ct.nii").write_bytes(content)
    stored = np.asanyarray(nibabel.load(tmp_path / "ct.nii").dataobj).ravel()
    found = np.asarray(reader.read(f"{tmp_path / 'ct.nii'}#axial=0", {"policy": "window", "low": 0, "high": 100, "window": [40, 400]}))  # fmt: skip
    expected = np.clip((stored + 160) * 255 / 400, 0, 255).round()
    assert found.ravel()[::-1].tolist() == expected.tolist()


def test_a_series_needs_its_volume_named(tmp_path):
    values = np.stack([VALUES, 23 - VALUES], axis=-1)
    path = saved(tmp_path / "bold.nii.gz", values)
    assert reader.parts(path)["volume"] == 2
    with pytest.raises(raster.UnreadableImage, match="2 volumes: name one"):
        reader.read(f"{path}#axial=0")
    one, other = (
        np.asarray(reader.read(f"{path}#axial=0&volume={number}", MINMAX)).astype(int)
        for number in (0, 1)
    )
    assert (one + other == 255).all()


def test_voxels_that_are_not_finite_are_black(tmp_path):
    values = VALUES.astype(np.float32) + 5
    values[0, 0, 0] = np.nan
    found = np.asarray(reader.read(f"{saved(tmp_path / 'map.nii', values)}#axial=0", MINMAX))
    assert found[2, 3] == 0 and found[0, 0] > 200


def test_a_file_is_unpacked_once_for_all_its_slices(tmp_path, monkeypatch):
    path = saved(tmp_path / "head.nii.gz", np.zeros((30, 30, 30), dtype=np.int16))
    made = []
    original = nifti.Volume.__init__
    monkeypatch.setattr(
        nifti.Volume,
        "__init__",
        lambda self, *given: (made.append(given), original(self, *given))[1],
    )
    for number in range(30):
        reader.read(f"{path}#axial={number}")
    assert len(made) == 1


@pytest.mark.parametrize("plane", ["sagittal", "coronal", "axial"])
def test_a_slice_is_read_without_a_copy_of_its_volume(tmp_path, plane):
    values = np.arange(64 * 64 * 64, dtype=np.float32).reshape(64, 64, 64)
    path = saved(tmp_path / "a.nii.gz", values)
    reader.read_raster(f"{path}#{plane}=1")
    tracemalloc.start()
    reader.read_raster(f"{path}#{plane}=2")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < values.nbytes / 4


def claim(path, shape):
    """Change the size that the header claims."""
    content = bytearray(path.read_bytes())
    for place, size in enumerate(shape):
        content[42 + 2 * place : 44 + 2 * place] = size.to_bytes(2, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "address", "reason"),
    [
        (lambda path: None, "", "a volume: name a slice, such as #axial=1"),
        (lambda path: None, "#frame=0", "a volume: name a slice"),
        (lambda path: None, "#axial=2", "no axial 2: the last of 2 is 1"),
        (lambda path: path.write_bytes(path.read_bytes()[:380]), "#axial=0", "truncated"),
        (lambda path: path.write_bytes(b""), "#axial=0", "zero bytes"),
        (lambda path: path.write_text("<html>"), "#axial=0", "broken: not a valid NIfTI volume"),
        (
            lambda path: claim(path, (30000, 30000, 30000)),
            "#axial=0",
            "too large: a volume of 30000 x 30000 x 30000",
        ),
        (lambda path: path.unlink(), "#axial=0", "missing"),
    ],
)
def test_what_cannot_be_used_has_a_reason(tmp_path, change, address, reason):
    path = saved(tmp_path / "head.nii")
    change(path)
    with pytest.raises(raster.UnreadableImage, match=reason):
        reader.read(f"{path}{address}")


def test_half_a_packed_file_is_truncated(tmp_path):
    path = saved(
        tmp_path / "head.nii.gz",
        np.random.default_rng(0).integers(0, 999, (20, 20, 20), dtype=np.int16),
    )
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(raster.UnreadableImage, match="truncated|broken"):
        reader.read(f"{path}#axial=19")
    path.write_bytes(gzip.compress(b"no volume"))
    with pytest.raises(raster.UnreadableImage, match="broken: not a valid NIfTI volume"):
        reader.parts(path)


def test_color_voxels_stay_as_they_are(tmp_path):
    values = np.zeros((2, 3, 1), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    values[1, 2, 0] = (200, 100, 50)
    image = reader.read(f"{saved(tmp_path / 'map.nii', values)}#axial=0")
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (2, 3), (200, 100, 50))


def test_a_volume_of_nothing_has_a_reason(tmp_path):
    path = saved(tmp_path / "map.nii", np.full((2, 2, 2), np.nan, dtype=np.float32))
    with pytest.raises(raster.UnreadableImage, match="nothing but padding"):
        reader.read(f"{path}#axial=0")
