"""What a child process that decodes can do: read an upload or an image of the catalog, cut out a
region, make a picture that browsers show.

This is the one place of the page that reads image files.
"""

import base64
import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from radcbir.app.views.values import values_of
from radcbir.core.errors import InputError
from radcbir.images import reader
from radcbir.images.address import PLANES, join_address
from radcbir.images.limits import LIMITS, Limits
from radcbir.images.raster import UnreadableImage

SMALLEST_CROP = 8

PREVIEW = 640
"""The longest side of a preview in pixels."""


class Decoder:
    """Reads sources: mappings with ``name``, ``intensity`` (the policy), an optional ``crop``, and
    either ``path``, the address of an image of the catalog, or ``bytes`` of an upload, with an
    optional ``part``.
    """

    def __init__(self, pixels: int):
        """``pixels`` is how many an uploaded image may have."""
        self.limits = Limits(pixels=pixels)

    def describe(self) -> dict:
        """Decoders are all alike."""
        return {}

    def preview(self, source: Mapping) -> dict:
        """An upload as a picture, its size, the parts of the file that can be chosen, and the one
        that is shown; of a file without parts its ``place``, ``normal`` and ``position`` (mm), where
        the file says it.
        """
        from radcbir.app.units.positions import places

        with self._opened(source) as path:
            parts, chosen = _part(path, source, self.limits)
            image = self._read(join_address(path, chosen), source)
            [place] = [None] if parts else places(path, source["name"], [{}], self.limits)
        size = image.size
        image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.BICUBIC)
        return {
            "picture": data_uri(image),
            "width": size[0],
            "height": size[1],
            "parts": parts,
            "part": chosen,
            "place": place._asdict() if place else None,
        }

    def image(self, source: Mapping) -> tuple[str, tuple[int, int], bytes]:
        """The pixels of a source, cropped, as the arguments of ``Image.frombytes``."""
        if "path" in source:
            return _as_arguments(_cropped(self._read(source["path"], source), source))
        return self.images(source, [source.get("part") or {}])[0]

    def images(self, source: Mapping, parts: Sequence[Mapping]) -> list[tuple]:
        """The same of several ``parts`` of an upload, which is unpacked once."""
        found = []
        with self._opened(source) as path:
            for part in parts:
                _, chosen = _part(path, {**source, "part": part}, self.limits)
                image = self._read(join_address(path, chosen), source)
                found.append(_as_arguments(_cropped(image, source)))
        return found

    def places(self, source: Mapping, parts: Sequence[Mapping]) -> list:
        """Where ``parts`` of an upload lie (:func:`radcbir.app.units.positions.places`)."""
        from radcbir.app.units.positions import places

        with self._opened(source) as path:
            return places(path, source["name"], parts, self.limits)

    def picture(self, source: Mapping, side: int) -> bytes:
        """A source as JPEG, its longest side at most ``side`` pixels."""
        image = self._read(source["path"], source)
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
        return _jpeg(image, 85)

    def values(self, source: Mapping) -> tuple[dict, bytes]:
        """The values of a source for the viewer (:func:`radcbir.app.views.values.values_of`);
        ``modality`` may say what it is.
        """
        if "path" in source:
            return self._values(source["path"], source)
        with self._opened(source) as path:
            _, chosen = _part(path, source, self.limits)
            return self._values(join_address(path, chosen), source)

    def archived(self, content: bytes, sop: str, leave_out: Sequence[str]) -> dict:
        """What a file of an archive is (:func:`radcbir.app.archive.images.image_of`)."""
        from radcbir.app.archive.images import image_of

        with self._opened({"bytes": content}) as path:
            return image_of(path, sop, leave_out)

    def _values(self, address: str, source: Mapping) -> tuple[dict, bytes]:
        limits, name = self._limits(source)
        try:
            raster = reader.read_raster(address, limits, name)
            return values_of(raster, source["intensity"], source.get("modality"))
        except UnreadableImage as error:
            raise _unreadable(source, error, limits) from None

    @contextlib.contextmanager
    def _opened(self, source: Mapping) -> Iterator[str]:
        """An upload as a path that libraries can open, for as long as it is read: memory that no
        folder names.
        """
        descriptor = os.memfd_create("upload", os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(source["bytes"])
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
            reader.forget()

    def _limits(self, source: Mapping) -> tuple[Limits, str | None]:
        return (LIMITS, None) if "path" in source else (self.limits, source["name"])

    def _read(self, address: str, source: Mapping) -> Image.Image:
        limits, name = self._limits(source)
        try:
            return reader.read(address, source["intensity"], limits, name)
        except UnreadableImage as error:
            raise _unreadable(source, error, limits) from None


def _part(path: str, source: Mapping, limits: Limits) -> tuple[dict[str, int], dict[str, int]]:
    """What a file holds, and which part is meant: the one that is named, else the first frame, or
    the middle slice of the first volume.
    """
    try:
        parts = reader.parts(path, limits, source["name"])
    except UnreadableImage as error:
        raise _unreadable(source, error, limits) from None
    if not parts:
        return {}, {}
    given = source.get("part") or {}
    name = next((each for each in ("frame", *PLANES) if each in given), None)
    name = name or ("frame" if "frame" in parts else "axial")
    default = 0 if name == "frame" else parts.get(name, 0) // 2
    chosen = {name: given.get(name, default)}
    if parts.get("volume", 1) > 1:
        chosen["volume"] = given.get("volume", 0)
    for name, number in chosen.items():
        if name not in parts:
            raise InputError(f"{_name(source)} has no {name}: choose {', '.join(parts)}")
        if number >= parts[name]:
            raise InputError(
                f"{_name(source)} has no {name} {number}: the last is {parts[name] - 1}"
            )
    return parts, chosen


def _cropped(image: Image.Image, source: Mapping) -> Image.Image:
    """The image within ``crop``: left, top, right, bottom as shares of its width and height."""
    if not source.get("crop"):
        return image
    left, top, right, bottom = source["crop"]
    box = (
        round(left * image.width),
        round(top * image.height),
        round(right * image.width),
        round(bottom * image.height),
    )
    width, height = max(0, box[2] - box[0]), max(0, box[3] - box[1])
    if width < SMALLEST_CROP or height < SMALLEST_CROP:
        raise InputError(
            f"the region of {_name(source)} is {width} x {height} pixels: draw one of at least "
            f"{SMALLEST_CROP} x {SMALLEST_CROP}"
        )
    return image.crop(box)


def _as_arguments(image: Image.Image) -> tuple[str, tuple[int, int], bytes]:
    return image.mode, image.size, image.tobytes()


def data_uri(image: Image.Image) -> str:
    """An image as text that browsers show."""
    return "data:image/jpeg;base64," + base64.b64encode(_jpeg(image, 88)).decode()


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _name(source: Mapping) -> str:
    return f"the image '{source.get('name') or Path(source['path']).name}'"


def _unreadable(source: Mapping, error: UnreadableImage, limits: Limits) -> InputError:
    if "path" in source:
        return InputError(f"the image cannot be read any more ({error})")
    reason = str(error)
    if reason.startswith("too large: ") and reason.endswith(" pixels"):
        return InputError(
            f"{_name(source)} is {reason}, more than {limits.pixels:,}: make it smaller"
        )
    return InputError(
        f"{_name(source)} cannot be read ({reason}): choose a PNG, JPEG, TIFF, DICOM or NIfTI file"
    )
