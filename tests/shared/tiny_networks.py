"""Small networks with random weights, and images of noise for them."""

import numpy as np
from PIL import Image

from radcbir.cards import model_card

TINY = model_card.DEFAULTS | {
    "name": "tiny",
    "loader": "timm",
    "architecture": "test_resnet",
    "weights": {"random_seed": 3},
    "pooling": "pooled",
    "dimension": 96,
    "preprocessing": {
        "size": 96,
        "resize": "shortest",
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.3, 0.4],
    },
    "licence": "none",
}
TINY_VIT = TINY | {
    "architecture": "test_vit",
    "dimension": 64,
    "preprocessing": TINY["preprocessing"] | {"size": 160},
}


def noise(seed, width=150, height=120):
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    )


def encode(encoder, images):
    return encoder.encode([encoder.preprocess(image) for image in images])
