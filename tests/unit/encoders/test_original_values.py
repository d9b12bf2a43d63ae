"""Networks that take Hounsfield units, percentiles and the image's own mean: values worked by hand,
from the file to the network."""

from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import torch
from dicom_series import write
from PIL import Image
from tiny_networks import TINY

from radcbir.analyses import registry
from radcbir.app.worker import Embedder
from radcbir.cards.card_schema import check_card
from radcbir.cards.model_card import card_meaning
from radcbir.core.errors import InputError
from radcbir.embedding.images import Means, embed_images, embed_shard
from radcbir.embedding.job import Job
from radcbir.embedding.store import read, read_ids
from radcbir.encoders import load_encoder
from radcbir.encoders.network import standardised
from radcbir.encoders.preprocessing import preprocessed
from radcbir.images import reader
from radcbir.images.intensity import INTENSITY, policy_of
from radcbir.images.raster import UnreadableImage
from radcbir.pixels.geometry import bytes_per_image, geometry
from radcbir.pixels.job import store_pixels

SHAPE = {"size": 8, "resize": "squash", "crop_pct": 1.0, "interpolation": "bicubic"}
CLAMPED = {**SHAPE, "range": {"hounsfield": [-1000, 1000]}, "mean": [0.5], "std": [0.25]}
FROM_AIR = {
    **SHAPE, "range": {"hounsfield": [-1000, None]}, "mean": "image", "std": "image", "channels": 1,
}  # fmt: skip
PERCENTILES = {**SHAPE, "range": {"percentiles": [25, 75]}, "mean": [0.5], "std": [0.5]}


def card_of(preprocessing):
    """A network of one channel, or three where the card has three means."""
    given = preprocessing | {"size": 96}
    channels = given.get("channels") or len(given["mean"])
    return TINY | {"preprocessing": given, "options": {"in_chans": channels}}


def slice_of(path, hounsfield):
    """A CT slice with these Hounsfield units, stored with intercept -1024."""
    stored = (np.asarray(hounsfield) + 1024).astype(np.uint16)
    return write(
        path, stored, BitsAllocated=16, BitsStored=16, HighBit=15, RescaleSlope=1,
        RescaleIntercept=-1024, RescaleType="HU", WindowCenter=40, WindowWidth=80,
    )  # fmt: skip


@pytest.fixture
def scan(tmp_path):
    """Rows of -1024, -1000, -500, 0, 250, 1000, 1500 and 3000 HU."""
    rows = [-1024, -1000, -500, 0, 250, 1000, 1500, 3000]
    return slice_of(tmp_path / "scan.dcm", np.repeat(rows, 8).reshape(8, 8))


def seen(path, preprocessing):
    return preprocessed(reader.read(path, policy_of(preprocessing, INTENSITY)), preprocessing)


def test_hounsfield_units_are_clipped_whatever_window_the_file_names(scan):
    found = seen(scan, CLAMPED)
    assert (found.shape, found.dtype) == ((1, 8, 8), np.float32)
    assert np.allclose(found[0, :, 0] / 255, [0, 0, 0.25, 0.5, 0.625, 1, 1, 1], atol=1e-6)


def test_without_an_upper_end_metal_stays_brighter_than_bone(scan):
    found = seen(scan, FROM_AIR)
    assert found[0, :, 3].tolist() == [0, 0, 500, 1000, 1250, 2000, 2500, 4000]


def test_percentiles_are_those_of_the_image(scan):
    # Of 64 values, 8 of each: the 25th percentile is a quarter of the way from -1000 to -500 at
    # place 15.75, which is -1000 + 0.75 * 500; the 75th at 47.25 from 1000 to 1500.
    low, high = -1000 + 0.75 * 500, 1000 + 0.25 * 500
    expected = np.clip((np.array([-1024, -500, 0, 1500]) - low) / (high - low), 0, 1)
    assert np.allclose(seen(scan, PERCENTILES)[0, [0, 2, 3, 6], 0] / 255, expected, atol=1e-6)


def test_a_volume_is_read_after_its_slope_and_intercept(tmp_path):
    # Slope 2 and intercept -1024: 500 in the file is 2 * 500 - 1024 = -24.
    stored = np.array([0, 500, 600, 2000], dtype=np.int16)
    volume = nibabel.Nifti1Image(np.tile(stored[:, None, None], (1, 4, 3)), np.eye(4))
    volume.header.set_slope_inter(2, -1024)
    nibabel.save(volume, tmp_path / "ct.nii.gz")
    image = reader.read(f"{tmp_path}/ct.nii.gz#axial=1", policy_of(CLAMPED, INTENSITY))
    assert image.mode == "F"
    assert sorted(set(np.asarray(image).ravel().tolist())) == [-1024, -24, 176, 2976]
    with pytest.raises(UnreadableImage, match="8 bit, where the model takes the original values"):
        preprocessed(reader.read(f"{tmp_path}/ct.nii.gz#axial=1", INTENSITY), CLAMPED)


def test_each_image_has_its_own_mean():
    images = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]], [[[9.0, 9.0], [9.0, 9.0]]]])
    found = standardised(images)
    # Mean 4, variance (9 + 1 + 1 + 9) / 4 = 5.
    assert torch.allclose(found[0].flatten(), torch.tensor([-3.0, -1.0, 1.0, 3.0]) / 5**0.5)
    assert not found[1].any()


@pytest.mark.parametrize("preprocessing", [CLAMPED, FROM_AIR])
def test_the_network_gets_what_is_worked_out_by_hand(scan, preprocessing):
    encoder = load_encoder("tiny", card_of(preprocessing), None, "cpu", "torch")
    image = Image.fromarray(np.linspace(-1500, 2500, 96 * 96, dtype=np.float32).reshape(96, 96))
    units = np.asarray(image).clip(-1000, 1000 if preprocessing is CLAMPED else None)
    clamped, own = ((units + 1000) / 2000 - 0.5) / 0.25, (units - units.mean()) / units.std()
    expected = clamped if preprocessing is CLAMPED else own
    batch = encoder.batch([encoder.preprocess(image)])
    assert batch.shape == (1, 1, 96, 96)
    assert np.abs(batch[0, 0].numpy() - expected).max() < 1e-4


def test_one_value_more_in_hounsfield_units_is_seen_where_8_bit_would_hide_it(tmp_path):
    plain, other = np.full((96, 96), 100), np.full((96, 96), 100)
    other[40:50, 40:50] = 102  # 2 of 2000 units are a quarter of a gray level
    for name, each in (("plain.dcm", plain), ("other.dcm", other)):
        slice_of(tmp_path / name, each)
    encoder = load_encoder("tiny", card_of(CLAMPED), None, "cpu", "torch")
    rows = [(1, "plain.dcm"), (2, "other.dcm")]
    _, vectors, rejected = embed_images(rows, tmp_path, encoder, 2, 1)
    assert not rejected
    assert (vectors[0] != vectors[1]).any()


def test_vectors_are_the_same_with_stored_pixels_and_without(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(5)
    for number in range(6):
        slice_of(tmp_path / f"ct/{number}.dcm", random.integers(-1024, 2000, (90 + number, 120)))
    lines = "".join(f"{number}\t{number}.dcm\t100\n" for number in range(6))
    shard = tmp_path / "0123456789abcdef.tsv"
    shard.write_text("id\tpath\tbytes\n" + lines)
    card = card_of(FROM_AIR)
    store_pixels(
        shard, "pointer", model="tiny", dataset="ct", card=card, intensity=INTENSITY,
        image_root="ct", most_bytes=1e9, processes=2,
    )  # fmt: skip
    job = Job("tiny", card_meaning(card), "versions", "ct", INTENSITY)
    means = Means(image_root="ct", device="cpu", batch_size=4)
    found = []
    for name, pointer in (("stored.h5", "pointer"), ("read.h5", None)):
        embed_shard(shard, name, job, means, 0.0, pointer)
        found.append(read([name], read_ids(name))[1])
    assert len(found[0]) == 6
    assert (found[0] == found[1]).all()


def test_original_values_are_a_geometry_of_their_own():
    def of(preprocessing, **policy):
        return geometry(card_of(preprocessing), INTENSITY | policy)

    assert of(CLAMPED) == of(CLAMPED, policy="minmax"), "no policy of 8 bit has a part in it"
    assert of(CLAMPED) == of({**CLAMPED, "mean": [0.1]})
    ends = {**CLAMPED, "range": {"hounsfield": [-1000, 999]}}
    gray = {key: each for key, each in CLAMPED.items() if key != "range"}
    assert len({str(of(each)) for each in (CLAMPED, ends, FROM_AIR, PERCENTILES, gray)}) == 5
    assert bytes_per_image(of(CLAMPED)) == 96 * 96 * 4
    assert bytes_per_image(of(gray)) == 96 * 96


def test_images_without_hounsfield_units_are_refused_before_anything_is_decoded(tmp_path):
    (tmp_path / "chest").mkdir()
    Image.new("L", (20, 20), 90).save(tmp_path / "chest/a.png")
    shard = tmp_path / "0123456789abcdef.tsv"
    shard.write_text("id\tpath\tbytes\n1\ta.png\t100\n")
    sentence = (
        "the model 'tiny' takes Hounsfield units, and a.png of the dataset 'chest' has no "
        "Hounsfield units: uint8: give the dataset as DICOM or NIfTI, or leave the model out of "
        "its experiments"
    )
    with pytest.raises(InputError) as error:
        store_pixels(
            shard, tmp_path / "pointer", model="tiny", dataset="chest", card=card_of(CLAMPED),
            intensity=INTENSITY, image_root=tmp_path / "chest", most_bytes=1e9, processes=1,
        )  # fmt: skip
    assert str(error.value) == sentence
    assert not (tmp_path / "pointer").exists()


def test_what_works_with_8_bit_leaves_such_a_model_out():
    cards = {"units": card_of(CLAMPED), "gray": TINY}
    project = SimpleNamespace(
        encoded=[*cards], cards=cards, experiments={"ct": {"models": ["units", "gray"]}}
    )
    assert registry()["robustness"].models(project, "ct") == ["gray"]
    settings = {
        "model": "units", "card": cards["units"], "weights": None, "device": "auto", "runtime": "torch",
    }  # fmt: skip
    embedder = Embedder(settings)
    embedder.warm()
    with pytest.raises(InputError, match="the page reads 8 bit: take another model"):
        embedder.embed_image("a.png", ("L", (20, 20), bytes(400)))


@pytest.mark.parametrize(
    "changes",
    [
        {"range": {"hounsfield": [-1000, None]}},
        {"range": {"hounsfield": [None, 1000]}},
        {"range": {"hounsfield": [-1000, 1000], "percentiles": [1, 99]}},
        {"range": {"percentiles": [-1, 99]}},
        {"range": {}},
        {"range": "hounsfield"},
        {"range": {"hounsfield": [-1000, 1000]}, "resize": "pad"},
        {"mean": "image", "std": "image"},
        {"mean": "image", "channels": 1},
        {"mean": "picture", "std": "image", "channels": 1},
        {"std": "image"},
        {"channels": 1},
    ],
)
def test_cards_that_make_no_sense_are_refused(changes):
    plain = {**SHAPE, "mean": [0.5], "std": [0.25]}
    check_card(TINY | {"preprocessing": plain}, "the card")
    for good in (CLAMPED, FROM_AIR, PERCENTILES):
        check_card(TINY | {"preprocessing": good}, "the card")
    with pytest.raises(InputError, match="the card: "):
        check_card(TINY | {"preprocessing": plain | changes}, "the card")
