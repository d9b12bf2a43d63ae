"""Residual networks whose filters are inflated to three dimensions (Carreira & Zisserman, CVPR
2017), as Merlin and Astra have them for CT.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from radcbir.core.errors import InputError
from radcbir.encoders.network import load_tensors, selected
from radcbir.encoders.volumes import VolumeEncoder, checked
from radcbir.encoders.weights_file import read_tensors

PREFIX = "i3"
ARCHITECTURES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")

SMALL = (32, 32, 16)
"""A volume on which the network is tried. It takes any size."""


class Inflated(nn.Module):
    """torchvision's network in three dimensions, with the names of its tensors.

    Volumes ``(n, 1, x, y, z)`` -> features ``(n, d)``: the mean of the last map. The network's first
    axis is z, along which its first layer does not step; its three channels are the volume.
    """

    def __init__(self, architecture: str):
        super().__init__()
        flat: Any = getattr(torchvision.models, architecture)(weights=None)
        for name, layer in flat.named_children():
            if name not in ("avgpool", "fc"):
                self.add_module(name, _inflated(layer))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The features of some volumes."""
        maps = volumes.permute(0, 1, 4, 2, 3).expand(-1, 3, -1, -1, -1)
        for layer in self.children():
            maps = layer(maps)
        return maps.mean(dim=(2, 3, 4))


def _inflated(layer: nn.Module) -> nn.Module:
    """The same layer for one more axis, in front of the others: a step of 2 is taken along it as
    well, but by the first layer.
    """
    if isinstance(layer, nn.Conv2d):
        side, step = layer.kernel_size[0], layer.stride[0]
        first = side == 7
        return nn.Conv3d(
            layer.in_channels,
            layer.out_channels,
            (3 if first else side, side, side),
            (1 if first else step, step, step),
            (1 if first else side // 2, side // 2, side // 2),
            bias=layer.bias is not None,
        )
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm3d(layer.num_features)
    if isinstance(layer, nn.MaxPool2d):
        return nn.MaxPool3d(layer.kernel_size, layer.stride, layer.padding)
    for name, inner in list(layer.named_children()):
        setattr(layer, name, _inflated(inner))
    return layer


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> VolumeEncoder:
    """Build the network of a card and load its weights, every tensor of them. Several files are the
    parts of one, in the order of the card.

    Raises :class:`InputError` naming the model where the architecture is unknown, a tensor is
    missing, left over or of another shape, or the vectors do not have the card's dimension.
    """
    architecture = card["architecture"].removeprefix(PREFIX)
    if architecture not in ARCHITECTURES or not card["architecture"].startswith(PREFIX):
        raise InputError(
            f"the model card '{slug}' names the architecture '{card['architecture']}': "
            f"`loader: i3resnet` has {', '.join(PREFIX + each for each in ARCHITECTURES)}"
        )
    torch.manual_seed(card["weights"].get("random_seed", 0))
    model = Inflated(architecture).eval()
    if files:
        tensors = _tensors(list(files.values()), slug)
        load_tensors(model, selected(tensors, card["weights"]), slug)
    return checked(VolumeEncoder(model, card, device), slug, card, SMALL)


def _tensors(files: Sequence[Path], slug: str) -> dict[str, torch.Tensor]:
    if len(files) == 1:
        return read_tensors(files[0], slug)
    with tempfile.NamedTemporaryFile(prefix="radcbir-weights-", suffix=".pt") as joined:
        for file in files:
            joined.write(file.read_bytes())
        joined.flush()
        return {name: each.clone() for name, each in read_tensors(joined.name, slug).items()}
