"""Files that would take time or memory without end: each is read or refused within seconds."""

import gzip
import io
import struct
import time
import zlib

import numpy as np
import pytest
from image_files import (
    DEFLATED,
    EXPLICIT,
    RLE,
    dicom_file,
    nifti_file,
    rle_frame,
    tiff_file,
)
from PIL import Image

from radcbir.images import raster, reader
from radcbir.images.dicom import decoding
from radcbir.images.formats import nifti

JPEG = "1.2.840.10008.1.2.4.50"
SECONDS = 20
"""A machine may be busy: what is meant to be refused takes a few of these, what is not takes
minutes."""

GRAY = {
    "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 8, "Columns": 8,
    "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
}  # fmt: skip

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.fixture(autouse=True)
def _in_time():
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


def refused(path, content, reason, function=reader.read):
    path.write_bytes(content)
    with pytest.raises(raster.UnreadableImage, match=reason):
        function(path)


def test_bytes_behind_a_deflated_file_are_not_unpacked(tmp_path):
    whole = dicom_file(GRAY | {"PixelData": PIXELS.tobytes()}, DEFLATED)
    (tmp_path / "a.dcm").write_bytes(whole + bytes(30_000_000))
    assert (np.asarray(reader.read(tmp_path / "a.dcm")) == PIXELS).all()


def test_frames_without_pixels_are_no_frames(tmp_path):
    """A header of a thousand million frames that take no bytes."""
    for nothing in ({"Rows": 0}, {"Columns": 0}, {"BitsAllocated": 0}):
        elements = GRAY | nothing | {"NumberOfFrames": 10**9, "PixelData": b""}
        refused(tmp_path / "a.dcm", dicom_file(elements), "no pixels|no bits", reader.parts)
    elements = GRAY | {"NumberOfFrames": 10**9, "PixelData": PIXELS.tobytes()}
    refused(tmp_path / "a.dcm", dicom_file(elements), "truncated", reader.parts)


def test_a_packed_volume_of_a_thousand_million_slices_is_refused(tmp_path):
    volume = nifti_file(np.zeros((1, 1, 2), "u1"), np.eye(4), version=2)
    slices = bytearray(volume.ljust(2_000_000, b"\0"))
    slices[16 + 3 * 8 : 16 + 4 * 8] = struct.pack("<q", 10**9)
    path, content = tmp_path / "a.nii.gz", gzip.compress(bytes(slices), 0)
    refused(path, content, "more than 1000000 images", reader.parts)


def test_millions_of_elements_are_refused(tmp_path):
    """Elements without a value before the pixels, and in an item of a sequence."""
    element = struct.pack("<HH2sH", 0x0019, 0x1001, b"LO", 0)
    whole = dicom_file(GRAY | {"PixelData": PIXELS.tobytes()})
    place = whole.index(struct.pack("<HH", 0x0028, 0x0002))
    refused(
        tmp_path / "a.dcm", whole[:place] + element * 1_000_000 + whole[place:], "too many elements"
    )
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(element) * 300_000) + element * 300_000
    sequence = struct.pack("<HH2sHI", 0x0028, 0x3010, b"SQ", 0, len(item)) + item
    place = whole.index(struct.pack("<HH", 0x7FE0, 0x0010))
    refused(tmp_path / "a.dcm", whole[:place] + sequence + whole[place:], "too many elements")


def test_segments_of_palettes_end(tmp_path):
    """Copies of copies, copies of nothing, and data that is longer than any table."""
    elements = GRAY | {"PhotometricInterpretation": "PALETTE COLOR", "PixelData": PIXELS.tobytes()}
    endless = [0, 1, 5, *[2, 1, 0, 0] * 100_000]
    idle = [0, 1, 5, *[2, 0, 0, 0] * 60_000]
    for data in (endless, idle, [1, 65535, 3]):
        segments = {f"Segmented{name}PaletteColorLookupTableData": data for name in COLORS}
        described = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in COLORS}
        content = dicom_file(elements | segments | described)
        refused(tmp_path / "a.dcm", content, "lookup table")


COLORS = ("Red", "Green", "Blue")


def test_a_segmented_palette_is_its_entries(tmp_path):
    """PS3.3, C.7.9.2: two entries, a line of four to 24 from 4, and both once more."""
    data = [0, 2, 1, 4, 1, 4, 24, 2, 2, 0, 0]
    table = [1, 4, 9, 14, 19, 24, 1, 4, 9, 14, 19, 24]
    values = np.arange(12, dtype=np.uint8).reshape(2, 6)
    elements = GRAY | {"PhotometricInterpretation": "PALETTE COLOR", "Rows": 2, "Columns": 6}
    elements |= {f"{name}PaletteColorLookupTableDescriptor": [12, 0, 16] for name in COLORS}
    elements |= {
        f"Segmented{name}PaletteColorLookupTableData": [
            each * 256 if number in (2, 3, 6) else each for number, each in enumerate(data)
        ]
        for name in COLORS
    }
    (tmp_path / "a.dcm").write_bytes(dicom_file(elements | {"PixelData": values.tobytes()}))
    found = np.asarray(reader.read(tmp_path / "a.dcm"))
    assert found[..., 0].ravel().tolist() == table


def test_a_run_of_rle_does_not_take_what_it_claims(tmp_path):
    """Runs that unfold to 128 bytes each: two gigabytes for one frame of 16 megabytes."""
    rows = columns = 4000
    code = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x07" * 15_000_000
    elements = GRAY | {"Rows": rows, "Columns": columns}
    content = dicom_file(elements, RLE, fragments=[code])
    (tmp_path / "a.dcm").write_bytes(content)
    assert (np.asarray(reader.read(tmp_path / "a.dcm")) == 7).all()


def progressive(scans):
    """A progressive JPEG whose scans repeat."""
    stream = io.BytesIO()
    Image.new("L", (2000, 2000)).save(stream, "JPEG", progressive=True)
    code = stream.getvalue()
    last = code.rindex(b"\xff\xda")
    return code[:last] + code[last:-2] * scans + code[-2:]


def test_thousands_of_scans_are_refused_in_each_format(tmp_path):
    code = progressive(5000)
    refused(tmp_path / "a.jpg", code, "scans of 2000 x 2000")
    elements = GRAY | {"Rows": 2000, "Columns": 2000}
    content = dicom_file(elements, JPEG, fragments=[code])
    refused(tmp_path / "a.dcm", content, "scans of 2000 x 2000")
    page = {256: 2000, 257: 2000, 258: 8, 259: 7, 262: 1, 277: 1, 278: 2000, "data": [code]}
    refused(tmp_path / "a.tif", tiff_file([page]), "scans of 2000 x 2000")


def test_two_offset_tables_have_to_agree(tmp_path):
    frames = [rle_frame(PIXELS), rle_frame(PIXELS + 1)]
    places = [0, 8 + len(frames[0]) + len(frames[0]) % 2]
    elements = GRAY | {"NumberOfFrames": 2}
    elements["ExtendedOffsetTable"] = struct.pack("<QQ", *places)
    elements["ExtendedOffsetTableLengths"] = struct.pack("<QQ", *map(len, frames))
    right = dicom_file(elements, RLE, fragments=frames, offsets=struct.pack("<II", *places))
    (tmp_path / "a.dcm").write_bytes(right)
    found = np.asarray(reader.read(f"{tmp_path / 'a.dcm'}#frame=1"))
    assert (found == PIXELS + 1).all()
    other = dicom_file(elements, RLE, fragments=frames, offsets=struct.pack("<II", 0, 4))
    refused(tmp_path / "a.dcm", other, "contradict", lambda path: reader.read(f"{path}#frame=1"))


def test_one_pixel_is_not_spread_over_a_frame(tmp_path, monkeypatch):
    """A frame of one pixel, were its codestream taken for a larger one; a frame of one gray value is
    still read.
    """
    stream = io.BytesIO()
    Image.new("L", (1, 1), 9).save(stream, "JPEG")
    content = dicom_file(GRAY, JPEG, fragments=[stream.getvalue()])
    refused(tmp_path / "a.dcm", content, "the pixels hold 1 x 1 x 1")
    monkeypatch.setattr(decoding, "_check_code", lambda *given: None)
    refused(tmp_path / "a.dcm", content, "broken: not valid DICOM")
    short = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x00\x07"
    content = dicom_file(GRAY, RLE, fragments=[short])
    refused(tmp_path / "a.dcm", content, "truncated")
    plain = np.full((8, 8), 9, np.uint8)
    (tmp_path / "a.dcm").write_bytes(dicom_file(GRAY, RLE, fragments=[rle_frame(plain)]))
    assert (np.asarray(reader.read(tmp_path / "a.dcm")) == 9).all()


def test_a_packed_series_is_unpacked_once(tmp_path, monkeypatch):
    """Addresses in order of their names come slice by slice, and of each slice all volumes."""
    voxels = np.random.default_rng(0).integers(0, 200, (6, 5, 4, 7)).astype("i2")
    path = tmp_path / "a.nii.gz"
    path.write_bytes(nifti_file(voxels, np.eye(4), packed=True))
    opened, times = nifti.gzip.open, []
    monkeypatch.setattr(nifti.gzip, "open", lambda *given: times.append(1) or opened(*given))
    reader.forget()
    for place in range(4):
        for volume in range(7):
            address = f"{path}#axial={place}&volume={volume}"
            found = reader.read_raster(address).values
            assert (found == voxels[::-1, ::-1, place, volume].T).all()
    assert len(times) == 1
    reader.forget()


def test_strips_that_share_their_bytes_take_no_time(tmp_path):
    """20,000 strips, each of which says that it is as long as the file."""
    packed = zlib.compress(bytes(100)) + bytes(20_000_000)
    page = {256: 100, 257: 20_000, 258: 8, 259: 8, 262: 1, 277: 1, 278: 1, "data": [packed]}
    content = bytearray(tiff_file([page | {"data": [packed] + [b""] * 19_999}]))
    start = content.index(packed)
    for tag, value in ((273, start), (279, len(packed))):
        entry = content.rindex(struct.pack("<HHI", tag, 4, 20_000))
        place = struct.unpack_from("<I", content, entry + 8)[0]
        content[place : place + 80_000] = struct.pack("<I", value) * 20_000
    (tmp_path / "a.tif").write_bytes(bytes(content))
    assert np.asarray(reader.read(tmp_path / "a.tif")).max() == 0


def test_native_pixels_are_read_as_before(tmp_path):
    (tmp_path / "a.dcm").write_bytes(dicom_file(GRAY | {"PixelData": PIXELS.tobytes()}, EXPLICIT))
    assert (np.asarray(reader.read(tmp_path / "a.dcm")) == PIXELS).all()
