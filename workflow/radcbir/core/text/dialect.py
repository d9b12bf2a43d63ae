"""What separates the cells of a table, and where its header is."""

import csv
import io
import re
from collections.abc import Sequence

from radcbir.core.errors import InputError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}

LONGEST_CELL = 1 << 20
"""Characters; a longer cell is taken for a quotation mark that is missing."""


def find_header(text: bytes, where: str, names: Sequence[str] = ()) -> tuple[str, list[str], int]:
    """The separator of a table in UTF-8, the names in its header, and how many rows come before the
    first row of data.

    The separator is the one by which the header has most of ``names``, then the one by which it has
    most columns. Raises :class:`InputError` where there is no header.
    """
    declared = re.match(rb'(?:[ \t]*\r?\n)*"?sep=([,;\t|])"?[ \t]*\r?\n', text, re.IGNORECASE)
    tried = [declared[1].decode()] if declared else list(SEPARATORS)
    best: tuple[tuple[int, int], str, list[str], int] | None = None
    problem = None
    for separator in tried:
        try:
            row, skipped = _first_row(text, separator, bool(declared))
        except csv.Error as error:
            problem = error
            continue
        found = (sum(name in row for name in names), len(row))
        if row and (best is None or found > best[0]):
            best = found, separator, row, skipped
    if best is None:
        reason = f"its header {damage(problem)}" if problem else "it is empty"
        raise InputError(f"{where} cannot be read as comma-separated text: {reason}")
    return best[1:]


def _first_row(text: bytes, separator: str, declared: bool) -> tuple[list[str], int]:
    """The first row with a letter or digit, its cells without blanks around them, and its number."""
    reader = csv.reader(
        io.TextIOWrapper(io.BytesIO(text), "utf-8", newline=""), delimiter=separator, strict=True
    )
    for number, row in enumerate(reader, start=1):
        cells = [cell.strip() for cell in row]
        if re.search(r"\w", "".join(cells)):
            if declared:
                declared = False
                continue
            return cells, number
    return [], 0


def damage(error: csv.Error | None, row: int | None = None) -> str:
    """What an error of the csv module means for the row where it came up."""
    at = "" if row is None else f" in row {row}"
    text = str(error)
    if "expected after" in text:
        return f"has text right behind a closing quotation mark{at}: correct the quotation marks"
    if "unexpected end" in text:
        return f"has a cell whose quotation mark is never closed{at}: close it"
    if "field limit" in text:
        return (
            f"has a cell of more than {LONGEST_CELL:,} characters{at}: is a quotation mark missing?"
        )
    return f"cannot be read as comma-separated text{at} ({text}): correct it"
