"""Golden pixels of each image reader, of square pixels and of the intensity policies, and the
versions that belong to them.

Images are embedded again where a version is raised. A digest that changes without its version would
leave embeddings that no longer fit the pixels.
"""

import hashlib
import shutil

import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
from golden import images
from PIL import Image

from radcbir.images import reader

RECORDED = {
    "dicom": (1, "781e7f49e53a2065"),
    "nifti": (1, "f86ef3e7924aa59d"),
    "pillow": (1, "ed371595141548f9"),
    "tiff": (2, "4db8b0f5f190c75d"),
    "geometry": (1, "a4de81a50a89ff97"),
    "intensity": (1, "472a3aacf77d3265"),
}


def of_dicom(folder):
    for name in (
        "CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "image_dfl.dcm", "OBXXXX1A.dcm",
        "SC_rgb_small_odd.dcm", "ExplVR_BigEnd.dcm", "examples_ybr_color.dcm",
    ):  # fmt: skip
        path = pydicom.data.get_testdata_file(name)
        yield f"{path}#frame=0" if reader.parts(path) else path, {}


def of_nifti(folder):
    values = (np.arange(12 * 9 * 7).reshape(12, 9, 7) * 37 % 1000).astype(np.int16)
    path = folder / "a.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1, 2, 3, 1])), path)
    for plane in ("sagittal", "coronal", "axial"):
        yield f"{path}#{plane}=3", {}


def of_pillow(folder):
    for number, image in enumerate(images()):
        for name in ("png", "bmp", "gif"):
            image.save(folder / f"{number}.{name}")
            yield folder / f"{number}.{name}", {}
    deep = Image.fromarray((np.arange(48 * 40).reshape(48, 40) * 31).astype(np.uint16))
    deep.save(folder / "deep.png")
    yield folder / "deep.png", {}


def of_tiff(folder):
    for number, image in enumerate(images()):
        for kind in (None, "tiff_lzw", "tiff_adobe_deflate"):
            path = folder / f"{number}{kind}.tif"
            image.save(path, compression=kind)
            yield path, {}


def of_geometry(folder):
    header = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
    for spacing in ([1, 2], [2, 1], [1, 1.5]):
        header.PixelSpacing = spacing
        path = folder / f"{spacing[0]} {spacing[1]}.dcm"
        header.save_as(path)
        yield path, {}


def of_intensity(folder):
    path = folder / "a.dcm"
    shutil.copy(pydicom.data.get_testdata_file("CT_small.dcm"), path)
    usual = {"low": 0.5, "high": 99.5}
    for policy in ("window", "percentile", "minmax", "dtype"):
        yield path, usual | {"policy": policy}
    yield path, usual | {"policy": "window", "window": [40, 400]}


@pytest.mark.parametrize("name", RECORDED)
def test_pixels_change_together_with_a_version_only(tmp_path, name):
    seen = hashlib.sha256()
    for address, intensity in globals()[f"of_{name}"](tmp_path):
        image = reader.read(address, intensity) if intensity else reader.read(address)
        seen.update(f"{image.mode} {image.size}".encode() + image.tobytes())
    found = reader.versions()[name], seen.hexdigest()[:16]
    assert found == RECORDED[name], (
        f"the pixels of `{name}` or its version changed: where pixels changed on purpose, raise "
        f"VERSION there, and record {found}"
    )


def test_everything_that_has_a_version_has_golden_pixels():
    assert set(RECORDED) == set(reader.versions())
