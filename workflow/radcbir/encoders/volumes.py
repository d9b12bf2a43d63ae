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
    """A volume -> the input of a network, shape (1, x, y, z), float32.

    ``how`` is the `preprocessing:` of a card. In this order: the axes are turned to `orientation`
    (without resampling); with `clip: first` values beyond the ends of the range become these ends;
    with `spacing` (mm) they are resampled linearly, the first voxels staying where they are, or the
    middle of the volume with `grid: middle`; with `crop: foreground` what is outside the box of all
    values above the lower end of the range is cut off; `size` is reached by the mean over cells
    (`resize: area`), or around the middle by cutting off and by filling with the lower end, with
    `fill: lowest` with the lowest value that there is (`resize: pad_or_crop`), or not asked for
    (`resize: keep`); the range becomes 0 to 1, and what is beyond its ends 0 or 1; `mean` is taken
    off and the rest divided by `std`.

    Raises :class:`UnreadableImage` where no value is above the lower end.
    """
    low, high = how["range"]["hounsfield"]
    centered = how.get("grid") == "middle"
    values, spacing = oriented(volume, how["orientation"])
    if how.get("clip") == "first":
        values = values.clip(low, high)
    if "spacing" in how:
        for axis, wanted in enumerate(how["spacing"]):
            values = _resampled(values, axis, wanted / spacing[axis], centered)
    if how.get("crop") == "foreground":
        values = _foreground(values, low)
    if how["resize"] == "keep":
        sized = values
    elif how["resize"] == "area":
        sized = torch.nn.functional.interpolate(
            torch.from_numpy(np.ascontiguousarray(values))[None, None], how["size"], mode="area"
        )[0, 0].numpy()
    else:
        fill = max(low, values.min()) if how.get("fill") == "lowest" else low
        sized = _padded_or_cropped(values, how["size"], fill, centered)
    shares = ((sized - low) / (high - low)).clip(0, 1)
    if "mean" in how:
        shares = (shares - how["mean"][0]) / how["std"][0]
    return shares.astype(np.float32)[None]


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


def _resampled(values: np.ndarray, axis: int, step: float, centered: bool) -> np.ndarray:
    """Values at every ``step`` voxels of an axis, linearly interpolated: from the first one on, as
    MONAI has it, or ``centered``, as many as the axis has room for and the same distance from both
    of its ends, as TorchIO has it.
    """
    count = values.shape[axis]
    last = count - 1
    if centered:
        # A hair more, so that rounding does not decide whether the last one has room.
        room = 1 if count == 1 else max(1, int(count / step + 1e-6))
        places = last / 2 + (np.arange(room) - (room - 1) / 2) * step
    else:
        places = np.arange(int(np.round(last / step + 1))) * step
    places = places.clip(0, last)
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


def _padded_or_cropped(
    values: np.ndarray, size: Sequence[int], fill: float, centered: bool
) -> np.ndarray:
    """The middle of the volume, with ``fill`` around it where it is smaller than ``size``.

    Of an odd number of voxels to add, one more is behind; of those to cut off, one more is in front
    where ``size`` is odd, behind where it is even. ``centered``: one more is in front, always.
    """
    missing = [max(0, wanted - had) for wanted, had in zip(size, values.shape, strict=True)]
    before = [-(-each // 2) if centered else each // 2 for each in missing]
    widths = [(first, each - first) for first, each in zip(before, missing, strict=True)]
    filled = np.pad(values, widths, constant_values=fill)
    starts = [
        -(-(had - wanted) // 2) if centered else had // 2 - wanted // 2
        for wanted, had in zip(size, filled.shape, strict=True)
    ]
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


def whole_parts(slug: str, how: Mapping, side: Sequence[int], name: str) -> None:
    """Raise :class:`InputError` unless the `size` of a card's ``preprocessing`` is a multiple of the
    ``side`` of the parts, of that ``name``, that its network cuts a volume into.
    """
    size = how.get("size", ())
    if len(size) != len(side) or any(n % part for n, part in zip(size, side, strict=True)):
        given = f"size: {list(size)}" if size else f"resize: {how['resize']}"
        raise InputError(
            f"the model card '{slug}' has `preprocessing: {given}`, but its network cuts a volume "
            f"into {name} of {' x '.join(map(str, side))} voxels: give a `size` of whole {name}"
        )
