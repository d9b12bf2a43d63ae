"""Pixels as a file stores them, with what the file says about how to show them."""

from dataclasses import dataclass, field

import numpy as np

MAX_PIXELS = 200_000_000
"""Larger images are refused: a file of a few kilobytes can claim them and fill the memory."""


class UnreadableImage(Exception):
    """An image that cannot be used; the message is the short reason that goes into the ledger."""


@dataclass(frozen=True)
class Window:
    """A display window in the units of the values: linear from ``low`` to ``high``, or a sigmoid
    through its centre.
    """

    center: float
    width: float
    function: str = "LINEAR"

    def limits(self) -> tuple[float, float]:
        """Where the output begins to rise and where it stays at its top (DICOM PS3.3, C.11.2.1.2
        and C.11.2.1.3).
        """
        if self.function == "LINEAR":
            return self.center - 0.5 - (self.width - 1) / 2, self.center - 0.5 + (
                self.width - 1
            ) / 2
        return self.center - self.width / 2, self.center + self.width / 2


@dataclass(frozen=True)
class Raster:
    """One image before scaling."""

    values: np.ndarray
    """(rows, columns) or (rows, columns, 3), of any number type, in the file's units (Hounsfield,
    counts ...)."""
    bits: int
    """Bits per sample as stored; 0 for floating point, 9 at least for small integers that are no
    shown values (signed or rescaled ones): what has up to 8 bits keeps its range."""
    kind: str
    """Type and channels as stored, for instance ``int16`` or ``uint8 RGB``: what an audit
    compares."""
    full_range: tuple[float, float] | None = None
    """The values that the stored type can hold, in the same units; None for floating point."""
    window: Window | None = None
    """The file's own window."""
    lookup: tuple[np.ndarray, int] | None = None
    """The file's own lookup table of shown values: the table and the value of its first entry."""
    inverted: bool = False
    """Whether small values are bright."""
    padding: np.ndarray | None = None
    """(rows, columns), true where there is no image: black, and no part of any range."""
    population: np.ndarray | None = None
    """The values that percentiles are taken over, where those are more than this image: its
    volume."""
    facts: dict[str, str] = field(default_factory=dict)
    """What an audit wants to know of the header: ``burned_in``, the reason to suspect annotations
    in the pixels."""


def check_size(rows: int, columns: int) -> None:
    """Raise :class:`UnreadableImage` for an image of too many pixels, or of none."""
    if rows * columns > MAX_PIXELS:
        raise UnreadableImage(f"too large: {columns} x {rows} pixels")
    if rows < 1 or columns < 1:
        raise UnreadableImage(f"no pixels: {columns} x {rows}")


def integer_range(bits: int, signed: bool) -> tuple[float, float]:
    """The smallest and the largest integer of so many bits."""
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
