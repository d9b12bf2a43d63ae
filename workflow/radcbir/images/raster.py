"""Pixels as a file stores them, with what the file says about how to show them."""

from dataclasses import dataclass, field

import numpy as np

AGAIN = "; the next run tries again"
"""How reasons end that may pass."""


class UnreadableImage(Exception):
    """An image that cannot be used. The message is a short reason."""

    @property
    def reason(self) -> str:
        """What the ledger says."""
        return str(self)


class PassingError(UnreadableImage):
    """The image could not be read now, for a reason that may pass and says nothing about the image.

    Examples: no permission, an error of the disk or network, no memory.
    """

    @property
    def reason(self) -> str:
        """What the ledger says: the next run tries again."""
        return f"{self}{AGAIN}"


@dataclass(frozen=True)
class Window:
    """A display window in the units of the values.

    It is linear from ``low`` to ``high``, or a sigmoid through its center.
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
    """Bits per sample as stored; 0 for floating point."""
    kind: str
    """Type and channels as stored, for instance ``int16`` or ``uint8 RGB``: what an audit
    compares."""
    full_range: tuple[float, float] | None = None
    """The values that the stored type can hold, in the same units; None for floating point."""
    signed: bool = False
    """Whether the stored type has negative values."""
    rescaled: bool = False
    """Whether the values come from the stored ones by a slope, an intercept or a table, or the file
    names their unit."""
    window: Window | None = None
    """The file's own window."""
    lookup: tuple[np.ndarray, int] | None = None
    """The file's own lookup table of shown values: the table, from 0 to 1, and the value of its
    first entry."""
    inverted: bool = False
    """Whether small values are bright."""
    padding: np.ndarray | None = None
    """(rows, columns), true where there is no image: black, and no part of any range."""
    population: np.ndarray | None = None
    """The values that percentiles are taken over, where those are not the ones of this image: its
    volume."""
    spacing: tuple[float, float] | None = None
    """Distance between rows and between columns, in any unit; None where the file says nothing."""
    facts: dict[str, str] = field(default_factory=dict)
    """What an audit wants to know of the header: ``burned_in``, the reason to suspect annotations
    in the pixels."""

    @property
    def in_units(self) -> bool:
        """Whether the values are measured and have to be windowed; if not, they are gray values.

        Gray values are unsigned integers of up to 8 bit that nothing rescales. All others are
        measured: floating point, more than 8 bit, signed, rescaled.
        """
        return not 0 < self.bits <= 8 or self.signed or self.rescaled


def integer_range(bits: int, signed: bool) -> tuple[float, float]:
    """The smallest and the largest integer of so many bits."""
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
