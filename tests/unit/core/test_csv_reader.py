"""Tables as spreadsheets and providers write them: read alike, or named in one sentence; never
shifted.
"""

import csv
import gzip
import io
import os
import random

import pandas as pd
import pytest

from radcbir.core import plain_text
from radcbir.core.csv_reader import CsvFile
from radcbir.core.errors import InputError

TEXT = 'filepath,split,Größe\na.png,train,"1,5"\nb.png,test,\n'
ROWS = [["a.png", "train", "1,5"], ["b.png", "test", ""]]


@pytest.fixture
def read(tmp_path):
    def read(content: bytes | str, columns=None, names=("filepath", "split")):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CsvFile(path, "the table", names).table(columns)

    return read


def cells(table: pd.DataFrame) -> list[list[str]]:
    return table.fillna("").to_numpy().tolist()


def dialect(separator: str, encoding: str = "utf-8", end: str = "\n") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    writer.writerows([["filepath", "split", "Größe"], *ROWS])
    return out.getvalue().encode(encoding)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_dialect_gives_the_same_table(read, separator, encoding, end):
    table = read(dialect(separator, encoding, end))
    assert list(table) == ["filepath", "split", "Größe"]
    assert cells(table) == ROWS and table.index.tolist() == [2, 3]
    assert cells(read(gzip.compress(dialect(separator, encoding, end)))) == ROWS


def test_excels_line_that_names_the_separator(read):
    table = read("sep=;\r\nfilepath;split;note\r\na.png;train;1,5\r\n")
    assert cells(table) == [["a.png", "train", "1,5"]] and table.index.tolist() == [3]


def test_separators_at_the_end_of_rows_move_no_cell(read):
    header, rows = "filepath,split,label", ["a.png,train,x", "b.png,test,y"]
    expected = [row.split(",") for row in rows]
    for ends in ((",", ","), (",", ""), ("", ",,,"), (", ", ",")):
        text = "\n".join([header, *(row + end for row, end in zip(rows, ends, strict=True))])
        assert cells(read(text)) == expected
    whole = "\n".join(line + ",," for line in (header, *rows))
    assert cells(read(whole)) == expected and list(read(whole)) == header.split(",")
    assert cells(read(whole, ["filepath", "label"])) == [["a.png", "x"], ["b.png", "y"]]


def test_rows_are_numbered_as_a_spreadsheet_numbers_them(read):
    text = 'filepath,split\n\na.png,"two\nlines"\n   \nb.png,test\n,\n'
    table = read(text)
    assert table.index.tolist() == [3, 5, 6]
    assert cells(table) == [["a.png", "two\nlines"], ["b.png", "test"], ["", ""]]


@pytest.mark.parametrize("quoted", [False, True], ids=["plain", "quoted"])
def test_the_quick_way_and_the_thorough_one_agree(read, quoted):
    """Random tables without quotation marks, and the same with one pair of them, which does not
    change a cell but takes the other way."""
    draw = random.Random(7)
    for _ in range(60):
        width, end = draw.randint(2, 5), draw.choice(["\n", "\r\n"])
        rows = [
            [
                "".join(draw.choices("ab ü'/\u00a0\u3000-", k=draw.randint(0, 4)))
                for _ in range(width)
            ]
            for _ in range(draw.randint(1, 6))
        ]
        rows.append([f"z{place}" for place in range(width)])
        header = [f"c{place}" for place in range(width)]
        last = ['"z0"', *rows[-1][1:]] if quoted else rows[-1]
        text = end.join(",".join(row) for row in [header, *rows[:-1], last]) + end
        blank = [row for row in rows if any(cell.strip() for cell in row) or width > 1]
        table = read(text, names=header)
        assert cells(table) == [[cell.strip() for cell in row] for row in blank]
        assert table.index.tolist() == list(range(2, 2 + len(rows)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "cannot be read as comma-separated text: it is empty"),
        ("\n\n ,, \n", "it is empty"),
        ("filepath,split\na.png,train\nb.png\n", "row 3 of the table .*t.csv has 1 cells, the header has 2 columns: write a comma for each"),
        ("filepath,split\na.png,train,x\n", "row 2 of .* has 3 cells, .* put quotation marks around a cell that holds a comma"),
        ("filepath;split\na.png;train;x\n", "row 2 .* a cell that holds a semicolon"),
        ('filepath,split\na.png,train\n"b.png,test\n', "whose quotation mark is never closed in row 3"),
        ('filepath,split\n"a"b.png,train\n', "right behind a closing quotation mark in row 2"),
        ('"filepath,split\na.png,train\n', "its header has a cell whose quotation mark is never closed"),
        ("filepath,split,a,split,a\n1,2,3,4,5\n", r"has the column 'split' 2 times \(columns 2, 4\): rename or delete"),
        ("filepath,split,\na.png,train,x\nb.png,test,\n", r"has cells in column 3 \(the first in row 2\), to which the header gives no name"),
        (b"filepath,split\na\0.png,train\n", "has a NUL byte in line 2"),
        (b"filepath,split\n\xc3\xa4.png,train\n\xff.png,test\n", "line 3 has a byte that is no UTF-8, although the rest is"),
        (b"\xef\xbb\xbffilepath,split\n\xfc.png,train\n", "line 2 has a byte that is no UTF-8"),
        (b"filepath,split\n\x81\xfc.png,train\n", "from line 2 on it is neither UTF-8 nor Windows-1252"),
        (b"\xff\xfef\0i\0l", "cannot be read as UTF-16-LE text"),
        (b"PK\x03\x04 anything", "it is an Excel workbook or a zip archive; save or fetch it as CSV"),
        (b"  <!DOCTYPE html><html>log in</html>", "it is a web page"),
        (gzip.compress(b"filepath,split\na,b\n" * 400, mtime=0)[:40], "its gzip compression is damaged"),
        ("filepath,split\na.png," + "x" * (1 << 20) + "y\n\"b\",c\n", "a cell of more than 1,048,576 characters in row 2"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_one_sentence(read, text, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read(text)
    assert "\n" not in str(caught.value) and "t.csv" in str(caught.value)


def test_repeated_and_unnamed_columns_matter_where_they_are_read(read):
    text = "filepath,note,split,note,\na.png,x,train,y,z\n"
    assert cells(read(text, ["filepath", "split"])) == [["a.png", "train"]]
    with pytest.raises(InputError, match="'note' 2 times"):
        read(text, ["filepath", "note"])


def test_a_gzip_bomb_is_stopped(read, monkeypatch):
    monkeypatch.setattr(plain_text, "LEAST_BOUND", 1 << 20)
    bomb = gzip.compress(b"filepath,split\n" + b"a.png,train\n" * 2_000_000)
    assert len(bomb) < 200_000
    with pytest.raises(InputError, match="unpacks to more than"):
        read(bomb)


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match="does not exist: correct its name"):
        CsvFile(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is not a file"):
        CsvFile(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="is not a file"):
        CsvFile(tmp_path / "pipe.csv")


def test_a_change_while_it_is_read_is_seen_and_a_new_date_is_none(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TEXT)
    file = CsvFile(path)
    file.seen.refuse_change()
    os.utime(path, (1, 1))
    file.seen.refuse_change()
    path.write_text(TEXT.replace("train", "trial"))
    os.utime(path, (1, 1))
    with pytest.raises(InputError, match="was changed while it was read: run again"):
        file.seen.refuse_change()
    path.unlink()
    with pytest.raises(InputError, match="was changed"):
        file.seen.refuse_change()
    assert cells(file.table()) == ROWS, "it was read once"
