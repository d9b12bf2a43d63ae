"""Files that hold several images, as the addresses of those that are taken."""

from collections.abc import Mapping
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.images import raster, reader
from radcbir.images.address import PLANES, join_address, split_address


def images_of(path: str, root: str | Path, options: Mapping) -> list[str]:
    """The addresses of the images of a file below ``root``; the path itself where it is one image,
    names one, or cannot be read.

    ``options`` are those of `prepare: folder`: `planes`, `step`, `trim`.
    """
    file, selectors = split_address(path)
    try:
        parts = {} if selectors else reader.parts(reader.resolve(root, file))
    except (raster.UnreadableImage, InputError):
        return [path]
    if "frame" in parts:
        return [join_address(file, {"frame": each}) for each in taken(parts["frame"], options)]
    if not parts:
        return [path]
    count = parts["volume"]
    series = [{"volume": number} for number in range(count)] if count > 1 else [{}]
    return [
        join_address(file, {plane: number, **volume})
        for volume in series
        for plane in PLANES
        if plane in options["planes"]
        for number in taken(parts[plane], options)
    ]


def taken(count: int, options: Mapping) -> range:
    """Every `step`-th of so many slices, from the middle of the first step on, without the share
    `trim` at both ends.
    """
    start = int(count * options["trim"])
    stop = count - start
    return range(min(start + (options["step"] - 1) // 2, stop - 1), stop, options["step"])
