"""Golden vectors and pixels: numbers that only change together with a version in the code."""

import json
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from radcbir.images.volumes import Volume

TOLERANCE = 1e-4
"""By how much numbers may differ between processors, as a share of the largest recorded one."""

SUMS = 6
"""How many sums represent a vector."""


def images() -> list[Image.Image]:
    """The same pixels on every machine: gray and wide, in color and high, small, and nearly dark."""
    y, x = np.mgrid[:131, :150]
    color = np.stack([x * 3 + y, x + y * 2, (x * y) // 9], axis=2) % 256
    dark = 20 + (x[:60, :61] * y[:60, :61]) % 64
    pixels = [
        (x * 7 + y * y // 5) % 256,
        color.transpose(1, 0, 2),
        (x * 11 - y * 3)[:20, :33] % 256,
        dark,
    ]
    return [Image.fromarray(each.astype(np.uint8)) for each in pixels]


def volumes() -> list[Volume]:
    """Values like those of CT, the same on every machine: upright and with turned axes."""
    x, y, z = np.mgrid[:40, :36, :30]
    upright = -1000 + (x * 37 + y * y * 3 + x * z * 5) % 1900
    turned = np.array([[0, -1.5, 0, 9], [0, 0, 2.5, -4], [-1.0, 0, 0, 7], [0, 0, 0, 1]])
    affines = (np.diag([1.5, 1.25, 3.0, 1]), turned)
    return [Volume(upright.astype(np.float32), affine) for affine in affines]


def filled(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a network with numbers that follow from their names and places."""
    found = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            found[name] = tensor.clone()
            continue
        numbers = scattered(zlib.crc32(name.encode()), tensor.numel()).reshape(tensor.shape)
        if tensor.ndim > 1:
            numbers *= np.sqrt(6 / (tensor.numel() / tensor.shape[0]))
        elif name.endswith(("weight", "running_var", "gamma", "lambda1")):
            numbers = 1 + 0.3 * numbers
        else:
            numbers *= 0.1
        found[name] = torch.from_numpy(numbers).float().reshape(tensor.shape)
    return found


def scattered(seed: int, count: int) -> np.ndarray:
    """Numbers from -1 to 1, the same to the bit everywhere (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**52 - 1


def sums(vectors: np.ndarray) -> np.ndarray:
    """``(n, ...)`` numbers -> ``(n, SUMS)`` weighted means of each row, which any change moves."""
    rows = np.asarray(vectors, dtype=np.float64).reshape(len(vectors), -1)
    places = np.arange(1, rows.shape[1] + 1)
    weights = np.sin(np.outer(np.arange(1, SUMS + 1) ** 0.5, places))
    return rows @ weights.T / np.sqrt(rows.shape[1])


def check(name: str, vectors: np.ndarray, versions: object, recorded: tuple | None) -> None:
    """Compare vectors with what is ``recorded``: their versions, and the :func:`sums` of each."""
    check_numbers(name, sums(vectors).tolist(), versions, recorded)


def check_numbers(name: str, found: Sequence, versions: object, recorded: tuple | None) -> None:
    """Fail, and say what to do, unless numbers and versions are the recorded ones."""
    entry = f"{name!r}: ({json.dumps(versions)}, {_short(found)}),"
    assert recorded is not None, f"nothing is recorded for '{name}': record\n    {entry}"
    same = _equal(found, recorded[1])
    if recorded[0] == versions:
        assert same, (
            f"the numbers of '{name}' changed and no version did. If that was not meant, correct the code. If it was meant, raise "
            "the version that belongs to it (that of the loader in radcbir.cards.loaders, or one of radcbir.cards.versions): "
            f"all users of such models then embed again. Then record\n    {entry}"
        )
        return
    assert not same, (
        f"a version of '{name}' changed and its numbers did not: all users would embed again for nothing. Take the version "
        f"back ({recorded[0]} is recorded, {versions} found). If nothing here shows what changed, add a case that does."
    )
    raise AssertionError(
        f"versions and numbers of '{name}' changed, as they should. Record\n    {entry}"
    )


def _equal(found: Sequence, recorded: Sequence) -> bool:
    if not isinstance(recorded[0], list):
        return list(found) == list(recorded)
    one, other = np.array(found), np.array(recorded)
    return one.shape == other.shape and bool(
        np.abs(one - other).max() <= TOLERANCE * np.abs(other).max()
    )


def _short(numbers: Sequence) -> str:
    if not isinstance(numbers[0], list):
        return json.dumps(list(numbers))
    return json.dumps([[float(f"{each:.6g}") for each in row] for row in numbers])
