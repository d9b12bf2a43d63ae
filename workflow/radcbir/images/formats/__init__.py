"""What kind of file an image is, and who reads it: one module per family of formats.

Every module of this package has a ``READER`` (:class:`radcbir.images.source.Reader`). Adding a
module adds a format. Its name is the name of the reader.
"""

import importlib
import pkgutil

from radcbir.images.source import Reader

READERS: tuple[Reader, ...] = tuple(
    importlib.import_module(f"{__name__}.{module.name}").READER
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name)
)
"""All readers, in the order in which they are tried."""


def kind_of(head: bytes, name: str) -> Reader | None:
    """Who reads a file: by its first bytes, and by its name where these say nothing.

    None for a file that is no image. This is the one place that decides it.
    """
    for reader in READERS:
        if reader.sniff(head):
            return reader
    return by_name(name)


def by_name(name: str) -> Reader | None:
    """Who reads files of such a name; None where the name says nothing."""
    lower = name.lower()
    return next((reader for reader in READERS if lower.endswith(reader.suffixes)), None)
