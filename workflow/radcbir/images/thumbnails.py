"""Thumbnails of images for pages."""

import base64
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from radcbir.images import raster, reader
from radcbir.images.intensity import INTENSITY


class Thumbnails:
    """Thumbnails as data URIs, each image once: a CSS class per image."""

    def __init__(
        self,
        roots: Mapping[str, str | None],
        pixels: int,
        intensities: Mapping[str, Mapping] | None = None,
    ):
        """``roots`` maps a dataset to its image root, None where there are no images,
        ``intensities`` to its intensity policy; ``pixels`` is the longest side.
        """
        self.roots, self.pixels = roots, pixels
        self.names: dict[tuple[str, str], str] = {}
        self.intensities = intensities or {}

    def name(self, dataset: str, path: str) -> str:
        """The class that shows this image."""
        return self.names.setdefault((dataset, path), f"t{len(self.names)}")

    def data(self) -> list[tuple[str, str]]:
        """Class and data URI of every image named so far; one that cannot be read any more stays
        black.
        """
        with ThreadPoolExecutor(4) as pool:
            encoded = pool.map(self._encode, self.names)
            return [
                (name, uri) for name, uri in zip(self.names.values(), encoded, strict=True) if uri
            ]

    def _encode(self, key: tuple[str, str]) -> str:
        dataset, path = key
        root = self.roots[dataset]
        if root is None:
            return ""
        try:
            intensity = self.intensities.get(dataset, INTENSITY)
            thumbnail = reader.thumbnail(reader.resolve(root, path), self.pixels, intensity)
        except raster.UnreadableImage:
            return ""
        buffer = io.BytesIO()
        thumbnail.save(buffer, "JPEG", quality=82)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
