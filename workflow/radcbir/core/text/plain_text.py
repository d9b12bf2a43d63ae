"""Text from outside: compression and encoding are recognised, or what the file is is said."""

import codecs
import gzip
import io
import re
import zlib
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.core.logs import logger

MOST_BYTES = 4 << 30
"""The largest table that is read into memory, unpacked."""

LEAST_BOUND, MOST_FOLD = 256 << 20, 100
"""A compressed table may unpack to this many bytes, or to so many times its size if that is more.
"""

BLOCK = 1 << 20

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF file",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"7z\xbc\xaf": "a 7z archive",
}


def read_text(path: str | Path, what: str = "the list") -> str:
    """The content of a text file in UTF-8, UTF-16 or Windows-1252, unpacked where it
    is compressed with gzip.

    Raises :class:`InputError` where it cannot be read as text.
    """
    where = f"{what} {path}".strip()
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror}): correct its name") from None
    return to_utf8(unpacked(content, where), where).decode("utf-8")


def to_utf8(content: bytes, where: str) -> bytes:
    """Text of any encoding that is understood as UTF-8 without a byte order mark.

    Raises :class:`InputError` that says what the content is, where it is no such text.
    """
    kind = next((name for start, name in NOT_TEXT.items() if content.startswith(start)), None)
    if kind is None and re.match(rb"\s*<(!doctype|html|\?xml)", content[:200], re.IGNORECASE):
        kind = "a web page"
    if kind:
        raise InputError(f"{where} cannot be read as text: it is {kind}; save or fetch it as CSV")
    mark, encoding = next(
        ((mark, name) for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), (b"", None)
    )
    content = content[len(mark) :]
    if encoding is None and len(content) > 3 and 0 in content[:4]:
        encoding = {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get(
            (content[0] == 0 and content[2] == 0, content[1] == 0 and content[3] == 0)
        )
    if encoding in (None, "utf-8"):
        encoding = "utf-8" if _is_utf8(content) else _western(content, where, bool(mark))
    if encoding != "utf-8":
        try:
            content = content.decode(encoding).encode()
        except UnicodeError:
            raise InputError(
                f"{where} cannot be read as {encoding.upper()} text, which it begins as: save it "
                "again as UTF-8"
            ) from None
        logger.info("%s is read as %s", where, encoding)
    if 0 in content:
        row = content.count(b"\n", 0, content.index(0)) + 1
        raise InputError(
            f"{where} cannot be read as text: it has a NUL byte in line {row}, so it is damaged or "
            "no text; save or fetch it again"
        )
    return content


def _western(content: bytes, where: str, marked: bool) -> str:
    """The encoding of text that is not UTF-8: Windows-1252, of which Latin-1 text is a part.

    Raises :class:`InputError` where it is damaged UTF-8 (``marked`` as such, or with more letters
    in UTF-8 than bytes that are none), or not text.
    """
    text = content.decode("utf-8", "surrogateescape")
    wrong = re.search("[\udc80-\udcff]", text)
    assert wrong is not None  # UTF-8 throughout does not come here
    line = text.count("\n", 0, wrong.start()) + 1
    broken = len(re.findall("[\udc80-\udcff]", text))
    proper = len(re.findall("[\u0080-\ud7ff\ue000-\U0010ffff]", text))
    if marked or proper >= broken:
        raise InputError(
            f"{where} cannot be read as UTF-8 text: line {line} has a byte that is "
            "no UTF-8, although the rest is; save or fetch it again"
        )
    if re.search(rb"[\x00-\x08\x0e-\x1f\x81\x8d\x8f\x90\x9d]", content):
        raise InputError(
            f"{where} cannot be read as UTF-8 text: from line {line} on it is neither "
            "UTF-8 nor Windows-1252; save it as UTF-8"
        )
    return "cp1252"


def _is_utf8(content: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(content)
    try:
        for start in range(0, len(view), BLOCK):
            decoder.decode(view[start : start + BLOCK])
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def unpacked(content: bytes, where: str) -> bytes:
    """The content, unpacked where it is compressed with gzip.

    Raises :class:`InputError` where the compression is damaged, or unpacks to more than a table
    does.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    bound = min(MOST_BYTES, max(LEAST_BOUND, MOST_FOLD * len(content)))
    whole = bytearray()
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            while block := packed.read(BLOCK):
                whole += block
                if len(whole) > bound:
                    raise InputError(
                        f"{where} unpacks to more than {bound:,} bytes, too much for a table of "
                        f"{len(content):,} compressed bytes: fetch it again, or unpack it yourself"
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{where} cannot be read: its gzip compression is damaged ({error}); fetch it again"
        ) from None
    return bytes(whole)
