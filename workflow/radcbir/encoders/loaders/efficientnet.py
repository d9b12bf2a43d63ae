"""EfficientNets (Tan and Le, ICML 2019) as the package EfficientNet-PyTorch has them, built by timm.

That package names tensors in its own way, counts blocks without stages, and pads images as if they
had the size that each EfficientNet was published for, whatever size they have.
"""

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import nn

PUBLISHED = {"b2": 260, "b5": 456}
"""EfficientNet -> the side of the images that it was published for."""

OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
"""Names of the package and of timm, outside of blocks."""

SQUEEZED = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}

FIRST = SQUEEZED | {
    "_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2",
}  # fmt: skip
"""The same in the blocks of the first stage, which do not expand."""

OTHERS = SQUEEZED | {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
"""The same in all other blocks."""


class Bordered(nn.Conv2d):
    """A convolution with zeros around its input, ``before`` above and on the left, ``after`` below
    and on the right.
    """

    before = after = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images, shape (n, channels, height, width) -> their convolution."""
        border = (self.before, self.after) * 2
        return super().forward(nn.functional.pad(images, border))


def build(kind: str) -> nn.Module:
    """An EfficientNet of :data:`PUBLISHED` without its classifier; its weights are to be loaded."""
    model: Any = timm.create_model(f"tf_efficientnet_{kind}", pretrained=False, num_classes=0)
    side = PUBLISHED[kind]
    strided = [
        (name, each)
        for name, each in model.named_modules()
        if isinstance(each, nn.Conv2d) and each.stride != (1, 1)
    ]
    for name, each in strided:
        (step, _), (width, _) = each.stride, each.kernel_size
        following = -(-side // step)
        missing = max(0, (following - 1) * step + width - side)
        side = following
        bordered = Bordered(
            each.in_channels, each.out_channels, width, step, groups=each.groups, bias=False
        )
        bordered.before, bordered.after = missing // 2, missing - missing // 2
        model.set_submodule(name, bordered)
    return model


def under_names_of_timm(
    tensors: Mapping[str, torch.Tensor], model: nn.Module, prefix: str
) -> dict[str, torch.Tensor]:
    """Tensors of which those below ``prefix`` have the package's names -> the same with the names
    of ``model``. A name that the package does not give stays as it is.
    """
    places = [
        (f"blocks.{stage}.{place}", OTHERS if stage else FIRST)
        for stage, blocks in enumerate(model.get_submodule("blocks").children())
        for place, _ in enumerate(blocks.children())
    ]
    found = {}
    for name, each in tensors.items():
        own = name.removeprefix(prefix) if name.startswith(prefix) else ""
        match own.split(".", 3):
            case ["_blocks", number, part, rest] if number.isdigit() and int(number) < len(places):
                block, names = places[int(number)]
                new = f"{prefix}{block}.{names[part]}.{rest}" if part in names else name
            case [part, *rest] if part in OUTER:
                new = ".".join([f"{prefix}{OUTER[part]}", *rest])
            case _:
                new = name
        found[new] = each
    return found
