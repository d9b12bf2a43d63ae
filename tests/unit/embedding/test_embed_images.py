"""From image files to vectors: nothing lost, nothing out of order, nothing that grows with the
number of images."""

import csv
import threading
import time

import numpy as np
import pytest
from PIL import Image

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.embedding import images as embedding_images
from radcbir.embedding import store
from radcbir.embedding.images import AHEAD, Means, embed_images
from radcbir.embedding.job import Job
from radcbir.encoders import OutOfMemory

HISTOGRAM = model_card.DEFAULTS | {
    "name": "histogram", "loader": "control", "architecture": "histogram", "dimension": 64, "licence": "none",
}  # fmt: skip


class FirstPixel:
    """The vector of an image is its first pixel; remembers the sizes of its batches."""

    dimension = 3

    def __init__(self, room=1000):
        self.libraries = {}
        self.room, self.batches = room, []
        self.prepared = self.most_waiting = 0

    def preprocess(self, image):
        self.prepared += 1
        return np.asarray(image)[0, 0]

    def encode(self, inputs):
        self.most_waiting = max(self.most_waiting, self.prepared - sum(self.batches))
        if len(inputs) > self.room:
            raise OutOfMemory(f"{len(inputs)} images do not fit into the GPU's memory")
        self.batches.append(len(inputs))
        return np.stack(inputs).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Forty images whose first pixel is (number + 1, 0, 0)."""
    (tmp_path / "images").mkdir()
    for number in range(40):
        Image.new("RGB", (4, 4), (number + 1, 0, 0)).save(tmp_path / f"images/{number:02d}.png")
    return tmp_path


def rows(count=40):
    """Pairs of id and path; the ids fall while the paths rise."""
    return [(1000 - number, f"{number:02d}.png") for number in range(count)]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_ids_and_vectors_travel_together(folder, threads, batch_size):
    encoder = FirstPixel()
    ids, vectors, rejected = embed_images(rows(), folder / "images", encoder, batch_size, threads)
    assert ids.tolist() == [each for each, _ in rows()]
    assert vectors[:, 0].tolist() == list(range(1, 41))
    assert rejected == []
    assert max(encoder.batches) <= batch_size
    assert len(encoder.batches) == -(-40 // batch_size)


def test_bad_images_are_rejected_and_nothing_else(folder):
    (folder / "images/03.png").unlink()
    (folder / "images/10.png").write_bytes(b"")
    (folder / "images/11.png").write_text("no image")
    Image.new("RGB", (4, 4)).save(folder / "images/20.png")  # black: the vector is zero
    ids, vectors, rejected = embed_images(rows(), folder / "images", FirstPixel(), 8, 2)
    assert sorted(rejected) == [
        (980, "20.png", "the encoder gave a zero vector"),
        (989, "11.png", "not an image"),
        (990, "10.png", "zero bytes"),
        (997, "03.png", "missing"),
    ]
    kept = [
        (each, path)
        for each, path in rows()
        if path not in ("03.png", "10.png", "11.png", "20.png")
    ]
    assert ids.tolist() == [each for each, _ in kept]
    assert vectors[:, 0].tolist() == [int(path[:2]) + 1 for _, path in kept]


def test_vectors_that_are_not_finite_are_rejected(folder):
    encoder = FirstPixel()
    encoder.encode = lambda inputs: np.stack(
        [[np.nan if each[0] == 5 else each[0], np.inf if each[0] == 6 else 0] for each in inputs]
    )
    encoder.dimension = 2
    ids, _, rejected = embed_images(rows(10), folder / "images", encoder, 4, 1)
    assert rejected == [
        (each, f"0{1000 - each}.png", "the encoder gave no finite vector") for each in (996, 995)
    ]
    assert len(ids) == 8


@pytest.mark.parametrize(("room", "expected"), [(5, [4] * 10), (1, [1] * 40)])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(folder, room, expected):
    encoder = FirstPixel(room)
    _, vectors, _ = embed_images(rows(), folder / "images", encoder, 16, 2)
    assert vectors[:, 0].tolist() == list(range(1, 41))
    assert encoder.batches == expected


def test_a_single_image_that_does_not_fit_is_an_error(folder):
    with pytest.raises(InputError, match="not even one: run this model on a larger GPU"):
        embed_images(rows(), folder / "images", FirstPixel(room=0), 16, 2)


def test_decoding_runs_ahead_but_not_away(folder):
    """A slow encoder: a few batches wait decoded, never all images."""

    class Slow(FirstPixel):
        def encode(self, inputs):
            time.sleep(0.05)
            return super().encode(inputs)

    encoder = Slow()
    embed_images(rows(), folder / "images", encoder, 2, 4)
    assert 2 < encoder.most_waiting <= 2 * (AHEAD + 1)


def test_decoding_overlaps_with_encoding(folder):
    """While a batch is in the encoder, the next is decoded by another thread."""
    overlapped = threading.Event()

    class Watched(FirstPixel):
        encoding = threading.Event()

        def preprocess(self, image):
            if self.encoding.is_set():
                overlapped.set()
            return super().preprocess(image)

        def encode(self, inputs):
            self.encoding.set()
            overlapped.wait(5)
            self.encoding.clear()
            return super().encode(inputs)

    # Only as many are decoded before the first batch is full as may wait, so later ones overlap or
    # not at all.
    embed_images(rows(), folder / "images", Watched(), 2, 1)
    assert overlapped.is_set()


def shard(folder, listed):
    with open(folder / "shard.tsv", "w", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t")
        writer.writerow(["id", "path", "bytes"])
        writer.writerows([each, path, 100] for each, path in listed)
    return folder / "shard.tsv"


def embed_shard(folder, listed, output="out.h5", **changes):
    options = {"image_root": folder / "images", "batch_size": 8, "device": "cpu", "threads": 2}
    max_rejected = changes.pop("max_rejected", 0.1)
    job = Job(model="histogram", dataset="chest", card=HISTOGRAM, code="c0de")
    means = Means(**options | changes)
    embedding_images.embed_shard(shard(folder, listed), folder / output, job, means, max_rejected)
    return folder / output


def test_a_shard_file_holds_unit_vectors_and_what_made_them(folder):
    (folder / "images/07.png").write_bytes(b"")
    path = embed_shard(folder, rows())
    ids, vectors = store.read([path], np.arange(2000))
    assert sorted(1000 - ids) == [each for each in range(40) if each != 7]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert store.read_rejected(path) == [(993, "07.png", "zero bytes")]
    found = store.read_attributes(path)
    assert (found["model"], found["dataset"], found["code"]) == ("histogram", "chest", "c0de")
    assert (found["images"], found["dimension"]) == (39, 64)
    assert '"architecture": "histogram"' in found["card"]
    assert f'"numpy": "{np.__version__}"' in found["libraries"]


def test_batch_and_threads_leave_the_same_bytes(folder):
    first = embed_shard(folder, rows(), "a.h5").read_bytes()
    time.sleep(1.1)  # a date in the file would show
    assert embed_shard(folder, rows(), "b.h5", batch_size=3, threads=4).read_bytes() == first


def test_too_many_rejected_images_stop_the_job_and_leave_no_file(folder):
    for number in range(6):
        (folder / f"images/{number:02d}.png").write_bytes(b"")
    with pytest.raises(
        InputError,
        match=r"6 of 40 images of this shard of dataset 'chest' are rejected.*00.png \(zero bytes\); 01",
    ):
        embed_shard(folder, rows())
    assert not (folder / "out.h5").exists()
    assert len(store.read_ids(embed_shard(folder, rows(), max_rejected=0.2))) == 34


def test_what_the_audit_accepts_of_the_dataset_is_accepted_in_each_shard(folder):
    """4 of 40 images of this shard are bad; the dataset has 60: 4 of 60 are less than 0.07."""
    for number in range(4):
        (folder / f"images/{number:02d}.png").write_bytes(b"")
    lines = [f"{number}\tmore/{number}.png\t1\n" for number in range(20)]
    (folder / "other.tsv").write_text("id\tpath\tbytes\n" + "".join(lines))
    assert len(store.read_ids(embed_shard(folder, rows(), max_rejected=0.07))) == 36
    with pytest.raises(InputError, match=r"4 of 40 .*allows of 60 images of the dataset"):
        embed_shard(folder, rows(), output="refused.h5", max_rejected=0.06)


def test_a_shard_of_bad_images_alone_is_refused_whatever_is_allowed(folder):
    for number in range(3):
        (folder / f"images/{number:02d}.png").write_bytes(b"")
    with pytest.raises(InputError, match="all 3 images of this shard"):
        embed_shard(folder, rows(3), max_rejected=1.0)


def test_an_image_root_that_is_not_there(folder):
    with pytest.raises(
        InputError, match="the image root .*nowhere of dataset 'chest' is not a folder"
    ):
        embed_shard(folder, rows(), image_root=folder / "nowhere")
