"""Pixels in DICOM's RLE (PS3.5, Annex G) -> native ones.

Pillow unpacks the runs, into a frame of known size. pydicom unfolds whatever runs claim, and takes
seconds for a large frame.
"""

import struct

import numpy as np
from PIL import Image

from radcbir.images.raster import UnreadableImage

HEADER = 64
"""Bytes in front of the segments: how many there are, and where up to 15 of them begin."""


def native(code: bytes, pixels: int, samples: int, allocated: int) -> bytes:
    """A frame of so many pixels as the bytes of Explicit VR Little Endian, samples pixel by pixel.

    There is a segment for each byte of each sample, the highest byte first. Raises
    :class:`UnreadableImage`: truncated, segments that do not fit.
    """
    size = allocated // 8
    if allocated % 8 or not size or len(code) < HEADER:
        raise UnreadableImage("truncated" if len(code) < HEADER else f"RLE of {allocated} bit")
    count, *places = struct.unpack(f"<{HEADER // 4}I", code[:HEADER])
    if count != size * samples or count >= HEADER // 4:
        raise UnreadableImage(f"broken: {count} segments of RLE for {samples} samples")
    ends = [*places[1:count], len(code)]
    if places[0] < HEADER or any(b <= a for a, b in zip(places, ends, strict=False)):
        raise UnreadableImage("broken: segments of RLE that do not follow one another")
    found = np.empty((pixels, samples, size), dtype=np.uint8)
    for number, (start, end) in enumerate(zip(places, ends, strict=False)):
        try:
            segment = Image.frombytes("L", (pixels, 1), code[start:end], "packbits", "L")
        except ValueError:
            raise UnreadableImage("truncated") from None
        found[:, number // size, size - 1 - number % size] = np.asarray(segment)[0]
    return found.tobytes()
