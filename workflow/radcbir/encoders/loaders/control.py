"""Controls: encoders that have learned nothing and give every comparison a floor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import PIL
from PIL import Image

from radcbir.core.errors import InputError

THUMBNAIL_SIDE = 16

HISTOGRAM_BINS = 64


class Thumbnail:
    """Gray values of the image squeezed to 16 x 16 pixels by area averaging, minus their mean: 256
    numbers.

    The cosine similarity of two such vectors is the Pearson correlation of the thumbnails. An image
    of one gray value gives the zero vector, which has no direction: it is rejected downstream.
    """

    dimension = THUMBNAIL_SIDE**2
    weights_sha256 = ""
    libraries: ClassVar[dict[str, str]] = {"numpy": np.__version__, "pillow": PIL.__version__}

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """Image -> gray values, shape (256,)."""
        small = image.convert("F").resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float64).ravel()

    def encode(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Gray values -> centered gray values, shape (n, 256)."""
        values = np.stack(inputs)
        centered = values - values.mean(axis=1, keepdims=True)
        centered[np.ptp(values, axis=1) == 0] = 0
        return centered.astype(np.float32)


class Histogram:
    """Square root of the share of pixels in each of 64 bins of gray values.

    The cosine similarity of two such vectors is the Bhattacharyya coefficient of the histograms.
    """

    dimension = HISTOGRAM_BINS
    weights_sha256 = ""
    libraries: ClassVar[dict[str, str]] = {"numpy": np.__version__, "pillow": PIL.__version__}

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """Image -> counts of gray values 0..255, shape (256,)."""
        return np.asarray(image.convert("L").histogram(), dtype=np.float64)

    def encode(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Counts -> square roots of shares, shape (n, 64)."""
        counts = np.stack(inputs).reshape(len(inputs), HISTOGRAM_BINS, -1).sum(axis=2)
        return np.sqrt(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)


ARCHITECTURES: dict[str, type[Thumbnail] | type[Histogram]] = {
    "thumbnail": Thumbnail,
    "histogram": Histogram,
}


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> Thumbnail | Histogram:
    """The control of a card; ``files`` and ``device`` play no part."""
    encoder = ARCHITECTURES[card["architecture"]]()
    if card["dimension"] != encoder.dimension:
        raise InputError(
            f"the model card '{slug}' says `dimension: {card['dimension']}`, but the control "
            f"{card['architecture']} has "
            f"{encoder.dimension}: correct the card"
        )
    return encoder
