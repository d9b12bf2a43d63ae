"""Addresses of frames and slices, and file names that look like them."""

import pytest

from radcbir.images.address import join_address, split_address


@pytest.mark.parametrize(
    ("address", "file", "selectors"),
    [
        ("p1/scan.dcm", "p1/scan.dcm", {}),
        ("p1/scan.dcm#frame=3", "p1/scan.dcm", {"frame": 3}),
        ("head.nii.gz#axial=45", "head.nii.gz", {"axial": 45}),
        ("bold.nii.gz#coronal=2&volume=7", "bold.nii.gz", {"coronal": 2, "volume": 7}),
        ("scan#2.png", "scan#2.png", {}),
        ("scan#2.tif#frame=0", "scan#2.tif", {"frame": 0}),
        ("scan.dcm#frame=-1", "scan.dcm#frame=-1", {}),
        ("scan.dcm#frame=", "scan.dcm#frame=", {}),
        ("a#frame=1/b.png", "a#frame=1/b.png", {}),
    ],
)
def test_a_fragment_is_taken_off_and_put_back(address, file, selectors):
    assert split_address(address) == (file, selectors)
    assert join_address(file, selectors) == address


def test_numbers_have_one_spelling():
    assert join_address(*split_address("scan.dcm#frame=007")) == "scan.dcm#frame=7"
