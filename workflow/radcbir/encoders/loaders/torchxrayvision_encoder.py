"""Encoders of the torchxrayvision library (Cohen et al., MIDL 2022): gray radiographs with values
from -1024 to 1024.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
import torchxrayvision as xrv
from PIL import Image

from radcbir.cards.versions import size_of
from radcbir.core.errors import InputError
from radcbir.encoders.network import NetworkEncoder, checked, load_tensors
from radcbir.encoders.weights_file import read_tensors


def preprocessed(image: Image.Image, preprocessing: Mapping) -> np.ndarray:
    """Image -> the library's own central square, resized by it, values from -1024 to 1024, shape
    (1, height, width) float32.
    """
    pixels = xrv.datasets.normalize(np.asarray(image.convert("L"), dtype=np.float32), 255)[None]
    square = xrv.datasets.XRayCenterCrop()(pixels)
    resizer = xrv.datasets.XRayResizer(size_of(preprocessing)[0], engine="skimage")
    return resizer(square).astype(np.float32)


class XrayEncoder(NetworkEncoder):
    """A network of torchxrayvision with the features before its classifier as the embedding."""

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """:func:`preprocessed`, shape (1, height, width)."""
        return preprocessed(image, self.preprocessing)

    def batch(self, inputs: Sequence[np.ndarray]) -> torch.Tensor:
        """Preprocessed images -> one batch on the encoder's device, shape (n, 1, height, width)."""
        batch = torch.from_numpy(
            np.stack([np.asarray(each, dtype=np.float32) for each in inputs])
        ).to(self.device)
        return batch.contiguous(memory_format=self.layout)

    def pool(self, batch: torch.Tensor) -> torch.Tensor:
        """The features that the classifier sees, pooled over the image."""
        if isinstance(self.model, xrv.models.DenseNet):
            return self.model.features2(batch)
        body = torch.nn.Sequential(*list(self.model.children())[:-1])
        return body(batch).flatten(1)


ARCHITECTURES = ("densenet121", "resnet50")


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> NetworkEncoder:
    """Build the network of a card and load its weights, every tensor of them.

    Raises :class:`InputError` naming the model where a tensor is missing, left over or of another
    shape, or the vectors do not have the card's dimension.
    """
    if card["architecture"] not in ARCHITECTURES:
        raise InputError(
            f"the model card '{slug}' names the architecture '{card['architecture']}': "
            "torchxrayvision's are "
            f"{' and '.join(ARCHITECTURES)}"
        )
    with torch.serialization.safe_globals(_pickled_classes()):
        tensors = read_tensors(next(iter(files.values())), slug)
    tensors.pop("op_threshs", None)  # thresholds of the classifier's outputs
    classifier = next(
        (each for name, each in tensors.items() if name in ("classifier.weight", "fc.weight")), None
    )
    model = build(card["architecture"], 18 if classifier is None else len(classifier))
    load_tensors(model, tensors, slug)
    return checked(XrayEncoder(model, card, device), slug, card)


def build(architecture: str, classes: int) -> torch.nn.Module:
    """The architecture in evaluation mode with random weights, for gray images."""
    if architecture == "densenet121":
        return xrv.models.DenseNet(num_classes=classes, in_channels=1).eval()
    model = torchvision.models.resnet50(num_classes=classes, weights=None)
    model.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return model.eval()


def _pickled_classes() -> list[Any]:
    """The classes that the library's files hold as whole objects: layers, and nothing that runs
    code when it is read.
    """
    layers = ("Sequential", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "AvgPool2d", "Linear")
    own = ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition")
    return [
        set,
        *(getattr(torch.nn, name) for name in layers),
        *(getattr(xrv.models, name) for name in own),
    ]
