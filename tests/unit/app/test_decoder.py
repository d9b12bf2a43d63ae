"""What a child process reads: uploads that no folder names, parts of files, regions."""

import gzip
import io
import os
import tempfile
from pathlib import Path

import dicom_series
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from radcbir.app.decoder import Decoder
from radcbir.app.worker import Embedder
from radcbir.core.errors import InputError
from radcbir.images.formats import nifti
from radcbir.images.intensity import INTENSITY

RAW = {"policy": "window", "low": 0, "high": 255}


def png(values, **options):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", **options)
    return buffer.getvalue()


def upload(content, name="x.png", **more):
    return {"name": name, "bytes": content, "intensity": INTENSITY, **more}


@pytest.fixture
def decoder(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    open_files = len(os.listdir("/proc/self/fd"))
    yield Decoder(1_000_000)
    assert os.listdir(temporary) == []
    assert len(os.listdir("/proc/self/fd")) <= open_files
    assert len(nifti._kept) == 0


@pytest.fixture(scope="module")
def histogram():
    card = {"loader": "control", "architecture": "histogram", "dimension": 64}
    return Embedder({"model": "h", "card": card, "weights": None, "device": "cuda:9", "runtime": "torch"})  # fmt: skip


def pixels(decoder, source):
    mode, size, content = decoder.image(source)
    return np.asarray(Image.frombytes(mode, size, content))


def test_a_region_of_an_upload_is_embedded(decoder, histogram):
    values = np.zeros((40, 60), dtype=np.uint8)
    values[:20, 30:] = 200
    corner = decoder.image(upload(png(values), crop=[0.5, 0, 1, 0.5]))
    assert histogram.embed_image("x", corner)[200 // 4] == 1  # all its pixels are in one bin
    whole = histogram.embed_image("x", decoder.image(upload(png(values))))
    assert np.allclose(whole[[0, 50]] ** 2, [0.75, 0.25])


def test_pixels_come_as_the_reader_gives_them(decoder, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert np.array_equal(pixels(decoder, upload(png(values))), values)
    (tmp_path / "x.png").write_bytes(png(values))
    catalog = {"path": str(tmp_path / "x.png"), "intensity": INTENSITY}
    assert np.array_equal(pixels(decoder, catalog), values)
    shown = Image.open(io.BytesIO(decoder.picture(catalog, 15)))
    assert (shown.format, shown.size) == ("JPEG", (15, 10))


def test_dicom_and_stacks_are_read_as_the_index_images_are(decoder):
    content = Path(pydicom.data.get_testdata_file("CT_small.dcm")).read_bytes()
    assert decoder.preview(upload(content, "IM0001"))["width"] == 128
    pages = io.BytesIO()
    stack = [Image.fromarray(np.full((16, 16), value, dtype=np.uint8)) for value in (0, 100, 252)]
    stack[0].save(pages, "TIFF", save_all=True, append_images=stack[1:])
    shown = decoder.preview(upload(pages.getvalue(), "stack.tiff"))
    assert (shown["parts"], shown["part"]) == ({"frame": 3}, {"frame": 0})
    last = upload(pages.getvalue(), "stack.tiff", part={"frame": 2})
    assert (pixels(decoder, last) == 252).all()
    with pytest.raises(InputError, match="has no frame 3: the last is 2"):
        decoder.preview(upload(pages.getvalue(), "stack.tiff", part={"frame": 3}))
    with pytest.raises(InputError, match="has no axial: choose frame"):
        decoder.preview(upload(pages.getvalue(), "stack.tiff", part={"axial": 1}))


def test_a_preview_says_where_a_slice_lies(decoder, tmp_path):
    for where, position in (([-10, -10, 7.5], 7.5), (None, None)):
        path = dicom_series.write(tmp_path / "x", np.zeros((40, 40), np.uint8), ImagePositionPatient=where)  # fmt: skip
        place = decoder.preview(upload(path.read_bytes(), "x"))["place"]
        assert place == (where and {"normal": (0, 0, 1), "position": position})
    assert decoder.preview(upload(png(np.zeros((40, 40), np.uint8))))["place"] is None
    volume = nibabel.Nifti1Image(np.zeros((8, 9, 5), np.uint8), np.eye(4)).to_bytes()
    assert decoder.preview(upload(volume, "x.nii"))["place"] is None, "it has slices"


def test_several_slices_of_an_upload_are_read_from_one_unpacking(decoder, monkeypatch):
    voxels = np.random.default_rng(0).integers(0, 255, (8, 9, 5)).astype(np.uint8)
    content = gzip.compress(nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes())
    source = upload(content, "head.nii.gz")
    parts = [{"axial": 4}, {"coronal": 0}, {"axial": 1}]
    one_by_one = [decoder.image(source | {"part": part}) for part in parts]
    unpacked, made = [], nifti.Volume
    monkeypatch.setattr(nifti, "Volume", lambda *given: unpacked.append(1) or made(*given))
    assert decoder.images(source, parts) == one_by_one
    assert len(unpacked) == 1 and len(set(one_by_one)) == 3


@pytest.mark.parametrize("name", ["series.nii", "series.NII.GZ"])
def test_a_slice_of_one_of_several_volumes_is_read(decoder, name):
    voxels = np.zeros((8, 9, 5, 3), dtype=np.uint8)
    for volume in range(3):
        for axial in range(5):
            voxels[:, :, axial, volume] = 50 * volume + 10 * axial
    content = nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes()
    content = gzip.compress(content) if name.endswith("GZ") else content
    shown = decoder.preview(upload(content, name))
    assert shown["parts"] == {"sagittal": 8, "coronal": 9, "axial": 5, "volume": 3}
    assert shown["part"] == {"axial": 2, "volume": 0}
    raw = {"intensity": RAW}
    chosen = upload(content, name, part={"axial": 3, "volume": 2}) | raw
    assert (pixels(decoder, chosen) == 130).all()
    middle = decoder.preview(upload(content, name, part={"coronal": 4, "volume": 1}))
    assert middle["part"] == {"coronal": 4, "volume": 1}
    with pytest.raises(InputError, match="has no volume 3: the last is 2"):
        decoder.preview(upload(content, name, part={"axial": 0, "volume": 3}))


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (b"hello", {}, "the image 'x.png' cannot be read .not an image.: choose a PNG"),
        (b"", {}, "cannot be read .zero bytes."),
        (png(np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8))[:900], {}, "cannot be read .truncated."),
        (png(np.zeros((1001, 1000), np.uint8)), {}, "is too large: 1000 x 1001 pixels, more than 1,000,000"),
        (png(np.zeros((20, 20), np.uint8)), {"crop": [0, 0, 0.1, 1]}, "the region of .* is 2 x 20 pixels: draw one of at least 8 x 8"),
        (b"\x1f\x8b", {"name": "x.nii.gz"}, "the image 'x.nii.gz' cannot be read"),
    ],
    ids=["text", "empty", "truncated", "too many pixels", "too small a region", "no volume"],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_a_sentence(decoder, content, more, message):
    with pytest.raises(InputError, match=message):
        decoder.image(upload(content, **more))
    with pytest.raises(InputError, match="cannot be read any more .missing."):
        decoder.picture({"path": "/nowhere.png", "intensity": INTENSITY}, 192)


def test_the_limit_of_uploads_is_none_of_the_catalogs(decoder, tmp_path):
    (tmp_path / "large.png").write_bytes(png(np.zeros((1001, 1000), np.uint8)))
    with pytest.raises(InputError, match="too large"):
        decoder.image(upload((tmp_path / "large.png").read_bytes()))
    assert decoder.image({"path": str(tmp_path / "large.png"), "intensity": INTENSITY})[1] == (1000, 1001)  # fmt: skip


def test_a_model_that_makes_nothing_of_an_image_says_so(histogram, monkeypatch):
    monkeypatch.setattr(histogram.encoder, "encode", lambda batch: np.zeros((1, 64)))
    with pytest.raises(
        InputError, match=r"the model makes nothing of the image 'x' \(a zero vector"
    ):
        histogram.embed_image("x", ("L", (8, 8), bytes(64)))
