"""Addresses of images: a file, and for a file that holds several images, which of them.

``scan.dcm#frame=3`` is the fourth frame of a file (DICOM, TIFF, GIF), ``head.nii.gz#axial=45`` the
slice 45 of a volume, ``bold.nii.gz#axial=20&volume=7`` the same of the eighth volume of a series.
All numbers count from 0. A file name may hold a ``#``: only a fragment of this form is taken off.
"""

import re

PLANES = ("sagittal", "coronal", "axial")
"""The planes of a volume, in the order of its axes once these run to the right, to the front and
up."""

_FRAGMENT = re.compile(
    r"#((?:frame|sagittal|coronal|axial|volume)=\d{1,9}(?:&(?:volume)=\d{1,9})?)$"
)


def split_address(address: str) -> tuple[str, dict[str, int]]:
    """The file of an address and its selectors: ``a.nii#axial=4`` is ``("a.nii", {"axial":
    4})``.
    """
    found = _FRAGMENT.search(address)
    if not found:
        return address, {}
    pairs = (each.split("=") for each in found[1].split("&"))
    return address[: found.start()], {name: int(number) for name, number in pairs}


def join_address(file: str, selectors: dict[str, int]) -> str:
    """The address of one image of a file; the inverse of :func:`split_address`, in the one spelling
    of each number.
    """
    fragment = "&".join(f"{name}={number}" for name, number in selectors.items())
    return f"{file}#{fragment}" if fragment else file
