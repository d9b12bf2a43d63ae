"""SPECTRE (Claessens et al., arXiv 2511.17209): a transformer gives each crop of a CT a vector, a
second one combines them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timm.layers import LayerScale, Mlp, apply_rot_embed
from torch import nn

from radcbir.core.errors import InputError
from radcbir.encoders.network import load_tensors, selected
from radcbir.encoders.volumes import VolumeEncoder, checked, whole_parts
from radcbir.encoders.weights_file import read_tensors

Turns = tuple[torch.Tensor, torch.Tensor]
"""Sines and cosines, by which the numbers of a token turn."""


class Shape(NamedTuple):
    """The size of both transformers."""

    width: int
    heads: int
    depth: int
    depth_of_combiner: int


ARCHITECTURES = {
    "spectre-small": Shape(384, 4, 12, 2),
    "spectre-base": Shape(768, 8, 12, 2),
    "spectre-large": Shape(1080, 12, 24, 4),
}

CROP, PATCH = (128, 128, 64), (16, 16, 8)
"""Voxels of a crop, and of a patch of it, which is one token."""

AT_ONCE = 12
"""Crops that go through the first transformer together: memory does not grow with the volume."""

PERIOD, PERIOD_OF_COMBINER = 1000.0, 100.0
"""The longest period of the rotary positions of patches in a crop, and of crops in a volume."""


class Places(nn.Module):
    """Rotary positions in a grid of tokens, whose middle is 0 and whose sides reach from -1 to 1."""

    def __init__(self, length: int, longest: float):
        super().__init__()
        count = length // 6
        self.register_buffer(
            "periods", longest ** (torch.arange(count, dtype=torch.float32) / count)
        )

    def forward(self, grid: tuple[int, ...]) -> Turns:
        """Sine and cosine for the tokens of a grid (the last axis runs fastest), each ``(tokens,
        length of a head)``: both halves of a head turn alike.
        """
        periods: Any = self.periods
        axes = [(torch.arange(n, device=periods.device) + 0.5) / n * 2 - 1 for n in grid]
        places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
        angles = (2 * torch.pi * places[:, :, None] / periods).flatten(1).tile(2)
        return angles.sin(), angles.cos()


class Attention(nn.Module):
    """Self-attention; all tokens but the first have places."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor, turns: Turns) -> torch.Tensor:
        """Tokens ``(n, 1 + places, width)`` -> the same."""
        every = torch.cat([self.q(tokens), self.kv(tokens)], dim=-1)
        query, key, value = every.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key = (
            torch.cat([each[:, :, :1], apply_rot_embed(each[:, :, 1:], *turns, half=True)], dim=2)
            for each in (query, key)
        )
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.proj(found.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and two layers, each scaled and added."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ls1, self.ls2 = LayerScale(width, 1.0), LayerScale(width, 1.0)
        self.attn = Attention(width, heads)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, tokens: torch.Tensor, turns: Turns) -> torch.Tensor:
        """Tokens -> tokens."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens), turns))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


class Transformer(nn.Module):
    """Tokens of a grid ``(n, places, width)`` -> class token and tokens ``(n, 1 + places, width)``."""

    def __init__(self, width: int, heads: int, depth: int, longest: float):
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 1e-6)
        self.rope = Places(width // heads, longest)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
        """The tokens of some grids of one size."""
        turns = self.rope(grid)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens, turns)
        return self.norm(tokens)


class Spectre(nn.Module):
    """Volumes ``(n, 1, x, y, z)``, whose sides are multiples of those of a :data:`CROP`, -> the class
    token of the combiner, ``(n, width)``. The names of tensors are those of the package spectre-fm.
    """

    def __init__(self, shape: Shape):
        super().__init__()
        width, heads, depth, depth_of_combiner = shape
        self.backbone = Transformer(width, heads, depth, PERIOD)
        self.backbone.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(1, width, PATCH, PATCH)})
        self.feature_combiner = Transformer(width, heads, depth_of_combiner, PERIOD_OF_COMBINER)
        self.feature_combiner.patch_proj = nn.Linear(2 * width, width)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The vectors of some volumes."""
        return torch.cat([self._of_one(each) for each in volumes])

    def _of_one(self, volume: torch.Tensor) -> torch.Tensor:
        grid = tuple(had // side for had, side in zip(volume.shape[1:], CROP, strict=True))
        parts: Any = volume
        for axis, (count, side) in enumerate(zip(grid, CROP, strict=True)):
            parts = parts.unflatten(1 + 2 * axis, (count, side))
        crops = parts.permute(1, 3, 5, 0, 2, 4, 6).flatten(0, 2)
        vectors = torch.cat([self._of_crops(each) for each in crops.split(AT_ONCE)])
        combiner: Any = self.feature_combiner
        return combiner(combiner.patch_proj(vectors)[None], grid)[:, 0]

    def _of_crops(self, crops: torch.Tensor) -> torch.Tensor:
        """Crops -> class token and mean of the others, side by side."""
        backbone: Any = self.backbone
        maps = backbone.patch_embed["proj"](crops)
        tokens = backbone(maps.flatten(2).transpose(1, 2), tuple(maps.shape[2:]))
        return torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=-1)


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> VolumeEncoder:
    """Build the networks of a card and load their weights, every tensor of them.

    Raises :class:`InputError` naming the model where the architecture is unknown, the size is no
    multiple of a crop's, a tensor is missing, left over or of another shape, or the vectors do not
    have the card's dimension.
    """
    architecture = card["architecture"]
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"the model card '{slug}' names the architecture '{architecture}': `loader: spectre` "
            f"has {', '.join(ARCHITECTURES)}"
        )
    whole_parts(slug, card["preprocessing"], CROP, "crops")
    torch.manual_seed(card["weights"].get("random_seed", 0))
    model = Spectre(ARCHITECTURES[architecture]).eval()
    if files:
        tensors = read_tensors(next(iter(files.values())), slug)
        load_tensors(model, selected(tensors, card["weights"]), slug)
    return checked(VolumeEncoder(model, card, device), slug, card, CROP)
