"""Encoders of the MONAI library (Cardoso et al., arXiv 2211.02701) for volumes."""

from collections.abc import Mapping
from pathlib import Path

import torch
from monai.networks.nets.segresnet_ds import SegResEncoder
from torch import nn

from radcbir.core.errors import InputError
from radcbir.encoders.network import load_tensors, selected, short
from radcbir.encoders.volumes import VolumeEncoder, checked
from radcbir.encoders.weights_file import read_tensors

ARCHITECTURES = {"SegResEncoder": SegResEncoder}

SMALL = (32, 32, 32)
"""A volume on which the network is tried. It takes any size."""


class LastMap(nn.Module):
    """Volumes ``(n, 1, x, y, z)`` -> the mean of the last of a network's maps, ``(n, d)``."""

    def __init__(self, maps: nn.Module):
        super().__init__()
        self.maps = maps

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The means of some volumes."""
        return self.maps(volumes)[-1].mean(dim=(2, 3, 4))


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> VolumeEncoder:
    """Build the network of a card and load its weights, every tensor of them.

    Raises :class:`InputError` naming the model where the architecture or an option is unknown, a
    tensor is missing, left over or of another shape, or the vectors do not have the card's
    dimension.
    """
    architecture, options = card["architecture"], dict(card["options"])
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"the model card '{slug}' names the architecture '{architecture}': `loader: monai` has "
            f"{', '.join(ARCHITECTURES)}"
        )
    torch.manual_seed(card["weights"].get("random_seed", 0))
    try:
        network = ARCHITECTURES[architecture](**options).eval()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the model card '{slug}' has `options:` that MONAI's {architecture} does not take "
            f"({short(error)}): correct them"
        ) from None
    if files:
        tensors = read_tensors(next(iter(files.values())), slug)
        load_tensors(network, selected(tensors, card["weights"]), slug)
    return checked(VolumeEncoder(LastMap(network), card, device), slug, card, SMALL)
