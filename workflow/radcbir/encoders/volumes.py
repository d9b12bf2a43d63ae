"""Encoders that take a whole volume: from its values and places to the input of a network, and a
vector out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from nibabel.affines import voxel_sizes
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from radcbir.core.errors import InputError
from radcbir.encoders.network import short
from radcbir.encoders.on_device import OnDevice
from radcbir.images.raster import UnreadableImage
from radcbir.images.volumes import Volume


class VolumeEncoder(OnDevice):
    """A network of volumes, ``(n, 1, x, y, z)`` -> vectors ``(n, dimension)``."""

    def __init__(self, model: torch.nn.Module, card: Mapping, device: str):
        """``model`` is in evaluation mode with its weights loaded; ``card`` is the card or its
        meaning.
        """
        super().__init__(card, device)
        moved: Any = model
        self.model = moved.to(self.device)
        self.preprocessing = card["preprocessing"]

    @property
    def on_gpu(self) -> bool:
        """No: a volume keeps a GPU busy by itself, and a batch keeps the size of the card."""
        return False

    def prepare(self, volume: Volume) -> np.ndarray:
        """:func:`prepared` by the card. It is called from several threads."""
        return prepared(volume, self.preprocessing)

    def encode(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared volumes (n of them) -> vectors, shape (n, dimension), float32, not
        normalised.
        """
        return self.begin(inputs)()

    def begin(self, inputs: Sequence[np.ndarray]) -> Callable[[], np.ndarray]:
        """Start :meth:`encode` and return what waits for the vectors. Raises
        :class:`~radcbir.encoders.OutOfMemory` where fewer may fit.
        """
        return self.transfer.begun(lambda: self._forward(inputs), len(inputs), "volumes")

    @torch.inference_mode()
    def _forward(self, inputs: Sequence[np.ndarray]) -> torch.Tensor:
        alike = len({each.shape for each in inputs}) == 1
        batches = [np.stack(inputs)] if alike else [each[None] for each in inputs]
        with self.in_precision():
            return torch.cat(
                [self.model(torch.from_numpy(each).to(self.device)) for each in batches]
            )


def prepared(volume: Volume, how: Mapping[str, Any]) -> np.ndarray:
    """A volume -> the input of a network, shape (1, x, y, z), float32 from 0 to 1.

    ``how`` is the `preprocessing:` of a card. In this order: the axes are turned to `orientation`
    (without resampling); with `spacing` (mm) they are resampled linearly, the first voxels staying
    where they are; with `crop: foreground` what is outside the box of all values above the lower
    end of the range is cut off; `size` is reached by the mean over cells (`resize: area`), or
    around the middle by cutting off and by filling with the lower end (`resize: pad_or_crop`), or
    not asked for (`resize: keep`); the range becomes 0 to 1, and what is beyond its ends 0 or 1.

    Raises :class:`UnreadableImage` where no value is above the lower end.
    """
    low, high = how["range"]["hounsfield"]
    values, spacing = oriented(volume, how["orientation"])
    if "spacing" in how:
        for axis, wanted in enumerate(how["spacing"]):
            values = _resampled(values, axis, wanted / spacing[axis])
    if how.get("crop") == "foreground":
        values = _foreground(values, low)
    if how["resize"] == "keep":
        sized = values
    elif how["resize"] == "area":
        sized = torch.nn.functional.interpolate(
            torch.from_numpy(np.ascontiguousarray(values))[None, None], how["size"], mode="area"
        )[0, 0].numpy()
    else:
        sized = _padded_or_cropped(values, how["size"], low)
    return ((sized - low) / (high - low)).clip(0, 1).astype(np.float32)[None]


def oriented(volume: Volume, orientation: str) -> tuple[np.ndarray, tuple[float, ...]]:
    """The values with axes that run to where three letters say (``RAS``: to the right, to the front
    and up), and the distance of voxels along each in mm. Nothing is interpolated: oblique axes are
    taken as the nearest of the patient's.
    """
    now, wanted = io_orientation(volume.affine), axcodes2ornt(tuple(orientation))
    change = ornt_transform(now, wanted)
    affine = volume.affine @ inv_ornt_aff(change, volume.values.shape)
    spacing = tuple(float(each) for each in voxel_sizes(affine))
    return apply_orientation(volume.values, change), spacing


def _resampled(values: np.ndarray, axis: int, step: float) -> np.ndarray:
    """Values at every ``step`` voxels of an axis, from the first one on, linearly interpolated."""
    last = values.shape[axis] - 1
    places = (np.arange(int(np.round(last / step + 1))) * step).clip(0, last)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, last)
    shape = [1, 1, 1]
    shape[axis] = -1
    share = (places - before).reshape(shape).astype(np.float32)
    left, right = values.take(before, axis), values.take(after, axis)
    return left + share * (right - left)


def _foreground(values: np.ndarray, low: float) -> np.ndarray:
    """The box of all values above ``low``."""
    above = values > low
    if not above.any():
        raise UnreadableImage(f"no value of the volume is above {low:g}")
    box = []
    for axis in range(3):
        others = tuple(each for each in range(3) if each != axis)
        found = np.flatnonzero(above.any(axis=others))
        box.append(slice(found[0], found[-1] + 1))
    return values[tuple(box)]


def _padded_or_cropped(values: np.ndarray, size: Sequence[int], low: float) -> np.ndarray:
    """The middle of the volume, with ``low`` around it where it is smaller than ``size``."""
    missing = [max(0, wanted - had) for wanted, had in zip(size, values.shape, strict=True)]
    widths = [(each // 2, each - each // 2) for each in missing]
    filled = np.pad(values, widths, constant_values=low)
    starts = [had // 2 - wanted // 2 for wanted, had in zip(size, filled.shape, strict=True)]
    return filled[tuple(slice(start, start + n) for start, n in zip(starts, size, strict=True))]


def checked(encoder: VolumeEncoder, slug: str, card: Mapping, size: Sequence[int]) -> VolumeEncoder:
    """The encoder, once it has embedded an empty volume of some size. Raises :class:`InputError`
    where it cannot, or the dimension is wrong.
    """
    try:
        found = encoder.encode([np.zeros((1, *size), np.float32)]).shape
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"the model '{slug}' does not take volumes of {' x '.join(map(str, size))} "
            f"({short(error)}): correct its card"
        ) from None
    if found != (1, card["dimension"]):
        raise InputError(
            f"the model card '{slug}' says `dimension: {card['dimension']}`, but "
            f"{card['architecture']} gives {found[1]}: correct the card"
        )
    return encoder
