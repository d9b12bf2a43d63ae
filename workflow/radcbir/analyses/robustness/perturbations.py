"""Twelve changes of an image, the same on every machine.

All are defined on 8 bit, gray or RGB, but for ``window``, which begins with all bits of the file. What
is drawn at random (a direction, a place, the noise) follows from the image's id and the name of the
change. It is the same for all severities, and depends neither on the order of the images nor on the
other images. RGB images are changed as gray ones are: all channels alike. Amounts and units are those
of :mod:`radcbir.analyses.robustness.kinds`.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from radcbir.analyses.robustness.kinds import PERTURBATIONS
from radcbir.images.intensity import before_8_bit, to_8_bit
from radcbir.images.raster import Raster, Window

SIDE = 224
"""An image's shorter side in units."""

MARGIN = 0.02
"""How far burned-in text is from the image's border, as a share of the shorter side."""

TEXT_HEIGHT = 0.06
"""The height of a line of burned-in text, as a share of the shorter side."""


def perturbed(
    raster: Raster, intensity: Mapping, name: str, severity: int, image: int
) -> Image.Image:
    """A raster in 8 bit (mode L or RGB) with one of :data:`PERTURBATIONS` at a severity from 1 to 5.

    ``intensity`` is the dataset's policy, ``image`` the image's id. Raises
    :class:`~radcbir.images.raster.UnreadableImage` as :func:`~radcbir.images.intensity.to_8_bit`.
    """
    amount, random = PERTURBATIONS[name].amounts[severity - 1], generator(image, name)
    if name == "window":
        return _window(raster, intensity, amount, random)
    return CHANGES[name](to_8_bit(raster, intensity), amount, random)


def generator(image: int, name: str) -> np.random.Generator:
    """The random numbers of an image and a kind of change."""
    seed = int.from_bytes(sha256(f"{image} {name}".encode()).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(seed))


def unit(image: Image.Image) -> float:
    """1/224 of the shorter side, in pixels."""
    return min(image.size) / SIDE


def _noise(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    """Gaussian noise in grains of one unit, at least one pixel."""
    grain = max(1.0, unit(image))
    width, height = (max(1, round(each / grain)) for each in image.size)
    field = Image.fromarray(random.standard_normal((height, width)).astype(np.float32))
    values = np.asarray(field.resize(image.size, Image.Resampling.NEAREST), dtype=np.float64)
    return _of_values(_values(image) + 255 * amount * _for_channels(image, values))


def _blur(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(amount * unit(image)))


def _jpeg(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(amount))
    with Image.open(buffer) as found:
        return found.convert(image.mode)


def _gamma(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    exponent = amount if random.random() < 0.5 else 1 / amount
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(int).tolist()
    return image.point(table * len(image.getbands()))


def _window(
    raster: Raster, intensity: Mapping, amount: float, random: np.random.Generator
) -> Image.Image:
    """The window of values moves by half the amount of its width, and becomes wider or narrower by the
    factor 1 + amount. What the old window cut off may be seen.
    """
    toward, wider = random.random(2) < 0.5
    values, (low, high) = before_8_bit(raster, intensity)
    center = (low + high) / 2 + (0.5 if toward else -0.5) * amount * (high - low)
    width = (high - low) * (1 + amount if wider else 1 / (1 + amount))
    moved = Window(center, width, "LINEAR_EXACT")
    return to_8_bit(replace(raster, values=values, window=moved, lookup=None), {"policy": "window"})


def _rotation(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    angle = amount if random.random() < 0.5 else -amount
    return image.rotate(angle, Image.Resampling.BILINEAR)


def _shift(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    signs = np.where(random.random(2) < 0.5, 1, -1)
    across, down = (
        int(sign) * round(amount * side) for sign, side in zip(signs, image.size, strict=True)
    )
    shifted = Image.new(image.mode, image.size)
    shifted.paste(image, (across, down))
    return shifted


def _crop(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    width, height = (max(1, round(amount * each)) for each in image.size)
    places = random.random(2)
    left, top = (
        round(place * (whole - part))
        for place, whole, part in zip(places, image.size, (width, height), strict=True)
    )
    return image.crop((left, top, left + width, top + height))


def _downsampling(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    scale = amount * min(1.0, SIDE / min(image.size))
    width, height = (max(1, round(scale * each)) for each in image.size)
    small = image.resize((width, height), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BILINEAR)


def _bias_field(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    """Brightness times a smooth field, whose logarithm has the mean 0."""
    x, y = (np.linspace(-1, 1, each) for each in image.size)
    powers = [(i, j) for i in range(4) for j in range(4) if 0 < i + j <= 3]
    factors = dict(zip(powers, random.uniform(-1, 1, len(powers)), strict=True))
    field = np.zeros((image.height, image.width))
    for j in range(4):
        across = sum(factor * x**i for (i, power), factor in factors.items() if power == j)
        field += np.multiply.outer(y**j, across)
    field -= field.mean()
    strongest = np.abs(field).max()
    if strongest > 0:
        field *= math.log(amount) / strongest
    return _of_values(_values(image) * _for_channels(image, np.exp(field)))


def _inversion(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    return ImageOps.solarize(image, round(255 * amount))


def _text(image: Image.Image, amount: float, random: np.random.Generator) -> Image.Image:
    """White lines of made-up numbers in one of the corners, in a bitmap font."""
    lines = [" ".join(f"{each:04d}" for each in random.integers(0, 10_000, 3)) for _ in range(8)]
    right, below = random.random(2) < 0.5
    font, lines = ImageFont.load_default_imagefont(), lines[: int(amount)]
    width, height = (int(each) for each in font.getbbox(lines[0])[2:])
    drawn = Image.new("1", (width, height * len(lines)))
    for number, line in enumerate(lines):
        ImageDraw.Draw(drawn).text((0, number * height), line, fill=1, font=font)
    side = min(image.size)
    line_height = max(1, round(TEXT_HEIGHT * side))
    size = max(1, round(width * line_height / height)), line_height * len(lines)
    mask, margin = drawn.resize(size, Image.Resampling.NEAREST), round(MARGIN * side)
    left = image.width - margin - size[0] if right else margin
    top = image.height - margin - size[1] if below else margin
    marked = image.copy()
    marked.paste("white" if image.mode == "RGB" else 255, (left, top), mask)
    return marked


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float64)


def _for_channels(image: Image.Image, field: np.ndarray) -> np.ndarray:
    return field if image.mode == "L" else field[..., None]


def _of_values(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))


CHANGES: dict[str, Callable[[Image.Image, float, np.random.Generator], Image.Image]] = {
    "noise": _noise,
    "blur": _blur,
    "jpeg": _jpeg,
    "gamma": _gamma,
    "rotation": _rotation,
    "shift": _shift,
    "crop": _crop,
    "downsampling": _downsampling,
    "bias_field": _bias_field,
    "inversion": _inversion,
    "text": _text,
}
"""What each kind does with an image of 8 bit; ``window`` begins with all bits of the file."""
