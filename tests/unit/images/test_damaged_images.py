"""Damaged copies of images of many formats: an image, or a reason; never more time or memory than
a limit.
"""

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom.data
import pytest
from mutants import outcomes, written
from PIL import Image

READ = """
from radcbir.core.errors import InputError
from radcbir.images import reader
from radcbir.images.raster import UnreadableImage

def read(path):
    try:
        for number in range(min(2, max(1, reader.parts(path).get("frame", 1)))):
            reader.read(path + "#frame=0" * ("#" not in path and number > 0))
    except UnreadableImage as error:
        raise InputError(f"{path}: {error}") from None
"""
READ_VOLUME = READ.replace('"#frame=0" * ("#" not in path and number > 0)', '"#axial=1"')

DICOM = {
    "uncompressed": "CT_small.dcm",
    "deflated": "image_dfl.dcm",
    "run lengths": "MR_small_RLE.dcm",
    "JPEG 2000": "MR_small_jp2klossless.dcm",
    "JPEG-LS": "MR_small_jpeg_ls_lossless.dcm",
    "JPEG lossless": "SC_rgb_jpeg_gdcm.dcm",
    "several frames": "emri_small_RLE.dcm",
    "palette": "OBXXXX1A.dcm",
}


def fine(found, least):
    """Whether each file was read or refused, and some of them refused."""
    odd = {each: count for each, count in found.items() if each not in ("read", "refused")}
    return not odd and found["refused"] >= least, found


@pytest.mark.parametrize("kind", DICOM)
def test_damaged_dicom_is_read_or_refused(tmp_path, kind):
    whole = tmp_path / "whole.dcm"
    shutil.copy(pydicom.data.get_testdata_file(DICOM[kind]), whole)
    passed, found = fine(outcomes(READ, written(tmp_path / "m", whole, 40), memory=4 << 30), 1)
    assert passed, found


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".webp", ".bmp", ".avif", ".jp2", ".ico"])  # fmt: skip
def test_damaged_pictures_are_read_or_refused(tmp_path, suffix):
    random = np.random.default_rng(1)
    whole = tmp_path / f"whole{suffix}"
    Image.fromarray(random.integers(0, 255, (48, 48, 3), dtype=np.uint8)).save(whole)
    passed, found = fine(outcomes(READ, written(tmp_path / "m", whole, 40), memory=4 << 30), 1)
    assert passed, found


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_damaged_volumes_are_read_or_refused(tmp_path, suffix):
    values = np.random.default_rng(2).integers(-9, 999, (12, 10, 8)).astype(np.int16)
    whole = tmp_path / f"whole{suffix}"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 2, 3, 1])), whole)
    paths = [
        path.rename(f"{str(path).removesuffix('.gz')}{'.nii.gz' if suffix == '.nii.gz' else ''}")
        for path in written(tmp_path / "m", whole, 60)
    ]
    passed, found = fine(outcomes(READ_VOLUME, [Path(each) for each in paths], memory=4 << 30), 5)
    assert passed, found
