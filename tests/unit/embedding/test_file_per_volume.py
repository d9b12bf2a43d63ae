"""Vectors of volumes that exist already, a file per volume, in the form of the 3D CT challenge."""

import h5py
import numpy as np
import pytest

from radcbir.core.errors import InputError
from radcbir.embedding.sources import open_source
from radcbir.embedding.volumes.files import NO_FILE


def write(path, data, name="y_hat"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=data)


def read(folder, *paths, dimension=None):
    return open_source(folder, None, dimension).read(np.arange(len(paths)), list(paths))


def test_a_slice_has_the_vector_of_its_volume_by_path_name_or_folder(tmp_path):
    write(tmp_path / "liver_0.h5", np.float32([1, 2]))
    write(tmp_path / "sub/liver_1.h5", np.float16([[3, 4]]))
    write(tmp_path / "p1/ct.h5", np.float64([5, 6]))
    write(tmp_path / "p2/ct.h5", np.float32([7, 8]))
    write(tmp_path / "case9.h5", np.float32([9, 10]))
    paths = ["imagesTr/liver_0.nii.gz#axial=3", "imagesTr/liver_0.nii.gz#axial=4", "liver_1.nii#coronal=0",
             "p2/ct.nii.gz#axial=1", "p1/ct.nii.gz#axial=1", "archive/case9/001.dcm", "archive/case9/v1.2.dcm"]  # fmt: skip
    vectors, reasons = read(tmp_path, *paths)
    assert reasons == [""] * 7
    assert vectors.tolist() == [[1, 2], [1, 2], [3, 4], [7, 8], [5, 6], [9, 10], [9, 10]]


def test_a_name_that_two_files_have_is_no_name(tmp_path):
    write(tmp_path / "p1/ct.h5", np.float32([5, 6]))
    write(tmp_path / "p2/ct.h5", np.float32([7, 8]))
    _, reasons = read(tmp_path, "p3/ct.nii.gz#axial=1", "lung.nii.gz#axial=1", "p1/ct.nii#axial=1")
    assert reasons == [NO_FILE, NO_FILE, ""]


def test_a_file_without_the_vector_is_rejected_and_one_of_another_length_is_an_error(tmp_path):
    write(tmp_path / "a.h5", np.float32([5, 6]))
    write(tmp_path / "b.h5", np.float32([5, 6]), name="labels")
    assert read(tmp_path, "a.nii", "b.nii")[1] == ["", "no embedding in the file"]
    write(tmp_path / "b.h5", np.float32([5, 6, 7]))
    with pytest.raises(InputError, match="b.h5 has the shape \\(3,\\), that of a.h5 has 2 numbers"):
        read(tmp_path, "b.nii")
    write(tmp_path / "b.h5", np.ones((4, 2), np.float32))
    with pytest.raises(InputError, match="which is 4 vectors of 2 numbers"):
        read(tmp_path, "b.nii")
    with pytest.raises(InputError, match="the model card says `dimension: 3`"):
        read(tmp_path, "a.nii", dimension=3)


def test_what_is_no_folder_of_volumes_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="has no file that ends with .h5: correct `path:`"):
        open_source(tmp_path, None, None)
    write(tmp_path / "a.h5", np.float32([5, 6]), name="labels")
    with pytest.raises(InputError, match="a.h5 has no dataset 'y_hat', the vector of a volume"):
        open_source(tmp_path, None, None)
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="a.h5 cannot be read as HDF5"):
        open_source(tmp_path, None, None)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["y_hat"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(InputError, match="as a link to another file"):
        open_source(tmp_path, None, None)
