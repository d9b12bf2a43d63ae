"""Primus (Wald et al., arXiv 2503.01835), a transformer of volumes, with the projection and the
pooling of COLIPRI (Wald et al., arXiv 2510.15042).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timm.layers import RotaryEmbeddingCat
from timm.models.eva import EvaBlock
from torch import nn

from radcbir.core.errors import InputError
from radcbir.encoders.network import load_tensors, selected
from radcbir.encoders.volumes import VolumeEncoder, checked, whole_parts
from radcbir.encoders.weights_file import read_tensors


class Shape(NamedTuple):
    """The size of a transformer."""

    width: int
    depth: int
    heads: int


ARCHITECTURES = {
    "primus-s": Shape(396, 12, 6),
    "primus-b": Shape(792, 12, 12),
    "primus-m": Shape(864, 16, 12),
    "primus-l": Shape(1056, 24, 16),
}

PATCH = 8
"""Voxels along each side of a patch, which is one token."""

HEADS = 12
"""Heads of the attention that pools the tokens."""

SMALL = (16, 16, 16)
"""A volume on which the network is tried."""


class Primus(nn.Module):
    """Volumes ``(n, 1, x, y, z)``, whose sides are multiples of :data:`PATCH`, -> ``(n, dimension)``.

    The projected tokens are pooled by attention: their mean asks for them. The names of tensors are
    those of the package colipri.
    """

    def __init__(self, shape: Shape, dimension: int):
        super().__init__()
        width, depth, heads = shape
        blocks = [
            EvaBlock(
                width,
                heads,
                qkv_fused=False,
                mlp_ratio=8 / 3,
                swiglu_mlp=True,
                scale_mlp=True,
                scale_attn_inner=True,
                num_prefix_tokens=0,
                init_values=0.1,
                norm_layer=nn.LayerNorm,
            )
            for _ in range(depth)
        ]
        eva = {"blocks": nn.ModuleList(blocks), "norm": nn.LayerNorm(width)}
        patches = {"proj": nn.Conv3d(1, width, PATCH, PATCH)}
        self.backbone: Any = nn.ModuleDict(
            {"down_projection": nn.ModuleDict(patches), "eva": nn.ModuleDict(eva)}
        )
        self.projector = nn.Conv3d(width, dimension, 1)
        self.pooler: Any = nn.ModuleDict(
            {"attn": nn.MultiheadAttention(dimension, HEADS, batch_first=True)}
        )
        # A third of a head's numbers turns by the place along each axis.
        self.places = RotaryEmbeddingCat(width // heads * 2 // 3, in_pixels=False)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The vectors of some volumes."""
        maps = self.backbone["down_projection"]["proj"](volumes)
        turns = self.places.get_embed(list(maps.shape[2:]))
        tokens = maps.flatten(2).transpose(1, 2)
        for block in self.backbone["eva"]["blocks"]:
            tokens = block(tokens, rope=turns)
        maps = self.backbone["eva"]["norm"](tokens).transpose(1, 2)[..., None, None]
        tokens = self.projector(maps).flatten(2).transpose(1, 2)
        mean = tokens.mean(dim=1, keepdim=True)
        return self.pooler["attn"](mean, tokens, tokens, need_weights=False)[0][:, 0]


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> VolumeEncoder:
    """Build the network of a card and load its weights, every tensor of them.

    Raises :class:`InputError` naming the model where the architecture is unknown, the size is no
    multiple of a patch's, a tensor is missing, left over or of another shape, or the dimension is
    not one that the heads share.
    """
    architecture, dimension = card["architecture"], card["dimension"]
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"the model card '{slug}' names the architecture '{architecture}': `loader: primus` has "
            f"{', '.join(ARCHITECTURES)}"
        )
    if dimension % HEADS:
        raise InputError(
            f"the model card '{slug}' says `dimension: {dimension}`, which is no multiple of "
            f"{HEADS}, the heads of its pooling: correct the card"
        )
    whole_parts(slug, card["preprocessing"], (PATCH,) * 3, "patches")
    torch.manual_seed(card["weights"].get("random_seed", 0))
    model = Primus(ARCHITECTURES[architecture], dimension).eval()
    if files:
        tensors = read_tensors(next(iter(files.values())), slug)
        load_tensors(model, selected(tensors, card["weights"]), slug)
    return checked(VolumeEncoder(model, card, device), slug, card, SMALL)
