"""DICOM: every file that pydicom's packages ship, and files made by hand whose pixels are known."""

import importlib.util
import warnings
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, convert_color_space, pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from radcbir.images import raster, reader
from radcbir.images.limits import Limits

FOLDERS = [
    Path(pydicom.data.__file__).parent,
    Path(importlib.util.find_spec("data_store").origin).parent,
]
NOT_DICOM = {".py", ".pyc", ".json", ".md", ".txt", ".icc", ".dump", ".gz"}
MINMAX = {"policy": "minmax", "low": 0.5, "high": 99.5}

NO_DECODER = "no decoder for these pixels (JPEG Extended (Process 2 and 4))"
UNREADABLE = {
    "JPEG-lossy.dcm": NO_DECODER,  # 12 bit
    "JPGExtended.dcm": NO_DECODER,
    "JPEG2000-embedded-sequence-delimiter.dcm": "too large: 3722445056 x 1024 pixels",
    "MR_truncated.dcm": "truncated",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "truncated",
    "badVR.dcm": "the number of frames is not a number",
    "meta_missing_tsyntax.dcm": "not a DICOM file",
    "no_meta.dcm": "not a DICOM file",
}
"""Files of the packages that have pixels, or seem to, and are refused, with the reason."""


def shipped() -> list[Path]:
    found = sorted(path for folder in FOLDERS for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.suffix not in NOT_DICOM and path.name != "README"]


def named(name: str) -> Path:
    return next(path for path in shipped() if path.name == name)


@pytest.mark.filterwarnings("ignore")
def test_every_file_of_pydicom_decodes_or_has_a_reason():
    reasons, frames = {}, Counter()
    for path in shipped():
        try:
            count = reader.parts(path).get("frame", 0)
            for address in [f"{path}#frame={number}" for number in range(count)] or [path]:
                assert reader.read(address).mode in ("L", "RGB")
                frames[path.name] += 1
        except raster.UnreadableImage as error:
            reasons[path.name] = str(error)
    indexes = {name for name, reason in reasons.items() if reason == "not an image"}
    assert len(indexes) == 6 and all(name.startswith("DICOMDIR") for name in indexes)
    reasons = {name: reason for name, reason in reasons.items() if name not in indexes}
    without = {name for name, reason in reasons.items() if reason == "DICOM without pixels"}
    assert {name: reason for name, reason in reasons.items() if name not in without} == UNREADABLE
    assert (len(frames), sum(frames.values())) == (167, 419)
    for name in without:
        header = pydicom.dcmread(named(name), force=True)
        assert not ("PixelData" in header and "Rows" in header), f"{name} has pixels"


def scaled(values, low, high):
    return np.rint(np.clip((np.asarray(values, float) - low) * 255 / (high - low), 0, 255)).astype(
        np.uint8
    )


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "693_UNCI.dcm", "J2K_pixelrep_mismatch.dcm", "MR2_J2KR.dcm", "examples_overlay.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"])  # fmt: skip
def test_windows_agree_with_those_of_pydicom(name):
    """The second way: pydicom's own VOI windowing, its output range brought to 8 bit."""
    dataset = pydicom.dcmread(named(name))
    values = apply_modality_lut(pixel_array(dataset), dataset)
    shown = apply_voi_lut(values, dataset, prefer_lut=False)
    ends = [np.array([-1e9]), np.array([1e9])]
    low, high = (float(apply_voi_lut(end, dataset, prefer_lut=False)[0]) for end in ends)
    found = np.asarray(reader.read(named(name))).astype(int)
    assert np.abs(found - scaled(shown, low, high)).max() <= 1  # a half may be rounded either way


def test_a_voi_lookup_table_agrees_with_that_of_pydicom():
    dataset = pydicom.dcmread(named("vlut_04.dcm"))
    shown = apply_voi_lut(pixel_array(dataset), dataset)
    bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
    assert (np.asarray(reader.read(named("vlut_04.dcm"))) == scaled(shown, 0, 2**bits - 1)).all()


def test_a_modality_lookup_table_is_applied():
    dataset = pydicom.dcmread(named("mlut_18.dcm"))
    values = apply_modality_lut(pixel_array(dataset), dataset)
    found = np.asarray(reader.read(named("mlut_18.dcm"), MINMAX))
    assert (found == scaled(values.astype(float), values.min(), values.max())).all()


def test_monochrome1_is_inverted():
    path = named("RG3_J2KR.dcm")
    header = pydicom.dcmread(path, stop_before_pixels=True)
    assert header.PhotometricInterpretation == "MONOCHROME1"
    values = pixel_array(path).astype(float)
    found = np.asarray(reader.read(path, MINMAX)).astype(int)
    assert np.abs(found - (255 - scaled(values, values.min(), values.max()).astype(int))).max() <= 1


@pytest.mark.parametrize("name", ["SC_rgb_rle.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_small_odd.dcm", "US1_J2KR.dcm"])  # fmt: skip
def test_color_comes_out_as_rgb(name):
    image = reader.read(named(name))
    assert image.mode == "RGB"
    assert (np.asarray(image) == pixel_array(named(name))).all()


def test_pixels_become_square_by_their_aspect_ratio():
    """The file gives 4:3. Second way: linear interpolation between centers of rows, with numpy."""
    stored = pixel_array(named("color-pl.dcm")).astype(float)
    rows = round(stored.shape[0] * 4 / 3)
    centers = (np.arange(rows) + 0.5) * stored.shape[0] / rows - 0.5
    flat = stored.reshape(len(stored), -1)
    known = np.arange(len(stored))
    expected = np.stack([np.interp(centers, known, each) for each in flat.T], axis=1)
    found = np.asarray(reader.read(named("color-pl.dcm"))).astype(float)
    assert found.shape == (rows, *stored.shape[1:])
    assert np.abs(found - expected.reshape(found.shape)).max() <= 1


def test_ybr_is_converted_as_pillow_converts_it():
    """A baseline JPEG inside DICOM against the same codestream opened by Pillow."""
    path = named("SC_rgb_dcmtk_+eb+cy+np.dcm")
    dataset = pydicom.dcmread(path)
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    expected = np.asarray(Image.open(BytesIO(frame)).convert("RGB")).astype(int)
    assert np.abs(np.asarray(reader.read(path)).astype(int) - expected).max() <= 1
    full = pydicom.dcmread(named("SC_ybr_full_uncompressed.dcm"))
    expected = convert_color_space(pixel_array(full, raw=True), "YBR_FULL", "RGB")
    assert (np.asarray(reader.read(named("SC_ybr_full_uncompressed.dcm"))) == expected).all()


def test_a_palette_becomes_its_colors():
    path = named("OBXXXX1A.dcm")
    dataset = pydicom.dcmread(path)
    channels = ["Red", "Green", "Blue"]
    tables = [
        np.frombuffer(dataset[f"{each}PaletteColorLookupTableData"].value, "<u2") >> 8
        for each in channels
    ]
    index = pixel_array(dataset)
    assert (
        np.asarray(reader.read(path)) == np.stack([table[index] for table in tables], axis=-1)
    ).all()


def test_lossless_syntaxes_of_one_image_agree():
    names = ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm"]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [np.asarray(reader.read(named(name))) for name in names]
    assert all((each == found[0]).all() for each in found)


def test_frames_are_addressed_one_by_one():
    path = named("emri_small.dcm")
    values = pixel_array(path).astype(float)
    assert reader.parts(path) == {"frame": 10}
    for frame in (0, 9):
        found = np.asarray(reader.read(f"{path}#frame={frame}", MINMAX))
        assert (found == scaled(values[frame], values[frame].min(), values[frame].max())).all()
    for address, reason in [("", "10 frames: name one, from #frame=0 to #frame=9"), ("#frame=10", "no frame 10: the last of 10 is #frame=9"), ("#axial=1", "frames, not planes")]:  # fmt: skip
        with pytest.raises(raster.UnreadableImage, match=reason):
            reader.read(f"{path}{address}")


def test_a_large_file_is_read_frame_by_frame():
    """Beyond the limit for reading at once: the same pixels from the file itself, native and
    compressed."""
    addresses = [f"{named(name)}#frame=7" for name in ("emri_small.dcm", "emri_small_jpeg_2k_lossless.dcm", "emri_small_RLE.dcm")]  # fmt: skip
    at_once = [np.asarray(reader.read(address)) for address in addresses]
    limits = Limits(at_once=100)
    for address, expected in zip(addresses, at_once, strict=True):
        assert (np.asarray(reader.read(address, limits=limits)) == expected).all()


# --- files made by hand ---


def written(path, values, syntax=ExplicitVRLittleEndian, **attributes):
    """A secondary capture of 16 bit with the attributes given."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientName, dataset.PatientID = "Secret^Name", "PID-4711"
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


HOUNSFIELD = np.array([[0, 924, 1064], [1104, 1264, 3000]], dtype=np.uint16)
"""Minus 1024: -1024, -100, 40, 80, 240, 1976 HU."""


def test_rescale_comes_before_the_window(tmp_path):
    """Hand-worked: centre 40, width 400 runs from -160 (exclusive) to 239; -100 HU is 60.5 of 399
    along it."""
    path = written(tmp_path / "ct.dcm", HOUNSFIELD, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)  # fmt: skip
    assert np.asarray(reader.read(path)).tolist() == [[0, 38, 128], [153, 255, 255]]
    config = {"policy": "window", "low": 0.5, "high": 99.5, "window": [0, 2048]}
    assert np.asarray(reader.read(path, config)).tolist() == [[0, 115, 132], [137, 157, 255]]
    dtype = np.asarray(reader.read(path, MINMAX | {"policy": "dtype"}))
    assert dtype.tolist() == [[0, 4, 4], [4, 5, 12]]


def test_a_window_that_no_rule_allows_counts_as_none(tmp_path):
    for width in (0, -5):
        path = written(tmp_path / "ct.dcm", HOUNSFIELD, WindowCenter=40, WindowWidth=width)
        expected = reader.read(path, {"policy": "percentile", "low": 0.5, "high": 99.5})
        assert (np.asarray(reader.read(path)) == np.asarray(expected)).all()


def test_sigmoid_windows(tmp_path):
    path = written(
        tmp_path / "mr.dcm",
        HOUNSFIELD,
        WindowCenter=1064,
        WindowWidth=400,
        VOILUTFunction="SIGMOID",
    )
    expected = 255 / (1 + np.exp(-4 * (HOUNSFIELD.astype(float) - 1064) / 400))
    assert (np.asarray(reader.read(path)) == np.rint(expected)).all()


def test_padding_is_black_and_sets_no_range(tmp_path):
    values = np.array([[-2000, 0], [50, 100]], dtype=np.int16)
    path = written(
        tmp_path / "ct.dcm",
        values,
        PixelPaddingValue=-2000,
        PhotometricInterpretation="MONOCHROME1",
    )
    assert np.asarray(reader.read(path, MINMAX)).tolist() == [[0, 255], [128, 0]] or np.asarray(
        reader.read(path, MINMAX)
    ).tolist() == [[0, 255], [127, 0]]


def test_burned_in_annotations_are_told(tmp_path):
    path = written(tmp_path / "us.dcm", HOUNSFIELD, BurnedInAnnotation="YES")
    assert reader.read_raster(path).facts == {"burned_in": "burned-in annotation"}
    path = written(tmp_path / "us.dcm", HOUNSFIELD, BurnedInAnnotation="NO")
    assert reader.read_raster(path).facts == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-6], "truncated"),
        (lambda content: content[:200], "DICOM without pixels|not a DICOM file|broken"),
        (lambda content: content[:140], "not a DICOM file|broken|DICOM without pixels"),
        (lambda content: b"", "zero bytes"),
    ],
)
def test_half_a_file_has_a_reason(tmp_path, change, reason):
    path = written(tmp_path / "ct.dcm", HOUNSFIELD)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(raster.UnreadableImage, match=reason):
        reader.read(path)


def test_sizes_that_a_header_claims_are_not_believed(tmp_path):
    path = written(tmp_path / "ct.dcm", HOUNSFIELD, Rows=60000, Columns=60000)
    with pytest.raises(raster.UnreadableImage, match="too large: 60000 x 60000 pixels"):
        reader.read(path)


def test_a_deflated_file_that_unfolds_without_end_is_refused(tmp_path):
    path = written(
        tmp_path / "ct.dcm", np.zeros((1000, 1000), dtype=np.uint16), DeflatedExplicitVRLittleEndian
    )
    assert path.stat().st_size < 10_000
    assert reader.read(path).size == (1000, 1000)
    with pytest.raises(raster.UnreadableImage, match="too large: a deflated file"):
        reader.read(path, limits=Limits(unpacked=1_000_000))


@pytest.mark.filterwarnings("ignore")
def test_no_damage_gets_past_the_reasons_and_no_header_into_them(tmp_path):
    random = np.random.default_rng(3)
    refused = 0
    for name in (
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_dcmtk_+eb+cr.dcm",
    ):
        whole = bytearray(named(name).read_bytes())
        for _ in range(40):
            broken = whole.copy()
            for place in random.integers(0, len(broken), 12):
                broken[place] = random.integers(0, 256)
            (tmp_path / "a.dcm").write_bytes(broken)
            try:
                assert reader.read(tmp_path / "a.dcm").mode in ("L", "RGB")
            except raster.UnreadableImage as error:
                assert str(error) and "CompressedSamples" not in str(error)
                refused += 1
    assert refused > 10
