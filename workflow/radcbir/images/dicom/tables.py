"""Lookup tables of DICOM: of the modality, of shown values (VOI), of colors.

Depth, length and entries of a table are judged together, since writers get each of them wrong:
entries of 8 bit come packed in words or one per word, entries of 12 bit are declared as 16 bit, and
the first value has the sign that implicit VR does not tell.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pydicom

from radcbir.images.dicom.header import Opened
from radcbir.images.raster import UnreadableImage

LONGEST = 2**16
"""Entries of the longest table."""


class Table(NamedTuple):
    """The entries of a lookup table, the stored value of the first, and the bits that they use."""

    entries: np.ndarray
    first: int
    bits: int


def table(
    holder: pydicom.Dataset, opened: Opened, values: tuple[float, float], prefix: str = "LUT"
) -> Table:
    """The table ``{prefix}Descriptor`` and ``{prefix}Data`` of a data set.

    ``values`` are the smallest and the largest value that may be looked up; they decide about the
    sign of the first one. Raises :class:`UnreadableImage` for fewer entries than declared.
    """
    count, first, declared = _descriptor(holder, prefix)
    data = holder[f"{prefix}Data"]
    words = _words(data.value, data.VR, opened)
    packed = len(words) < count and len(words) * 2 in (count, count + 1)
    entries = _bytes(words) if packed else words
    if len(entries) < count:
        raise UnreadableImage(f"broken: a lookup table of {len(entries)} for {count} entries")
    entries = entries[:count]
    bits = 8 if packed else _depth(entries, declared)
    return Table(entries, _signed_as(first, values, opened), bits)


def palette(opened: Opened, values: tuple[float, float]) -> tuple[np.ndarray, int]:
    """The colors (entries, 3) of uint8 that stored values index, and the value of the first."""
    header, channels = opened.header, []
    for name in ("Red", "Green", "Blue"):
        prefix = f"{name}PaletteColorLookupTable"
        if f"{prefix}Data" in header:
            channels.append(table(header, opened, values, prefix))
        elif f"Segmented{prefix}Data" in header:
            channels.append(_segmented(header, opened, values, prefix))
        else:
            raise UnreadableImage("broken: a palette without colors")
    if len({len(each.entries) for each in channels}) > 1:
        raise UnreadableImage("broken: a palette whose colors differ in length")
    # Of colors a depth between 8 and 16 bit is no depth: dark colors are dark.
    deep = max(each.bits for each in channels) > 8
    colors = np.stack([each.entries for each in channels], axis=-1)
    return (colors >> 8 if deep else colors).astype(np.uint8), channels[0].first


def _descriptor(holder: pydicom.Dataset, prefix: str) -> tuple[int, int, int]:
    """Number of entries, first value, declared bits."""
    found = holder.get(f"{prefix}Descriptor")
    if f"{prefix}Data" not in holder or found is None or isinstance(found, int) or len(found) != 3:
        raise UnreadableImage("broken: a lookup table without its description")
    count, first, declared = (int(each) for each in found)
    return count % LONGEST or LONGEST, first, declared


def _words(value: object, vr: str, opened: Opened) -> np.ndarray:
    """The data of a table as 16-bit words, whatever its value representation made of them."""
    if isinstance(value, bytes):
        value += b"\0" * (len(value) % 2)
        little = opened.little or vr == "OB"
        return np.frombuffer(value, "<u2" if little else ">u2").astype(np.uint16)
    numbers = np.atleast_1d(np.asarray(value, dtype=np.int64))
    return (numbers & 0xFFFF).astype(np.uint16)


def _bytes(words: np.ndarray) -> np.ndarray:
    """Two entries of each word, the lower byte first (PS3.3, C.7.6.3.1.6)."""
    return np.stack([words & 0xFF, words >> 8], axis=-1).reshape(-1)


def _depth(entries: np.ndarray, declared: int) -> int:
    """The bits of the entries.

    They are what is declared, unless an entry is larger. Writers declare 16 for fewer, since some
    objects allow nothing else between 8 and 16: then the largest entry tells.
    """
    needed = max(1, int(entries.max()).bit_length())
    return needed if declared >= 16 or needed > declared else declared


def _signed_as(first: int, values: tuple[float, float], opened: Opened) -> int:
    """The first value with its right sign.

    PS3.3, C.11.2.1.1: it is signed where the values may be negative. Implicit VR does not say which
    it is, and writers of explicit VR get it wrong, so both are tried on the possible values.
    """
    unsigned = first % LONGEST
    signed = unsigned - LONGEST if unsigned >= LONGEST // 2 else unsigned
    low, high = values
    if opened.header.original_encoding[0]:  # implicit VR
        first = signed if low < 0 else unsigned
    other = unsigned if first == signed else signed
    return first if low <= first <= high or not low <= other <= high else other


def _segmented(
    header: pydicom.Dataset, opened: Opened, values: tuple[float, float], prefix: str
) -> Table:
    """A table that is written as segments (PS3.3, C.7.9.2)."""
    found = header.get(f"{prefix}Descriptor")
    if found is None or len(found) != 3:
        raise UnreadableImage("broken: a lookup table without its description")
    count, first, declared = (int(each) for each in found)
    data = header[f"Segmented{prefix}Data"]
    words = _words(data.value, data.VR, opened)
    numbers = [int(each) for each in (_bytes(words) if declared <= 8 else words)]
    if len(numbers) > 4 * LONGEST:
        raise UnreadableImage("broken: a lookup table of more segments than entries")
    expanded = _expanded(numbers, wide=declared > 8, most=LONGEST)
    count = count % LONGEST or LONGEST
    if len(expanded) < count:
        raise UnreadableImage(f"broken: a lookup table of {len(expanded)} for {count} entries")
    entries = np.array(expanded[:count], dtype=np.uint16)
    return Table(entries, _signed_as(first, values, opened), 16 if declared > 8 else 8)


def _expanded(
    numbers: Sequence[int],
    wide: bool,
    most: int,
    last: int | None = None,
    segments: int = LONGEST,
    place: int = 0,
) -> list[int]:
    """The entries of segments, ``most`` of them at most: 0 discrete, 1 linear from the entry
    before, 2 a copy of segments that came before.

    ``last`` is the entry before, ``segments`` how many are expanded, ``place`` where the first of
    them is; a copy has all three.
    """
    found = [] if last is None else [last]
    while place + 1 < len(numbers) and len(found) <= most and segments:
        kind, length = numbers[place], numbers[place + 1]
        place, segments = place + 2, segments - 1
        if kind == 0:
            found += numbers[place : place + length]
            place += length
        elif kind == 1 and found and length and place < len(numbers):
            step = (numbers[place] - found[-1]) / length
            line = np.linspace(found[-1] + step, numbers[place], length)
            found += [int(each) for each in np.around(line)]
            place += 1
        elif kind == 2 and found and last is None:  # no copies of copies
            parts = numbers[place : place + (2 if wide else 4)]
            start = sum(each << (16 if wide else 8) * number for number, each in enumerate(parts))
            found += _expanded(numbers, wide, most - len(found), found[-1], length, start)
            place += len(parts)
        else:
            raise UnreadableImage("broken: a lookup table with unknown segments")
    return found if last is None else found[1:]
