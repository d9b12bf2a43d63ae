"""Pixels that are stored once: the same as each model's own, whole, shared, and gone when they are
not needed."""

import faulthandler
import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_networks import TINY

from radcbir.cards import model_card
from radcbir.core import layout
from radcbir.core.errors import InputError
from radcbir.embedding.images import Means, embed_shard
from radcbir.embedding.job import Job
from radcbir.embedding.store import read_rejected
from radcbir.encoders.loaders import torchxrayvision_encoder
from radcbir.encoders.network import NetworkEncoder
from radcbir.images.intensity import INTENSITY
from radcbir.pixels.decode import Preparation, decode_missing, preprocessor
from radcbir.pixels.geometry import bytes_per_image, geometry
from radcbir.pixels.job import forget_pixels, store_pixels, stored_pixels
from radcbir.pixels.part import NotThisPart, read_part, write_part
from radcbir.pixels.stored import StoredPixels, bytes_stored, sweep

REPOSITORY = Path(__file__).parents[3]
CARDS = {
    path.stem: model_card.load_card(path)
    for path in sorted((REPOSITORY / "config/models").glob("*.yaml"))
}
NETWORKS = {
    slug: card
    for slug, card in CARDS.items()
    if model_card.has_network(card) and not model_card.takes_volumes(card)
}
WINDOW = {**INTENSITY, "policy": "minmax"}


def of_its_kind(card, image):
    """The image, or its values where the card takes those of the file."""
    return image.convert("L").convert("F") if model_card.takes_original(card) else image


def with_preprocessing(**changes):
    return TINY | {"preprocessing": TINY["preprocessing"] | changes}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Forty gray and color images of several shapes, five of them bad, in one shard list."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(7)
    (tmp_path / "images").mkdir()
    for number in range(40):
        shape = (60 + number, 90) if number % 3 else (60 + number, 90, 3)
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{number:02d}.png")
    (tmp_path / "images/03.png").unlink()
    (tmp_path / "images/10.png").write_bytes(b"")
    (tmp_path / "images/39.png").write_text("no image")
    monkeypatch.setattr("radcbir.pixels.stored.FEWEST_IMAGES", 8)
    lines = [f"{1000 - number}\t{number:02d}.png\t100\n" for number in range(40)]
    (tmp_path / "0123456789abcdef.tsv").write_text("id\tpath\tbytes\n" + "".join(lines))
    return tmp_path


def of_tiny(card=TINY):
    return geometry(card, INTENSITY)


def rows():
    return [(1000 - number, f"{number:02d}.png") for number in range(40)]


def stored_of(folder, card=TINY):
    return StoredPixels(folder / "pixels/0123456789abcdef", rows(), of_tiny(card))


def prepare(card=TINY, preprocess=None):
    return Preparation("images", INTENSITY, preprocess or preprocessor(card))


def all_images(stored):
    return [each for part in range(len(stored)) for each in stored.read(part)]


def equal(found, expected):
    return len(found) == len(expected) and all(
        one == other if isinstance(one, str) else one.dtype == other.dtype and (one == other).all()
        for one, other in zip(found, expected, strict=True)
    )


# --- geometry -------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", NETWORKS)
def test_the_pixels_of_every_card_are_those_of_its_encoder(slug):
    card = NETWORKS[slug]
    encoder = NetworkEncoder.__new__(
        torchxrayvision_encoder.XrayEncoder
        if card["loader"] == "torchxrayvision"
        else NetworkEncoder
    )
    encoder.preprocessing = card["preprocessing"]
    random = np.random.default_rng(1)
    for shape in ((90, 120), (130, 80, 3)):
        image = of_its_kind(card, Image.fromarray(random.integers(30, 200, shape, dtype=np.uint8)))
        found, expected = preprocessor(card)(image), encoder.preprocess(image)
        assert found.dtype == expected.dtype
        assert (found == expected).all()
        channels = 1 if len(shape) == 2 else 3
        gray_border = card["preprocessing"]["resize"] == "pad" and channels == 1
        if card["preprocessing"]["resize"] != "corner" and not gray_border:
            channels = len(found)
            assert found.nbytes == bytes_per_image(geometry(card, INTENSITY), channels)


def test_cards_of_one_geometry_have_the_same_pixels():
    """All pairs of cards in the repository: one geometry, one result."""
    images = [
        Image.fromarray(np.random.default_rng(n).integers(30, 200, shape, dtype=np.uint8))
        for n, shape in enumerate([(90, 120), (130, 80, 3), (7, 300)])
    ]
    found: dict[str, list] = {}
    for card in NETWORKS.values():
        key = json.dumps(geometry(card, INTENSITY), sort_keys=True)
        pixels = [preprocessor(card)(of_its_kind(card, each)) for each in images]
        found.setdefault(key, []).append(pixels)
    assert 1 < len(found) < len(NETWORKS)
    for same in found.values():
        assert all(equal(each, same[0]) for each in same)


@pytest.mark.parametrize(
    "changes", [{"mean": [0, 0, 0]}, {"std": [1, 1, 1]}, {"range": "minmax"}, {"range": "8bit"}]
)
def test_what_is_done_on_the_device_is_no_part_of_the_geometry(changes):
    assert geometry(with_preprocessing(**changes), INTENSITY) == of_tiny()


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 97},
        {"size": [96, 97]},
        {"resize": "squash"},
        {"crop_pct": 1},
        {"interpolation": "bilinear"},
        {"range": "stretched"},
        {"range": "equalized"},
        {"mean": [0.5]},
        {"crop_start": "floor"},
    ],
)
def test_what_changes_pixels_is_part_of_the_geometry(changes):
    assert geometry(with_preprocessing(**changes), INTENSITY) != of_tiny()


def test_the_color_of_a_border_and_the_intensity_policy_are_part_of_the_geometry():
    black, gray = (with_preprocessing(resize="pad", mean=[each] * 3) for each in (0, 0.5))
    assert geometry(black, INTENSITY) != geometry(gray, INTENSITY)
    assert geometry(TINY, WINDOW) != of_tiny()


# --- the file of a part ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_part_holds_images_of_all_shapes_and_reasons(tmp_path, dtype):
    random = np.random.default_rng(3)
    images = [
        (random.random(shape) * 255).astype(dtype)
        for shape in [(1, 5, 5), (3, 5, 5), (1, 2, 5), (3, 5, 1)]
    ]
    images[2:2] = ["missing", "zero bytes"]
    write_part(tmp_path / "a.npz", images, "here")
    write_part(tmp_path / "b.npz", images, "here")
    assert equal(read_part(tmp_path / "a.npz", 6, "here"), images)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_a_part_without_any_image(tmp_path):
    write_part(tmp_path / "a.npz", ["missing", "missing"], "here")
    assert read_part(tmp_path / "a.npz", 2, "here") == ["missing", "missing"]


def test_a_part_that_is_damaged_or_of_others_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(NotThisPart, match="is not there"):
        read_part(path, 1, "here")
    write_part(path, [np.arange(3000, dtype=np.uint8).reshape(3, 10, 100)], "here")
    whole = path.read_bytes()
    for belongs, count in (("elsewhere", 1), ("here", 2)):
        with pytest.raises(NotThisPart, match="of other images or of another geometry"):
            read_part(path, count, belongs)
    for damaged in (b"", whole[:100], whole[:-1], whole[:-400], b"x" * 500):
        path.write_bytes(damaged)
        with pytest.raises(NotThisPart, match="is damaged"):
            read_part(path, 1, "here")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(NotThisPart, match="is damaged"):
        read_part(path, 1, "here")


# --- decoding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "parts", "step"), [(3, 1, 32), (40, 2, 32), (3200, 32, 100), (100_000, 83, 1213)]
)
def test_a_shard_has_parts_for_many_processes_and_none_is_large(images, parts, step):
    """A color image of 96 x 96 pixels takes 27,648 bytes."""
    stored = StoredPixels("shard", [(0, "a.png")] * images, of_tiny())
    assert (len(stored), stored.step) == (parts, step)


@pytest.mark.parametrize("processes", [1, 3])
def test_decoding_by_processes_keeps_order_and_reasons(project, processes):
    stored = stored_of(project)
    assert len(stored) == 5
    assert decode_missing(stored, prepare(), processes) == 40
    expected = [prepare()(path) for _, path in rows()]
    assert equal(all_images(stored), expected)
    assert [expected[number] for number in (3, 10, 39)] == ["missing", "zero bytes", "not an image"]


def test_what_is_there_is_not_decoded_again(project):
    stored = stored_of(project)
    decode_missing(stored, prepare(), 2)
    dates = {part: stored.path(part).stat().st_mtime_ns for part in range(len(stored))}
    stored.path(2).unlink()
    stored.path(4).write_bytes(stored.path(4).read_bytes()[:-1])
    assert decode_missing(stored, prepare(), 2) == 8 + 8
    again = {part for part in dates if stored.path(part).stat().st_mtime_ns != dates[part]}
    assert again == {2, 4}
    assert equal(all_images(stored), [prepare()(path) for _, path in rows()])


def test_two_jobs_share_the_work(project):
    """Each has an order of its own and skips what the other has decoded."""
    counts = {}

    def slowly(image):
        threading.Event().wait(0.03)
        return preprocessor(TINY)(image)

    def job(name):
        counts[name] = decode_missing(stored_of(project), prepare(preprocess=slowly), 1, name)

    jobs = [threading.Thread(target=job, args=(name,)) for name in ("first", "another")]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join()
    assert all(each < 40 for each in counts.values())
    assert 40 <= sum(counts.values()) <= 56  # parts that both begin at a time are decoded twice
    assert equal(all_images(stored_of(project)), [prepare()(path) for _, path in rows()])


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (signal.SIGSEGV, "broken: it crashes its decoder"),
        (signal.SIGABRT, "broken: it crashes its decoder"),
        (signal.SIGKILL, "no memory left; the next run tries again"),
    ],
)
def test_a_crash_of_a_decoder_rejects_its_image_alone(project, ending, reason):
    def crashing(image):
        if image.height == 60 + 17:
            faulthandler.disable()
            os.kill(os.getpid(), ending)
        return preprocessor(TINY)(image)

    stored = stored_of(project)
    assert decode_missing(stored, prepare(preprocess=crashing), 2) == 40
    expected = [prepare()(path) for _, path in rows()]
    expected[17] = reason
    assert equal(all_images(stored), expected)
    # What may pass is tried again by the next job, with its part; what is broken is not.
    assert decode_missing(stored, prepare(), 2) == (8 if ending == signal.SIGKILL else 0)


def test_what_a_process_cannot_do_is_an_error_of_the_job(project):
    def failing(image):
        raise InputError("a library is missing: install it")

    def wrong(image):
        return 1 / 0

    with pytest.raises(InputError, match="a library is missing"):
        decode_missing(stored_of(project), prepare(preprocess=failing), 2)
    with pytest.raises(RuntimeError, match=r"(?s)ZeroDivisionError.*in wrong"):
        decode_missing(stored_of(project), prepare(preprocess=wrong), 2)


# --- the jobs of a model --------------------------------------------------------------------------


def store(project, model="tiny", card=TINY, most_bytes=1e12):
    pointer = project / f"{model}.pixels"
    store_pixels(
        project / "0123456789abcdef.tsv",
        pointer,
        model=model,
        dataset="chest",
        card=card,
        intensity=INTENSITY,
        image_root="images",
        most_bytes=most_bytes,
        processes=2,
    )
    return pointer


def embed(project, pointer, name, card=TINY):
    job = Job(model="tiny", dataset="chest", card=card, code="1", intensity=INTENSITY)
    means = Means(image_root="images", device="cpu", batch_size=8, threads=2)
    embed_shard(project / "0123456789abcdef.tsv", project / name, job, means, 0.5, pointer)
    return (project / name).read_bytes()


def test_vectors_from_stored_pixels_are_those_from_the_images(project, caplog):
    expected = embed(project, None, "images.h5")
    pointer = store(project)
    assert embed(project, pointer, "pixels.h5") == expected
    assert len(read_rejected(project / "pixels.h5")) == 3
    stored = stored_pixels(pointer, rows())
    stored.path(1).unlink()
    stored.path(3).write_bytes(b"cut off")
    with caplog.at_level("WARNING"):
        assert embed(project, pointer, "again.h5") == expected
    said = [each for each in caplog.messages if "the file of pixels" in each]
    assert [" is not there: its 8 images" in said[0], "is damaged" in said[1]] == [True, True]


def test_without_room_nothing_is_stored_and_the_vectors_are_the_same(project, caplog):
    with caplog.at_level("WARNING"):
        pointer = store(project, most_bytes=1000)
    assert "the pixels of 40 images are not stored: they would take" in caplog.text
    assert not list(Path(layout.PIXELS).rglob("*.npz"))
    assert embed(project, pointer, "pixels.h5") == embed(project, None, "images.h5")
    forget_pixels(pointer, "[]")


def test_pixels_go_when_the_last_model_has_read_them(project):
    def files(model):
        return [str(project / f"{model}.h5"), str(project / f"{model}.pixels")]

    pointers = {model: store(project, model) for model in ("one", "two")}
    folder = Path(json.loads(pointers["one"].read_text())["folder"])
    assert json.loads(pointers["two"].read_text())["folder"] == str(folder)
    embed(project, pointers["one"], "one.h5")
    forget_pixels(pointers["one"], json.dumps([files("two")]))
    assert folder.is_dir(), "the other has not read them"
    pointers["one"].unlink()
    embed(project, pointers["two"], "two.h5")
    forget_pixels(pointers["two"], "")
    assert folder.is_dir(), "they are to be kept"
    forget_pixels(pointers["two"], json.dumps([files("one")]))
    assert not folder.exists()
    # The other is embedded again, and at work while this one ends.
    pointers = {model: store(project, model) for model in ("one", "two")}
    forget_pixels(pointers["two"], json.dumps([files("one")]))
    assert folder.is_dir()


def test_pixels_stay_while_another_model_still_decodes(project, monkeypatch):
    """Both are embedded again, so that the embeddings of both are there from before."""

    def decode(stored, *arguments):
        decoded = decode_missing(stored, *arguments)
        forget_pixels(one, json.dumps([[str(project / "old.h5"), str(project / "two.pixels")]]))
        return decoded

    (project / "old.h5").touch()
    one = store(project, "one")
    monkeypatch.setattr("radcbir.pixels.job.decode_missing", decode)
    two = store(project, "two")
    assert not stored_pixels(two, rows()).missing()


def test_pixels_that_are_removed_meanwhile_do_not_count(project):
    store(project)
    (folder,) = Path(layout.PIXELS).glob("*/*/*")
    size = sum(each.stat().st_size for each in folder.iterdir())
    (folder / "gone.npz").symlink_to("nowhere")
    assert bytes_stored() == size > 0


def test_the_end_of_a_run_leaves_what_is_to_be_kept(project):
    store(project)
    shards = Path(layout.SHARDS.format(dataset="chest"))
    shards.mkdir(parents=True)
    (shards / "0123456789abcdef.tsv").touch()
    (kept,) = Path(layout.PIXELS).glob("*/*/*")
    old = kept.with_name("f" * 16)
    old.mkdir()
    sweep(keep=True)
    assert (kept.is_dir(), old.exists()) == (True, False)
    sweep(keep=False)
    assert not Path(layout.PIXELS).exists()
