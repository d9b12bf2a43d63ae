"""DICOM: what its files look like. pydicom takes a while to load, so it is imported when a file is
read (:mod:`radcbir.images.dicom`).
"""

import re
from collections.abc import Mapping

from radcbir.images.limits import Limits
from radcbir.images.raster import Raster
from radcbir.images.source import Reader, Source

VERSION = 1
"""Raise it when pixels change."""

DIRECTORY = b"\2\0\2\0UI\x14\0" + b"1.2.840.10008.1.3.10"
"""The element with the SOP class of DICOMDIR, the index of a medium: DICOM without an image."""

_FIRST = re.compile(
    rb"""
      (?: [\2\10] \0 .\0 (?: UI | UL | CS | SH | DA | TM | LO | PN | IS | ST ) )
    | (?: [\2\10] \0 [\0\1\5\10\x12\x13\x14\x16\x18] \0 [\2-\x80] \0 \0 \0 )
    """,
    re.VERBOSE | re.DOTALL,
)
"""The first element of a file without preamble, with and without value representation."""


def read(source: Source, selectors: Mapping[str, int], limits: Limits) -> Raster:
    """See :func:`radcbir.images.dicom.pixels.read`."""
    from radcbir.images.dicom import pixels

    return pixels.read(source, selectors, limits)


def _parts(source: Source, limits: Limits) -> dict[str, int]:
    from radcbir.images.dicom import pixels

    return pixels.parts(source, limits)


def _sniff(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return DIRECTORY not in head[:1024]
    return _FIRST.match(head) is not None


READER = Reader(
    name="dicom",
    version=VERSION,
    suffixes=(".dcm", ".dicom", ".ima"),
    sniff=_sniff,
    read=read,
    parts=_parts,
)
