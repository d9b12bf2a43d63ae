"""Volumes and files of several frames as queries."""

import nibabel
import numpy as np
from PIL import Image

from radcbir.query.cut import cut_queries
from radcbir.query.image_list import find_queries

EVERY = {"planes": ["axial"], "step": 1, "trim": 0}


def test_files_are_cut_as_prepare_cuts_them(tmp_path, monkeypatch):
    """A volume of 4 axial slices, a TIFF of 3 frames, a plain image, one slice by name."""
    monkeypatch.chdir(tmp_path)
    volume = np.random.default_rng(0).integers(0, 200, (6, 5, 4)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), "head.nii.gz")
    frames = [Image.fromarray(np.full((8, 8), each, np.uint8)) for each in (1, 2, 3)]
    frames[0].save("cine.tif", save_all=True, append_images=frames[1:])
    frames[0].save("plain.png")
    (tmp_path / "broken.nii.gz").write_bytes(b"no volume")
    given = ["head.nii.gz", "cine.tif", "plain.png", "broken.nii.gz", "head.nii.gz#axial=2"]
    found = cut_queries(find_queries(given), EVERY)
    assert [each.name for each in found] == [
        *(f"head.nii.gz#axial={number}" for number in range(4)),
        *(f"cine.tif#frame={number}" for number in range(3)),
        "plain.png",
        "broken.nii.gz",
    ]
    assert [each.path for each in found] == [f"{tmp_path}/{each.name}" for each in found]
    some = cut_queries(find_queries(given[:2]), EVERY | {"step": 2, "planes": ["sagittal"]})
    assert [each.name for each in some] == [*(f"head.nii.gz#sagittal={n}" for n in (0, 2, 4)), "cine.tif#frame=0", "cine.tif#frame=2"]  # fmt: skip
