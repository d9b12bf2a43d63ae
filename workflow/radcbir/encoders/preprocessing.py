"""Images resized and cropped as a card's ``preprocessing`` says, with Pillow, whatever a model's
library would do.

A library that changes its resampler changes the embeddings of the same model. These functions do
not change, and the tests compare them with each model's own published processor. The
exception is ``antialias: false``, for models that were trained on images resized without smoothing,
which Pillow does not do.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from radcbir.cards.versions import channels_of, size_of
from radcbir.images.raster import UnreadableImage

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def preprocessed(image: Image.Image, preprocessing: Mapping) -> np.ndarray:
    """Image -> the pixels of a card's network before they are normalised: :func:`to_bytes`,
    :func:`to_values` with ``antialias: false``, or :func:`to_measured`.
    """
    if isinstance(preprocessing.get("range"), Mapping):
        return to_measured(image, preprocessing)
    return (to_bytes if preprocessing.get("antialias", True) else to_values)(image, preprocessing)


def resized_and_cropped(image: Image.Image, preprocessing: Mapping) -> Image.Image:
    """The image as a card's ``preprocessing`` wants it, as high and wide as ``size`` says, in the
    image's own mode.

    To the pixel what ``timm.data.create_transform`` makes, without its detours per image; gray
    images stay gray, at a third of the work. With ``resize: shortest`` the image covers the input,
    with ``pad`` it fits into it; of a square these are the image's shortest and longest side. With
    ``pad`` the border has the color of ``mean``, and the result is RGB. With ``resize: corner`` the
    image fits into the input as well, and has as many pixels as it then needs: what is left of the
    input is filled after normalisation. With ``resize: black_square`` the result is gray, the
    square as wide as ``canvas`` says. With ``crop_start: floor`` the crop starts as the image
    processors of transformers let it.
    """
    height, width = size_of(preprocessing)
    size, way = (width, height), preprocessing["resize"]
    filter_ = FILTERS[preprocessing["interpolation"]]
    if way == "corner":
        scale = min(full / each for full, each in zip(size, image.size, strict=True))
        return image.resize(_sides(image, lambda each: int(each * scale + 0.5)), filter_)
    if way == "black_square":
        image = _on_black_square(image, max(size), preprocessing.get("canvas"))
    width, height = scaled = tuple(math.floor(full / preprocessing["crop_pct"]) for full in size)
    if way not in ("squash", "black_square"):
        choose, whole = (max, int) if way == "shortest" else (min, round)
        # A side of the input and of the image, which become equally long.
        pairs = [(width, image.width), (height, image.height)]
        full, own = choose(pairs, key=lambda pair: pair[0] / pair[1])
        scaled = _sides(image, lambda each: whole(full * each / own))
    image = image.resize(scaled, filter_)
    start = (
        (lambda space: space // 2)
        if preprocessing.get("crop_start") == "floor"
        else (lambda space: round(space / 2))
    )
    left, top = (start(max(each, full) - full) for each, full in zip(scaled, size, strict=True))
    if scaled[0] < size[0] or scaled[1] < size[1]:
        canvas = Image.new(
            "RGB", (max(scaled[0], size[0]), max(scaled[1], size[1])), _color(preprocessing["mean"])
        )
        canvas.paste(
            image, tuple((full - each) // 2 for full, each in zip(canvas.size, scaled, strict=True))
        )
        image = canvas
    return image.crop((left, top, left + size[0], top + size[1]))


def _sides(image: Image.Image, scaled: Callable[[int], int]) -> tuple[int, int]:
    """Width and height of an image after ``scaled`` of each, at least one pixel."""
    width, height = (max(1, scaled(each)) for each in image.size)
    return width, height


def to_bytes(image: Image.Image, preprocessing: Mapping) -> np.ndarray:
    """Image -> resized and cropped bytes, shape (3, height, width), or (1, height, width) where it
    is gray.

    With ``range: stretched`` the image's own lowest and highest value become 0 and 255 before
    anything else, with ``range: equalized`` its gray levels are made equally frequent. Where
    ``mean`` has one channel, the network takes gray images alone, and colors become gray first.
    """
    if preprocessing.get("range") == "stretched":
        image = _stretched(image)
    elif preprocessing.get("range") == "equalized":
        image = _equalized(image)
    if channels_of(preprocessing) == 1 and image.mode != "L":
        image = image.convert("L")
    pixels = np.asarray(resized_and_cropped(image, preprocessing))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def to_values(image: Image.Image, preprocessing: Mapping) -> np.ndarray:
    """Image -> values from 0 to 255 between which nothing is rounded, float32, shapes as those of
    :func:`to_bytes`.

    For ``antialias: false``: each pixel of the result is interpolated between the nearest pixels of
    the image, however many are between two of them, as OpenCV and torchvision do with tensors;
    bicubic overshoots are not cut. Positions are computed in float64.
    """
    import torch  # not where images are only decoded

    size = size_of(preprocessing)
    if preprocessing["resize"] == "black_square":
        image = _on_black_square(image, max(size), preprocessing.get("canvas"))
    pixels = (
        torch.from_numpy(np.array(image, dtype=np.float64))
        .reshape(image.height, image.width, -1)
        .permute(2, 0, 1)
    )
    resized = torch.nn.functional.interpolate(
        pixels[None], size=size, mode=preprocessing["interpolation"], align_corners=False
    )
    return resized[0].float().numpy()


def to_measured(image: Image.Image, preprocessing: Mapping) -> np.ndarray:
    """Original values of mode F -> float32, shape (1, height, width), for a ``range`` that names
    Hounsfield units or percentiles of the image.

    Resized and cropped first, then clipped. The lower end becomes 0 and the upper one 255; where
    both are one value all is 0. Without an upper end the values keep their unit, from the lower end
    on. Raises :class:`UnreadableImage` for an image of 8 bit.
    """
    if image.mode != "F":
        raise UnreadableImage("8 bit, where the model takes the original values")
    ((unit, ends),) = preprocessing["range"].items()
    low, high = ends
    if unit == "percentiles":
        low, high = np.percentile(np.asarray(image), ends)
    values = np.asarray(resized_and_cropped(image, preprocessing))
    if high is None:
        return (np.maximum(values, low) - low).astype(np.float32)[None]
    scale = 255 / (high - low) if high > low else 0.0
    return ((np.clip(values, low, high) - low) * scale).astype(np.float32)[None]


def _stretched(image: Image.Image) -> Image.Image:
    """The image with its lowest value of all channels at 0 and its highest at 255, rounded down as
    BioViL has it.
    """
    pixels = np.asarray(image)
    low, high = int(pixels.min()), int(pixels.max())
    table = (np.arange(256) - low).clip(0, high - low) / max(1, high - low) * 255
    return Image.fromarray(table.astype(np.uint8)[pixels])


def _equalized(image: Image.Image) -> Image.Image:
    """The image in gray, each level replaced with 255 times the share of pixels at or below it, of
    those above the lowest level.

    Rounded as OpenCV's ``equalizeHist`` does, in float32 and a half to the even number. An image of
    one level stays as it is.
    """
    gray = image.convert("L")
    counts = np.array(gray.histogram())
    lowest = counts[counts.nonzero()[0][0]]
    if lowest == counts.sum():
        return gray
    scale = np.float32(255) / np.float32(counts.sum() - lowest)
    levels = np.rint((counts.cumsum() - lowest).clip(0).astype(np.float32) * scale)
    return gray.point(levels.astype(int).tolist())


def _on_black_square(image: Image.Image, size: int, canvas: int | None) -> Image.Image:
    """The whole image in the middle of a black square, gray.

    The square is ``canvas`` pixels wide and the image's longest side is made so, as CheXzero has
    it; without a canvas the image stays as large as it is, and the square is as wide, but at least
    ``size`` pixels, as MedCLIP has it.
    """
    if canvas is not None:
        scale = canvas / max(image.size)
        width, height = (max(1, int(each * scale)) for each in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    side = canvas or max(size, *image.size)
    square = Image.new("L", (side, side))
    left, top = ((side - each) // 2 for each in image.size)
    square.paste(image.convert("L"), (left, top))
    return square


def _color(mean: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(255 * each) for each in mean)
