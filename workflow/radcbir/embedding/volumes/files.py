"""Vectors of volumes that exist already, a file per volume."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from radcbir.core.errors import InputError
from radcbir.embedding.hdf5_sources import DatasetPerImage, damage, open_checked, printable
from radcbir.images.address import split_address

VOLUME = "y_hat"
"""The dataset of a file that is the vector of its volume."""

NO_FILE = "no file of its volume in the folder"


class FilePerVolume:
    """A folder with an HDF5 file per volume, whose dataset :data:`VOLUME` of the shape ``(d,)`` or
    ``(1, d)`` is the volume's vector. It is the form of the CVPR 2026 challenge on foundation models
    for 3D CT.

    A slice has the vector of its volume. The file of a volume has the path of the volume without its
    suffix, or its name alone. Slices that are files of their own may have that of their folder.
    """

    def __init__(self, path: Path, dimension: int | None):
        self.files = {
            file.relative_to(path).with_suffix("").as_posix(): file
            for file in sorted(path.rglob("*.h5"))
        }
        if not self.files:
            raise InputError(f"the folder {path} has no file that ends with .h5: correct `path:`")
        names = Counter(PurePosixPath(each).name for each in self.files)
        self.named = {
            PurePosixPath(each).name: file
            for each, file in self.files.items()
            if names[PurePosixPath(each).name] == 1
        }
        first = next(iter(self.files.values()))
        self.dimension = dimension or _length(first)
        self.expected = (
            f"the model card says `dimension: {dimension}`"
            if dimension
            else f"that of {first.relative_to(path)} has {self.dimension} numbers"
        )
        self.libraries = {"h5py": h5py.__version__}
        self._known: dict[Path, tuple[np.ndarray, str]] = {}

    def read(self, ids: np.ndarray, paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Vectors (n, dimension) of some images, and why one is not there ("" where it is)."""
        vectors = np.zeros((len(paths), self.dimension), dtype=np.float32)
        reasons = [NO_FILE] * len(paths)
        for place, path in enumerate(paths):
            file = self._file_of(PurePosixPath(split_address(path)[0]))
            if file is not None:
                vectors[place], reasons[place] = self._vector(file)
        return vectors, reasons

    def _file_of(self, image: PurePosixPath) -> Path | None:
        """The file of the volume that an image belongs to, None without one."""
        stem = image.with_name(image.name.removesuffix(".gz")).with_suffix("")
        for place in (stem, image.parent):
            found = self.files.get(place.as_posix()) or self.named.get(place.name)
            if found is not None:
                return found
        return None

    def _vector(self, path: Path) -> tuple[np.ndarray, str]:
        """The vector of a file, and why there is none; each file is read once."""
        if path not in self._known:
            with open_checked(path) as file:
                source = DatasetPerImage(path, file, self.dimension)
                source.expected = self.expected
                [vector], [reason] = source.read(np.zeros(1, dtype=np.int64), [VOLUME])
            self._known[path] = vector, reason
        return self._known[path]

    def describe(self) -> str:
        """What is in it, in a few words, for a message."""
        return f"it has files such as '{printable(next(iter(self.files)))}.h5'"


def _length(path: Path) -> int:
    """The length of the vector of a file."""
    with open_checked(path) as file, damage(path):
        found = file.get(VOLUME)
        shape = found.shape if isinstance(found, h5py.Dataset) else ()
    if not shape:
        raise InputError(
            f"{path} has no dataset '{VOLUME}', the vector of a volume: name a folder of such files, "
            "or one file of embeddings"
        )
    return shape[-1]
