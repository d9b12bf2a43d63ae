"""NIfTI volumes -> rasters: slices in the planes of the body, as radiologists look at them, with
square pixels.
"""

import contextlib
import gzip
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from radcbir.images.address import PLANES
from radcbir.images.intensity import SAMPLE
from radcbir.images.raster import Raster, UnreadableImage, check_size, integer_range

MAX_BYTES = 4 * 2**30
"""A volume of more bytes is refused: a file of a few kilobytes can claim them."""

KEPT = 2
"""Volumes held in memory: slices follow one another, and unpacking a file for each of them would
take most of the time."""


_kept: OrderedDict[tuple, "Volume"] = OrderedDict()


_lock = threading.Lock()


class Volume:
    """A volume whose axes run to the right, to the front and up, and what percentiles are taken
    over.
    """

    def __init__(self, path: str, number: int):
        image = _load(path)
        shape, dtype = image.shape, image.header.get_data_dtype()
        if int(np.prod(shape[:3], dtype=np.float64)) * max(8, dtype.itemsize) > MAX_BYTES:
            raise UnreadableImage(f"too large: a volume of {' x '.join(map(str, shape))}")
        if dtype.kind == "c":
            raise UnreadableImage("complex numbers, which are no image")
        slope, intercept = (
            default if each is None else float(each)
            for each, default in zip(image.header.get_slope_inter(), (1.0, 0.0), strict=True)
        )
        if len(shape) > 3:  # only this volume is read
            image = image.slicer[:, :, :, number : number + 1]
        image = nibabel.as_closest_canonical(image)
        voxels = np.asanyarray(image.dataobj).reshape(_shape(image)[:3])
        if dtype.fields:  # RGB voxels
            voxels = np.stack([voxels[name] for name in ("R", "G", "B")], axis=-1)
        self.voxels, self.spacing = voxels, (*map(_spacing, image.header.get_zooms()[:3]), 1.0)[:3]
        self.kind = f"{dtype.name} volume" if not dtype.fields else "uint8 RGB volume"
        self.bits = 8 if dtype.fields else 8 * dtype.itemsize if dtype.kind in "iu" else 0
        self.full_range = None
        if self.bits:
            ends = sorted(
                each * slope + intercept for each in integer_range(self.bits, dtype.kind == "i")
            )
            self.full_range = (0.0, 255.0) if dtype.fields else (ends[0], ends[1])
        if dtype.kind == "i" or (slope, intercept) != (1.0, 0.0):
            self.bits = max(self.bits, 9) if self.bits else 0
        flat = voxels.reshape(-1)
        flat = flat[:: max(1, -(-flat.size // SAMPLE))]
        self.population = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat


def sizes(path: str | Path) -> dict[str, int]:
    """The number of slices per plane, and of volumes (``volume``), from the header alone."""
    with _reasons():
        image = _load(path)
        shape = _shape(image)
        order = nibabel.orientations.io_orientation(image.affine)[:, 0]
        spatial = {int(axis): shape[place] for place, axis in enumerate(order) if np.isfinite(axis)}
        return {
            **{plane: spatial.get(axis, 1) for axis, plane in enumerate(PLANES)},
            "volume": shape[3],
        }


def read(path: str, selectors: Mapping[str, int]) -> Raster:
    """Read one slice: ``{"axial": 45}``, and of a series ``{"axial": 45, "volume": 3}``.

    The patient's right is on the left of axial and coronal slices, the front on top of axial and on
    the left of sagittal ones. A slice whose pixels are not square is stretched along its coarser
    side. Percentiles are those of the volume.

    Raises :class:`UnreadableImage`: no slice named, no such slice, truncated, too large.
    """
    with _reasons():
        counts = sizes(path)
        planes = [name for name in selectors if name in PLANES]
        if len(planes) != 1 or set(selectors) - {*PLANES, "volume"}:
            raise UnreadableImage(f"a volume: name a slice, such as #axial={counts['axial'] // 2}")
        if counts["volume"] > 1 and "volume" not in selectors:
            raise UnreadableImage(
                f"{counts['volume']} volumes: name one, such as "
                f"#axial={counts['axial'] // 2}&volume=0"
            )
        for name, number in selectors.items():
            if number >= counts[name]:
                raise UnreadableImage(
                    f"no {name} {number}: the last of {counts[name]} is {counts[name] - 1}"
                )
        volume = _volume(path, selectors.get("volume", 0))
    plane, place = planes[0], selectors[planes[0]]
    axis = PLANES.index(plane)
    cut = np.take(volume.voxels, place, axis=axis)
    cut = cut[::-1, ::-1].swapaxes(0, 1)
    across, down = (each for number, each in enumerate(volume.spacing) if number != axis)
    padding = None
    if cut.dtype.kind == "f" and not np.isfinite(cut).all():
        padding = ~np.isfinite(cut)
        cut = np.where(padding, volume.population.min() if len(volume.population) else 0, cut)
    check_size(*cut.shape[:2])
    cut, padding = _square(cut, padding, across, down)
    return Raster(
        cut,
        volume.bits,
        volume.kind,
        volume.full_range,
        padding=padding,
        population=volume.population,
    )


def _square(
    cut: np.ndarray, padding: np.ndarray | None, across: float, down: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Stretch the coarser side linearly to the spacing of the finer one; less than one percent is
    left alone.
    """
    if max(across, down) < 1.01 * min(across, down):
        return cut, padding
    finer = min(across, down)
    size = (
        max(1, round(cut.shape[1] * across / finer)),
        max(1, round(cut.shape[0] * down / finer)),
    )
    check_size(*size)
    if cut.ndim == 3:
        stretched = np.asarray(
            Image.fromarray(np.ascontiguousarray(cut)).resize(size, Image.Resampling.BILINEAR)
        )
    else:
        stretched = np.asarray(
            Image.fromarray(cut.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
        )
        stretched = np.rint(stretched).astype(cut.dtype) if cut.dtype.kind in "iu" else stretched
    if padding is not None:
        padding = np.asarray(Image.fromarray(padding).resize(size, Image.Resampling.NEAREST))
    return stretched, padding


def forget() -> None:
    """Let go of the volumes that are held in memory."""
    with _lock:
        _kept.clear()


def _load(path: str | Path) -> nibabel.Nifti1Image:
    """The image in a file; where the path has no suffix, by its content: the descriptor of an open
    file has none.
    """
    if Path(path).suffix:
        return nibabel.load(path)
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    opened = gzip.open if packed else open
    stream = opened(path, "rb")  # read from for as long as the image is used
    head = stream.read(4)
    version_2 = 540 in (int.from_bytes(head, "little"), int.from_bytes(head, "big"))
    stream.seek(0)
    return (nibabel.Nifti2Image if version_2 else nibabel.Nifti1Image).from_stream(stream)


def _volume(path: str, number: int) -> Volume:
    """The volume, from memory where it was read just now; one thread unpacks, the others wait for
    it.
    """
    status = Path(path).stat()
    key = (path, number, status.st_mtime_ns, status.st_size)
    with _lock:
        if key not in _kept:
            _kept[key] = Volume(path, number)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]


def _spacing(given: float) -> float:
    return float(given) if np.isfinite(given) and given > 0 else 1.0


def _shape(image: nibabel.spatialimages.SpatialImage) -> tuple[int, int, int, int]:
    shape = image.shape
    if not 2 <= len(shape) <= 4 and any(each > 1 for each in shape[4:]):
        raise UnreadableImage(f"a volume of {len(shape)} dimensions")
    if any(each < 1 for each in shape):
        raise UnreadableImage("a volume without voxels")
    return (*shape[:4], *[1] * (4 - len(shape)))[:4]


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turns what nibabel raises into the reason of the ledger; what the operating system says
    passes.
    """
    try:
        yield
    except (UnreadableImage, FileNotFoundError):
        raise
    except MemoryError:
        raise UnreadableImage("too large for the memory") from None
    except Exception as error:  # damaged headers and streams fail in many ways
        if isinstance(error, OSError) and error.errno is not None:
            raise
        words = str(error)
        if (
            isinstance(error, EOFError)
            or "Expected" in words
            or "end-of-stream" in words
            or "buffer" in words
        ):
            raise UnreadableImage("truncated") from None
        raise UnreadableImage(
            f"broken: not a valid NIfTI volume ({type(error).__name__})"
        ) from None
