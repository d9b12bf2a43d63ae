"""EfficientNets as the package EfficientNet-PyTorch has them, written anew from the paper's table:
the names and shapes of their tensors, and their forward pass one operation at a time."""

import math

import torch
from torch.nn import functional

STAGES = [
    (1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112), (4, 5, 2, 6, 112, 192), (1, 3, 1, 6, 192, 320),
]  # fmt: skip
"""Blocks, kernel, stride of the first, expansion, channels in and out, of B0."""

KINDS = {"b2": (1.1, 1.2, 260), "b5": (1.6, 2.2, 456)}
"""How many times wider and deeper than B0, and the images it was published for."""


def _wide(channels, times):
    near = max(8, int(channels * times + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels * times else near


def blocks(kind):
    """Kernel, stride, expansion, channels in and out, of every block."""
    width, depth, _ = KINDS[kind]
    for count, kernel, stride, expansion, into, out in STAGES:
        into, out = _wide(into, width), _wide(out, width)
        for _ in range(math.ceil(depth * count)):
            yield kernel, stride, expansion, into, out
            stride, into = 1, out


def width(kind):
    """Channels of the last map."""
    return _wide(1280, KINDS[kind][0])


def _norm(name, channels):
    return {
        f"{name}.weight": torch.rand(channels) + 0.5,
        f"{name}.bias": torch.randn(channels) / 10,
        f"{name}.running_mean": torch.randn(channels) / 10,
        f"{name}.running_var": torch.rand(channels) + 0.5,
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def _convolution(name, out, into, kernel=1):
    spread = math.sqrt(1.5 / (into * kernel**2))  # or images would end up alike
    return {f"{name}.weight": torch.randn(out, into, kernel, kernel) * spread}


def state(kind):
    """Random tensors by name, without the classifier."""
    stem = _wide(32, KINDS[kind][0])
    found = _convolution("_conv_stem", stem, 3, 3) | _norm("_bn0", stem)
    for number, (kernel, _, expansion, into, out) in enumerate(blocks(kind)):
        at, inner, few = f"_blocks.{number}.", into * expansion, into // 4
        if expansion > 1:
            found |= _convolution(f"{at}_expand_conv", inner, into) | _norm(f"{at}_bn0", inner)
        found |= _convolution(f"{at}_depthwise_conv", inner, 1, kernel) | _norm(f"{at}_bn1", inner)
        for name, most, least in (("_se_reduce", few, inner), ("_se_expand", inner, few)):
            found |= _convolution(f"{at}{name}", most, least)
            found |= {f"{at}{name}.bias": torch.randn(most) / 10}
        found |= _convolution(f"{at}_project_conv", out, inner) | _norm(f"{at}_bn2", out)
    return found | _convolution("_conv_head", width(kind), out) | _norm("_bn1", width(kind))


def features(tensors, kind, images):
    """The last map of images, shape (n, channels, rows, columns)."""
    side = KINDS[kind][2]

    def same(images, name, kernel, stride, groups=1):
        """Padded as an image of the published size has to be."""
        nonlocal side
        after = math.ceil(side / stride)
        missing = max(0, (after - 1) * stride + kernel - side)
        side = after
        low, high = missing // 2, missing - missing // 2
        images = functional.pad(images, (low, high, low, high))
        return functional.conv2d(images, tensors[f"{name}.weight"], stride=stride, groups=groups)

    def norm(images, name):
        mean, variance, weight, bias = (
            tensors[f"{name}.{each}"].reshape(-1, 1, 1)
            for each in ("running_mean", "running_var", "weight", "bias")
        )
        return (images - mean) / (variance + 1e-3).sqrt() * weight + bias

    def swish(values):
        return values * values.sigmoid()

    def squeezed(values, name):
        weights = tensors[f"{name}.weight"].flatten(1)
        return values @ weights.T + tensors[f"{name}.bias"]

    images = swish(norm(same(images, "_conv_stem", 3, 2), "_bn0"))
    for number, (kernel, stride, expansion, into, out) in enumerate(blocks(kind)):
        at, before = f"_blocks.{number}.", images
        if expansion > 1:
            images = swish(norm(same(images, f"{at}_expand_conv", 1, 1), f"{at}_bn0"))
        images = same(images, f"{at}_depthwise_conv", kernel, stride, groups=into * expansion)
        images = swish(norm(images, f"{at}_bn1"))
        gate = swish(squeezed(images.mean(dim=(2, 3)), f"{at}_se_reduce"))
        images = images * squeezed(gate, f"{at}_se_expand").sigmoid()[:, :, None, None]
        images = norm(same(images, f"{at}_project_conv", 1, 1), f"{at}_bn2")
        if stride == 1 and into == out:
            images = images + before
    return swish(norm(same(images, "_conv_head", 1, 1), "_bn1"))
