"""What one image may take: pixels, memory, time. Headers claim sizes that nothing has to back."""

from dataclasses import dataclass

from radcbir.images.raster import UnreadableImage

BLANK_PIXELS = 32_000_000
"""An image of so many pixels is decoded however short its file is: it may be blank."""

PIXELS_PER_BYTE = 1500
"""No format stores a larger image in fewer bytes, not even a blank one: deflate reaches 1,032."""


@dataclass(frozen=True)
class Limits:
    """The limits of one image. What is beyond them is refused before memory is taken for it."""

    pixels: int = 200_000_000
    memory: int = 3 * 2**30
    """Bytes that decoding an image may take."""
    unpacked: int = 2**29
    """Bytes that a deflated DICOM file may unpack to."""
    volume: int = 2 * 2**30
    """Bytes of one volume that has to be unpacked into memory."""
    pages: int = 100_000
    """Pages of a TIFF file."""
    parts: int = 1_000_000
    """Images of one file: frames, or slices of all volumes in one plane."""
    extensions: int = 16 * 2**20
    """Bytes between the header and the voxels of a NIfTI file."""
    seconds: float = 60.0
    """For what is decoded in a process of its own (:mod:`radcbir.images.apart`)."""
    at_once: int = 64 * 2**20
    """Files of up to so many bytes are read in one go: on a network each small read waits."""


LIMITS = Limits()
"""The limits where none are given."""


def check_size(rows: int, columns: int, limits: Limits, bytes_per_pixel: float = 8) -> None:
    """Raise :class:`UnreadableImage` for an image of too many pixels, or of none.

    ``bytes_per_pixel`` is what decoding takes.
    """
    if rows * columns > limits.pixels:
        raise UnreadableImage(f"too large: {columns} x {rows} pixels")
    if rows * columns * bytes_per_pixel > limits.memory:
        raise UnreadableImage(f"too large for its memory: {columns} x {rows} pixels")
    if rows < 1 or columns < 1:
        raise UnreadableImage(f"no pixels: {columns} x {rows}")


def check_claim(rows: int, columns: int, size: int) -> None:
    """Raise :class:`UnreadableImage` where ``size`` bytes cannot hold the pixels of a header."""
    if rows * columns > max(BLANK_PIXELS, PIXELS_PER_BYTE * size):
        raise UnreadableImage(f"too large: it claims {columns} x {rows} pixels in {size} bytes")
