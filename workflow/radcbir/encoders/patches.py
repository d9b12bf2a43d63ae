"""Features of image patches, from encoders that have them: which places of two images match.

Separate from the encoders, so that code for the page of queries alone makes no embedding stale.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image

from radcbir.cards.versions import size_of
from radcbir.encoders.network import NetworkEncoder


@torch.inference_mode()
def patch_features(encoder: Any, prepared: np.ndarray) -> np.ndarray | None:
    """Unit vectors of the patches of one preprocessed image, shape (rows, columns, channels).

    They are the last tokens of a vision transformer, class token and registers left out, or the
    cells of the last feature map of a convolutional network. None where the encoder offers neither
    (controls, MedCLIP), or shuffles its patches (masked autoencoders).
    """
    encoder = getattr(encoder, "encoder", encoder)  # behind another runtime, the encoder of torch
    model = getattr(encoder, "model", None)
    if model is None or getattr(getattr(model, "config", None), "mask_ratio", None) is not None:
        return None
    batch = encoder.batch([prepared])
    with encoder.in_precision():
        features, prefix, channels = _features(encoder, model, batch)
    if features is None:
        return None
    features = features.float().cpu().numpy()[0]
    if features.ndim == 2:
        tokens = features[prefix:]
        height, width = encoder.size
        rows = round((len(tokens) * height / width) ** 0.5)
        if not rows or len(tokens) % rows:
            return None
        features = tokens.reshape(rows, len(tokens) // rows, -1)
    elif features.shape[-1] != channels or features.shape[0] == channels:
        features = features.transpose(1, 2, 0)
    norms = np.linalg.norm(features, axis=2, keepdims=True)
    return features / np.where(norms > 0, norms, 1)


def _features(
    encoder: NetworkEncoder, model: Any, batch: torch.Tensor
) -> tuple[torch.Tensor | None, int, int]:
    """A network's features of one image, how many tokens precede those of patches, and the
    number of channels.
    """
    visual = getattr(model, "visual", None)
    if visual is not None:  # open_clip
        trunk = getattr(visual, "trunk", None)
        if trunk is not None:
            return (
                trunk.forward_features(batch),
                getattr(trunk, "num_prefix_tokens", 0),
                trunk.num_features,
            )
        if not hasattr(visual, "output_tokens"):
            return None, 0, 0
        before, visual.output_tokens = visual.output_tokens, True
        try:
            return visual(batch)[1], 0, 0
        finally:
            visual.output_tokens = before
    if hasattr(model, "features2"):  # torchxrayvision's DenseNet
        features = model.features(batch)
        return features, 0, features.shape[1]
    try:
        features = encoder.feature_map(batch)
    except (NotImplementedError, AttributeError, TypeError):
        return None, 0, 0
    prefix = encoder.prefix_tokens if features.ndim == 3 else 0
    return features, prefix, getattr(model, "num_features", features.shape[1])


def best_matches(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per patch of each image its cosine similarity to the most similar patch of the other image.

    ``one`` and ``other`` are of :func:`patch_features`; the results have their rows and columns.
    After Amir et al., Deep ViT features as dense visual descriptors, 2022.
    """
    similarity = one.reshape(-1, one.shape[2]) @ other.reshape(-1, other.shape[2]).T
    return similarity.max(axis=1).reshape(one.shape[:2]), similarity.max(axis=0).reshape(
        other.shape[:2]
    )


def seen(encoder: NetworkEncoder, prepared: np.ndarray) -> Image.Image:
    """What the network sees of an image, as a picture: resized and cropped, on the area that the
    patches divide.
    """
    values = np.asarray(prepared)
    if encoder.preprocessing["resize"] == "library":  # torchxrayvision: from -1024 to 1024
        values = (values + 1024) * 255 / 2048
    values = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    canvas = np.zeros((len(values), *size_of(encoder.preprocessing)), dtype=np.uint8)
    canvas[:, : values.shape[1], : values.shape[2]] = values
    return Image.fromarray(
        canvas[0] if len(canvas) == 1 else np.ascontiguousarray(canvas.transpose(1, 2, 0))
    )
