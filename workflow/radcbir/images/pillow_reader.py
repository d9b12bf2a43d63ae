"""PNG, JPEG, TIFF and the other formats that Pillow decodes -> rasters."""

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from radcbir.images.raster import Raster, UnreadableImage, check_size, integer_range

AT_ONCE = 64 * 2**20
"""Files of up to so many bytes are read in one go: over a network each small read is a round
trip."""

PHOTOMETRIC, BITS, SAMPLE_FORMAT = 262, 258, 339
"""Tags of TIFF."""


def read_with_pillow(stream: BinaryIO, selectors: Mapping[str, int]) -> Raster:
    """Read one frame of an image with Pillow. Raises :class:`UnreadableImage`."""
    with Image.open(stream) as image:
        if set(selectors) - {"frame"}:
            raise UnreadableImage("not a volume: it has frames, not planes")
        last = getattr(image, "n_frames", 1) - 1 if "frame" in selectors else 0
        if selectors.get("frame", 0) > last:
            raise UnreadableImage(f"no frame {selectors['frame']}: the last is #frame={last}")
        if selectors.get("frame"):
            image.seek(selectors["frame"])
        check_size(image.height, image.width)
        raw = next(
            (str(part) for tile in image.tile for part in _arguments(tile) if ";16" in str(part)),
            "",
        )
        tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
        image.load()
        upright = ImageOps.exif_transpose(image)
    mode = upright.mode
    if mode in ("I", "F") or mode.startswith("I;"):
        values = np.asarray(upright)
        bits = 0 if mode == "F" else int(tags.get(BITS, (16 if mode.startswith("I;") else 32,))[0])
        signed = mode == "I" and int(tags.get(SAMPLE_FORMAT, (2,))[0]) == 2
        kind = "float32" if mode == "F" else f"{'int' if signed else 'uint'}{bits}"
        full = integer_range(bits, signed) if bits else None
        return Raster(
            values,
            max(bits, 9) if bits else 0,
            kind,
            full,
            inverted=bool(tags) and tags.get(PHOTOMETRIC) == 0,
        )
    values = np.asarray(_without_alpha(upright))
    if raw and not mode.startswith("I"):
        raise UnreadableImage("color of 16 bit per channel: save it with 8 bit, or as DICOM")
    return Raster(values, 8, f"uint8{' RGB' if values.ndim == 3 else ''}", (0.0, 255.0))


def _arguments(tile: tuple) -> tuple:
    return tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def _without_alpha(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
