"""NIfTI volumes -> rasters: slices in the planes of the body, as radiologists look at them.

nibabel takes a while to load and few datasets need it, so it is imported where it is used.
"""

import contextlib
import gzip
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from radcbir.images.address import PLANES
from radcbir.images.intensity import SAMPLE
from radcbir.images.limits import Limits, check_size
from radcbir.images.raster import Raster, UnreadableImage, integer_range
from radcbir.images.source import Reader, Source

VERSION = 1
"""Raise it when pixels change."""

KEPT = 2
"""Volumes held in memory. Slices follow one another, and unpacking a file for each of them would
take most of the time."""

PACKED = b"\x1f\x8b"
"""How packed files begin."""

DEFLATE = 1032
"""No packed file unpacks to more than so many times its size."""

CHUNK = 2**22
"""Bytes that are unpacked at a time."""

SERIES_KEPT = 2**29
"""A packed series of up to so many bytes is unpacked once for all its volumes, which are then cut
out of it."""

SERIES = 8
"""So many times the largest volume may be unpacked to reach one volume of a series."""

_kept: OrderedDict[tuple, "Volume"] = OrderedDict()

_series: dict[tuple, np.ndarray] = {}
"""The voxels of the packed series that was read last, as bytes."""

_lock = threading.Lock()


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume lie, by its header alone: its axes run to the right, to the
    front and up.
    """

    shape: tuple[int, ...]
    """``(3,)``."""
    affine: np.ndarray
    """``(4, 4)``: indices -> mm."""

    def position(self, plane: str, number: int) -> float:
        """Where a slice lies along the normal of its plane, in mm."""
        axis = PLANES.index(plane)
        one, other = (self.affine[:3, each] for each in range(3) if each != axis)
        normal = np.cross(one, other)
        normal *= np.sign(normal @ self.affine[:3, axis]) / np.linalg.norm(normal)
        return float(normal @ (self.affine[:3, axis] * number + self.affine[:3, 3]))


class Header:
    """What the header of a file says, checked against the file's size before anything is read."""

    def __init__(self, source: Source, limits: Limits):
        from nibabel import Nifti1Header, Nifti2Header
        from nibabel.orientations import io_orientation

        block = _unpacked(source.head)
        if block[344:348] == b"ni1\0":
            raise UnreadableImage("a NIfTI header without its voxels: save both as one .nii")
        kind = Nifti2Header if block[4:8] == b"n+2\0" else Nifti1Header
        header = kind(block[: kind.template_dtype.itemsize])
        self.packed = source.head[:2] == PACKED
        self.dtype = header.get_data_dtype()
        self.shape = _shape(header.get_data_shape())
        self.offset = int(header.get_data_offset())
        self.affine = header.get_best_affine()
        self.orientation = io_orientation(self.affine)
        found = header.get_slope_inter()
        self.slope = 1.0 if found[0] is None else float(found[0])
        self.intercept = 0.0 if found[1] is None else float(found[1])
        self.volume_bytes = int(np.prod(self.shape[:3], dtype=object)) * self.dtype.itemsize
        self._check(source.size, limits)

    def _check(self, size: int, limits: Limits) -> None:
        if self.dtype.kind == "c":
            raise UnreadableImage("complex numbers, which are no image")
        held = min(DEFLATE * size, SERIES * limits.volume) if self.packed else size
        if self.volume_bytes > limits.volume and (self.packed or self.volume_bytes > held):
            name = " x ".join(map(str, self.shape[: 3 + (self.shape[3] > 1)]))
            raise UnreadableImage(f"too large: a volume of {name}")
        if self.offset > limits.extensions:
            raise UnreadableImage(f"broken: a header of {self.offset} bytes")
        if self.offset + self.volume_bytes * self.shape[3] > held:
            raise UnreadableImage("truncated")

    def sizes(self) -> dict[str, int]:
        """The number of slices per plane, and of volumes (``volume``)."""
        order = self.orientation[:, 0]
        spatial = {
            int(axis): self.shape[place] for place, axis in enumerate(order) if np.isfinite(axis)
        }
        planes = {plane: spatial.get(axis, 1) for axis, plane in enumerate(PLANES)}
        return {**planes, "volume": self.shape[3]}

    def grid(self) -> Grid:
        """Where the voxels of each volume lie."""
        from nibabel.orientations import inv_ornt_aff

        sizes = self.sizes()
        turned = self.affine @ inv_ornt_aff(self.orientation, self.shape[:3])
        return Grid(tuple(sizes[plane] for plane in PLANES), turned)


class Volume:
    """A volume whose axes run to the right, to the front and up, as ``affine`` (4, 4) says in mm.

    ``voxels`` are as stored (in the file itself where it is not packed), ``spacing`` is the
    distance of their centers by the affine alone, ``population`` what percentiles are taken over.
    """

    def __init__(self, source: Source, number: int, header: Header):
        from nibabel.affines import voxel_sizes
        from nibabel.orientations import apply_orientation

        self.header = header
        self.voxels = apply_orientation(_voxels(source, number, header), header.orientation)
        self.affine = header.grid().affine
        self.spacing = tuple(float(each) for each in voxel_sizes(self.affine))
        self.population = None
        if header.dtype.fields is None:
            sample = self.voxels.flat[:: max(1, -(-self.voxels.size // SAMPLE))]
            sample = self.scaled(sample)
            self.population = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample

    def scaled(self, stored: np.ndarray) -> np.ndarray:
        """Stored values in the units of the file: ``slope * stored + intercept``."""
        from nibabel.volumeutils import apply_read_scaling

        if stored.dtype.fields is not None:
            return np.stack([stored[name] for name in ("R", "G", "B")], axis=-1)
        scaling: list[Any] = [np.asarray(self.header.slope), np.asarray(self.header.intercept)]
        return np.asarray(apply_read_scaling(np.asarray(stored), *scaling))


def read(source: Source, selectors: Mapping[str, int], limits: Limits) -> Raster:
    """Read one slice: ``{"axial": 45}``, and of a series ``{"axial": 45, "volume": 3}``.

    The patient's right is on the left of axial and coronal slices, the front on top of axial and on
    the left of sagittal ones. Percentiles are those of the volume. Voxels that are not finite are
    padding.

    Raises :class:`UnreadableImage`: no slice named, no such slice, truncated, too large.
    """
    with _reasons():
        header = Header(source, limits)
        plane, place = _chosen(selectors, header.sizes())
        volume = _volume(source, selectors.get("volume", 0), header)
        axis = PLANES.index(plane)
        across, down = (each for number, each in enumerate(volume.spacing) if number != axis)
        # np.take would copy the whole volume first, whose first axis runs fastest.
        cut = volume.voxels[(slice(None),) * axis + (place,)].copy()[::-1, ::-1].swapaxes(0, 1)
        check_size(cut.shape[0], cut.shape[1], limits, 16)
        return _raster(volume, volume.scaled(cut), (down, across))


def grid(source: Source, limits: Limits) -> Grid:
    """The grid of a file's volumes. Raises :class:`UnreadableImage` as :func:`read` does."""
    with _reasons():
        return Header(source, limits).grid()


def volume(source: Source, number: int, limits: Limits) -> Volume:
    """One volume of a file. Raises :class:`UnreadableImage`: no such volume, truncated, too large."""
    with _reasons():
        header = Header(source, limits)
        if number >= header.shape[3]:
            raise UnreadableImage(f"no volume {number}: the file has {header.shape[3]}")
        return _volume(source, number, header)


def _raster(volume: Volume, values: np.ndarray, spacing: tuple[float, float]) -> Raster:
    header, dtype = volume.header, volume.header.dtype
    if dtype.fields is not None:
        return Raster(values, 8, "uint8 RGB volume", (0.0, 255.0), spacing=spacing)
    padding = None
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        padding = ~np.isfinite(values)
        population = volume.population
        lowest = population.min() if population is not None and population.size else 0
        values = np.where(padding, lowest, values)
    bits = 8 * dtype.itemsize if dtype.kind in "iu" else 0
    full_range = None
    if bits:
        ends = (
            each * header.slope + header.intercept
            for each in integer_range(bits, dtype.kind == "i")
        )
        low, high = sorted(ends)
        full_range = low, high
    return Raster(
        values,
        bits,
        f"{dtype.name} volume",
        full_range,
        signed=dtype.kind == "i",
        rescaled=(header.slope, header.intercept) != (1.0, 0.0),
        padding=padding,
        population=volume.population,
        spacing=spacing,
    )


def _chosen(selectors: Mapping[str, int], counts: Mapping[str, int]) -> tuple[str, int]:
    """The plane that is named, and the place in it."""
    planes = [name for name in selectors if name in PLANES]
    middle = f"#axial={counts['axial'] // 2}"
    if len(planes) != 1 or set(selectors) - {*PLANES, "volume"}:
        raise UnreadableImage(f"a volume: name a slice, such as {middle}")
    if counts["volume"] > 1 and "volume" not in selectors:
        raise UnreadableImage(f"{counts['volume']} volumes: name one, such as {middle}&volume=0")
    for name, number in selectors.items():
        if number >= counts[name]:
            raise UnreadableImage(
                f"no {name} {number}: the last of {counts[name]} is {counts[name] - 1}"
            )
    return planes[0], selectors[planes[0]]


def _volume(source: Source, number: int, header: Header) -> Volume:
    """The volume, from memory where it was read just now.

    One thread unpacks, the others wait for it.
    """
    key = (source.path, number, source.modified, source.size)
    with _lock:
        if key not in _kept:
            _kept[key] = Volume(source, number, header)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]


def forget() -> None:
    """Let go of the volumes that are held in memory."""
    with _lock:
        _kept.clear()
        _series.clear()


def _voxels(source: Source, number: int, header: Header) -> np.ndarray:
    """The stored voxels of one volume of a file: mapped, or unpacked into memory."""
    start = header.offset + number * header.volume_bytes
    shape, dtype = header.shape[:3], header.dtype
    if not header.packed:
        return np.memmap(source.path, dtype, "r", start, shape, order="F")
    whole = header.volume_bytes * header.shape[3]
    if header.shape[3] == 1 or whole > SERIES_KEPT:
        content = _unfolded(source.path, start, header.volume_bytes)
        return content.view(dtype).reshape(shape, order="F")
    key = (source.path, source.modified, source.size)
    if key not in _series:
        _series.clear()
        _series[key] = _unfolded(source.path, header.offset, whole)
    content = _series[key][number * header.volume_bytes :][: header.volume_bytes]
    return content.view(dtype).reshape(shape, order="F")


def _unfolded(path: str, start: int, size: int) -> np.ndarray:
    """So many bytes of a packed file, in memory."""
    content = np.empty(size, dtype=np.uint8)  # takes memory as it is filled
    with gzip.open(path) as unpacked:
        unpacked.seek(start)
        for place in range(0, len(content), CHUNK):
            chunk = content[place : place + CHUNK]
            found = unpacked.read(len(chunk))
            if len(found) < len(chunk):
                raise UnreadableImage("truncated")
            chunk[:] = np.frombuffer(found, dtype=np.uint8)
    return content


def _unpacked(head: bytes) -> bytes:
    """The first bytes of a volume."""
    if head[:2] != PACKED:
        return head[:1024]
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 1024)
    except zlib.error:
        return b""


def _shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    if len(shape) < 2 or any(each > 1 for each in shape[4:]):
        raise UnreadableImage(f"a volume of {len(shape)} dimensions")
    if any(each < 1 for each in shape):
        raise UnreadableImage("a volume without voxels")
    whole = [int(each) for each in shape[:4]] + [1] * 4
    return whole[0], whole[1], whole[2], whole[3]


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turns what nibabel raises into the reason of the ledger; what the operating system says
    passes.
    """
    try:
        yield
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # damaged headers and streams fail in many ways
        if isinstance(error, OSError) and error.errno is not None:
            raise
        words = str(error)
        ends = ("Expected", "end-of-stream", "buffer")
        if isinstance(error, EOFError) or any(each in words for each in ends):
            raise UnreadableImage("truncated") from None
        raise UnreadableImage(
            f"broken: not a valid NIfTI volume ({type(error).__name__})"
        ) from None


def _parts(source: Source, limits: Limits) -> dict[str, int]:
    with _reasons():
        return Header(source, limits).sizes()


def _sniff(head: bytes) -> bool:
    block = _unpacked(head)
    if block[4:12] == b"n+2\0\r\n\x1a\n":
        return True
    lengths = ((348).to_bytes(4, "little"), (348).to_bytes(4, "big"))
    return block[344:348] in (b"n+1\0", b"ni1\0") and block[:4] in lengths


READER = Reader(
    name="nifti",
    version=VERSION,
    suffixes=(".nii", ".nii.gz"),
    sniff=_sniff,
    read=read,
    parts=_parts,
)
