"""Tables from outside, as CSV: every reader of a user's or a provider's table goes through here.

Spreadsheets and providers write many dialects. A dialect is recognised, or named in one sentence.
Nothing is guessed about a row: a row that does not have the header's number of cells is an error
that names it, and no cell ever moves to another column.
"""

import csv
import hashlib
import io
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from radcbir.core.errors import InputError
from radcbir.core.files import sha256_of_file
from radcbir.core.text.dialect import LONGEST_CELL, SEPARATORS, damage, find_header
from radcbir.core.text.plain_text import MOST_BYTES, to_utf8, unpacked

ROWS = 16384
"""So many rows are turned into Arrow's columns at a time."""


@dataclass(frozen=True)
class Seen:
    """What a file was when it was read."""

    path: Path
    where: str
    identity: tuple[int, ...]
    sha256: bytes

    def refuse_change(self) -> None:
        """Raise :class:`InputError` where the file now has another content; a new date is none."""
        try:
            same = _identity(self.path.stat()) == self.identity
            same = same or bytes.fromhex(sha256_of_file(self.path)) == self.sha256
        except OSError:
            same = False
        if not same:
            raise InputError(f"{self.where} was changed while it was read: run again")


class CsvFile:
    """A CSV, read once into memory, with its dialect recognised and its header checked.

    Understood are comma, semicolon, tab and pipe as separators; UTF-8, UTF-16 and Windows-1252
    (Latin-1) as encodings; gzip; Excel's line ``sep=;``. The attribute ``header`` has the names of
    the columns without blanks around them, ``separator`` the character between them, ``seen`` what
    the file was.
    """

    def __init__(
        self, path: str | Path, what: str = "the table", names: Sequence[str] = (), remedy: str = ""
    ):
        """``what`` names the file in messages, ``names`` are columns to expect, by which the
        separator is recognised, ``remedy`` says what to do where the file is not there.

        Raises :class:`InputError` where the file cannot be read as a table.
        """
        self.path, self.where = Path(path), f"{what} {path}".strip()
        content, status = self._read(remedy or "correct its name")
        self.seen = Seen(self.path, self.where, _identity(status), hashlib.sha256(content).digest())
        self._text = to_utf8(unpacked(content, self.where), self.where)
        self.separator, self.header, self._skipped = find_header(self._text, self.where, names)

    def table(self, columns: Collection[str] | None = None) -> pd.DataFrame:
        """The rows as text, without blanks around the cells; blank cells are missing values.

        The index is the number of the row in the file, as a spreadsheet shows it. With ``columns``
        those alone are kept, in the order of the file. Raises :class:`InputError` for a column
        whose name comes twice, for cells without a name above them, and for a row that does not fit
        the header.
        """
        taken = [
            place
            for place, name in enumerate(self.header)
            if (columns is None or name in columns) and (name or columns is None)
        ]
        self._refuse_repeated([self.header[place] for place in taken])
        numbers, columns = self._plain_cells(taken) or self._any_cells(taken)
        table = pa.table(
            [_trimmed(column) for column in columns], names=[str(place) for place in taken]
        ).to_pandas()
        table.columns = pd.Index([self.header[place] for place in taken], dtype=object)
        table.index = pd.Index(numbers, dtype="int64")
        return self._without_unnamed(table)

    def _read(self, remedy: str) -> tuple[bytes, os.stat_result]:
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{self.where} is not a file: {remedy}")
            if status.st_size > MOST_BYTES:
                raise InputError(
                    f"{self.where} has {status.st_size:,} bytes, more than the "
                    f"{MOST_BYTES:,} that a table may have: leave out columns, or make several "
                    "datasets of it"
                )
            with open(self.path, "rb") as handle:
                status = os.fstat(handle.fileno())
                content = handle.read(status.st_size + 1)
                after = os.fstat(handle.fileno())
        except FileNotFoundError:
            raise InputError(f"{self.where} does not exist: {remedy}") from None
        except OSError as error:
            raise InputError(
                f"{self.where} cannot be read ({error.strerror}): mend its permissions or its disk"
            ) from None
        if _identity(after) != _identity(status) or len(content) != status.st_size:
            raise InputError(f"{self.where} was changed while it was read: run again")
        return content, status

    def _plain_cells(self, taken: Sequence[int]) -> tuple[range, list[pa.ChunkedArray]] | None:
        """What :meth:`_any_cells` gives, several times faster, for rows without a quotation mark or
        a blank line; None where there are any, or where a row does not fit the header.
        """
        text, names = self._text.rstrip(b"\r\n"), [str(place) for place in range(len(self.header))]
        one_line_each = not any(each in text for each in (b'"', b"\n\n", b"\n\r"))
        if self._skipped != 1 or len(names) < 2 or not one_line_each or b"\n" not in text:
            return None
        if not taken:  # Arrow would take all columns
            return None
        if text.count(b"\r") != text.count(b"\r\n"):
            return None
        try:
            table = pyarrow.csv.read_csv(
                io.BytesIO(text),
                pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
                pyarrow.csv.ParseOptions(delimiter=self.separator, quote_char=False),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()),
                    include_columns=[names[place] for place in taken],
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        return range(2, 2 + len(table)), table.columns

    def _any_cells(self, taken: Sequence[int]) -> tuple[list[int], list[pa.ChunkedArray]]:
        """The number of each row in the file, and the cells of the columns in these places."""
        numbers: list[int] = []
        blocks = [[pa.array([], pa.large_string())] for _ in taken]
        waiting: list[list[str]] = []
        for number, row in self._rows():
            numbers.append(number)
            waiting.append(row)
            if len(waiting) == ROWS:
                _append(blocks, waiting, taken)
        _append(blocks, waiting, taken)
        return numbers, [pa.chunked_array(block) for block in blocks]

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows below the header with their numbers, each as long as the header."""
        width, number = len(self.header), 0
        stream = io.TextIOWrapper(io.BytesIO(self._text), "utf-8", newline="")
        csv.field_size_limit(LONGEST_CELL)
        reader = csv.reader(stream, delimiter=self.separator, strict=True)
        try:
            for number, row in enumerate(reader, start=1):
                if len(row) != width and len(row) < 2 and not any(map(str.strip, row)):
                    continue  # a blank line
                if number <= self._skipped:
                    continue
                if len(row) != width:
                    if any(map(str.strip, row[width:])) or len(row) < width:
                        raise InputError(self._misfit(number, row))
                    row = row[:width]  # separators at the end of the row and nothing behind them
                yield number, row
        except csv.Error as error:
            raise InputError(f"{self.where} {damage(error, number + 1)}") from None

    def _misfit(self, number: int, row: Sequence[str]) -> str:
        width, separator = len(self.header), SEPARATORS[self.separator]
        mend = (
            f"put quotation marks around a cell that holds a {separator}, or delete the cells that "
            "do not belong there"
            if len(row) > width
            else f"write a {separator} for each cell that is blank, or complete the row"
        )
        return (
            f"row {number} of {self.where} has {len(row)} cells, the header has {width} columns: "
            f"{mend}"
        )

    def _refuse_repeated(self, names: Sequence[str]) -> None:
        for name, count in Counter(names).items():
            if name and count > 1:
                places = [str(place) for place, each in enumerate(self.header, 1) if each == name]
                raise InputError(
                    f"{self.where} has the column '{name}' {len(places)} times (columns "
                    f"{', '.join(places)}): rename or delete all but one of them"
                )

    def _without_unnamed(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table without columns that have no name and no cells, as spreadsheets leave them."""
        unnamed = [place for place, name in enumerate(table.columns) if not name]
        for place in unnamed:
            filled = table.iloc[:, place].notna()
            if filled.any():
                raise InputError(
                    f"{self.where} has cells in column {place + 1} (the first in row "
                    f"{filled.idxmax()}), to which the header gives no name: name the column, or "
                    "delete it"
                )
        return table.loc[:, [bool(name) for name in table.columns]] if unnamed else table


def wrong_cells(
    wrong: pd.Series, cells: pd.Series, path: str | Path, what: str, mend: str
) -> InputError:
    """The error of rows with a cell that is ``wrong``: the first one is named, the others counted.

    Both series are indexed by the number of the row. The message is "row 3 of ``path`` has
    ``what`` 'cell' ``mend``".
    """
    row: Any = wrong.idxmax()
    count = int(wrong.sum())
    cell = cells.fillna("").astype(str)[row]
    shown = repr(cell if len(cell) <= 80 else f"{cell[:77]}...")
    alike = "" if count == 1 else f"; so it is in {count - 1} more row{'s' if count > 2 else ''}"
    return InputError(f"row {row} of {path} has {what}{shown}{mend}{alike}")


def _append(blocks: list[list[pa.Array]], rows: list[list[str]], taken: Sequence[int]) -> None:
    """Add the waiting rows to the blocks of each column, and let them go."""
    cells = list(zip(*rows, strict=True)) if rows else []
    for block, place in zip(blocks, taken, strict=True):
        if rows:
            block.append(pa.array(cells[place], pa.large_string()))
    rows.clear()


def _trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells without blanks around them; missing where nothing is left."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.large_string()), trimmed)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
