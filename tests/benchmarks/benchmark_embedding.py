"""How near embedding images comes to the bare forward pass, from stored pixels and from image files,
and whether its memory stays flat.

    python tests/benchmarks/benchmark_embedding.py [--images 512] [--threads 2] [--models
    efficientnet-lite0 vit-base]

For each encoder, in turns in one process: the network alone on a batch of tensors that lie ready in
memory (the limit), the pixels that the rule ``pixels`` stores, and the whole pipeline on the demo's
PNG files, decoding, resizing and normalising included. Each round gives a share of the limit, and the median of the rounds counts.
ViT-B/16 has random weights: arithmetic takes the same time whatever the numbers are. Memory is what
the process holds (resident set), sampled while it embeds once and four times as many images; the
vectors themselves are allowed for. The exit status is 1 where stored pixels reach less than 95 % of
the forward pass, the pipeline less than 90 %, or memory grows.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument(
    "--images", type=int, default=512, help="images per round of the faster model (default 512)"
)
parser.add_argument("--rounds", type=int, default=12, help="rounds, the median counts (default 12)")
parser.add_argument(
    "--threads", type=int, default=os.cpu_count(), help="threads, as the rule gets them"
)
parser.add_argument(
    "--models", nargs="+", default=["efficientnet-lite0", "vit-base"], help="which to measure"
)
parser.add_argument(
    "--runtime",
    default="torch",
    help="what computes both: torch (default), openvino, torch-compile",
)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)  # as Snakemake sets it for a job


# isort: split
# torch after the encoders, which say how its threads wait.
import torch
from PIL import Image

from radcbir.cards import model_card
from radcbir.core.logs import logger
from radcbir.embedding.images import embed_images, embed_stored
from radcbir.encoders import load_encoder
from radcbir.images import reader
from radcbir.images.intensity import INTENSITY
from radcbir.pixels.decode import Preparation, decode_missing
from radcbir.pixels.geometry import geometry
from radcbir.pixels.stored import StoredPixels

DEMO = ROOT / "resources/demo/images"
VIT = model_card.DEFAULTS | {
    "name": "ViT-B/16, random weights",
    "loader": "timm",
    "architecture": "vit_base_patch16_224",
    "weights": {"random_seed": 0},
    "pooling": "cls",
    "dimension": 768,
    "preprocessing": {
        "size": 224,
        "resize": "shortest",
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    },
    "batch_size": 16,
}


class PeakMemory:
    """The largest resident set, in MB, while the block runs."""

    def __enter__(self):
        self.peak, self.ended = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._sample)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def _sample(self):
        while True:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.peak = max(self.peak, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            if self.ended.wait(0.02):
                return


def files(count):
    """Rows of ``count`` demo images, repeated as often as needed."""
    found = sorted(path.relative_to(DEMO).as_posix() for path in DEMO.rglob("*.png"))
    return [(number, found[number % len(found)]) for number in range(count)]


def bare_forward(encoder, batch, count):
    """Images per second of the network alone on one batch that lies ready in memory."""
    start = time.perf_counter()
    for _ in range(count // len(batch)):
        encoder.forward(batch)
    return count // len(batch) * len(batch) / (time.perf_counter() - start)


def pipeline(encoder, card, count):
    """Images per second of the whole pipeline."""
    start = time.perf_counter()
    ids, _, _ = embed_images(files(count), DEMO, encoder, card["batch_size"], options.threads)
    assert len(ids) == count
    return count / (time.perf_counter() - start)


class Stored:
    """The pixels of some demo images, stored as the rule does it."""

    def __init__(self, folder, encoder, card, count):
        self.encoder, self.card = encoder, card
        self.pixels = StoredPixels(folder, files(count), geometry(card, INTENSITY))
        self.prepare = Preparation(DEMO, INTENSITY, encoder.preprocess)
        decode_missing(self.pixels, self.prepare, options.threads)

    def rate(self):
        """Images per second from the stored pixels to vectors."""
        start = time.perf_counter()
        ids, _, _ = embed_stored(self.pixels, self.prepare, self.encoder, self.card["batch_size"])
        assert len(ids) == len(self.pixels.rows)
        return len(ids) / (time.perf_counter() - start)


def decoding(encoder, count=200):
    """Milliseconds of one thread per image for reading and preprocessing, without the network."""
    start = time.perf_counter()
    for _, path in files(count):
        encoder.preprocess(reader.read(DEMO / path))
    return (time.perf_counter() - start) / count * 1e3


def measure(name, card, weights):
    """Measure one encoder and return what went wrong."""
    encoder = load_encoder(name, card, weights, "cpu", options.runtime)
    count = options.images if name != "vit-base" else max(64, options.images // 8)
    count -= count % card["batch_size"]
    prepared = [
        encoder.preprocess(reader.read(DEMO / path)) for _, path in files(card["batch_size"])
    ]
    batch = encoder.batch(prepared)
    bare_forward(encoder, batch, 2 * len(batch))
    bare, stored, whole = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        pixels = Stored(folder, encoder, card, count)
        for _ in range(options.rounds):
            before = bare_forward(encoder, batch, count // 2)
            whole.append(pipeline(encoder, card, count))
            between = bare_forward(encoder, batch, count // 2)
            stored.append(pixels.rate())
            after = bare_forward(encoder, batch, count // 2)
            bare.append(((before + between) / 2, (between + after) / 2))
    share = statistics.median(each / limit for each, (limit, _) in zip(whole, bare, strict=True))
    from_pixels = statistics.median(
        each / limit for each, (_, limit) in zip(stored, bare, strict=True)
    )
    bare = [sum(each) / 2 for each in bare]
    with PeakMemory() as once:
        pipeline(encoder, card, count // 2)
    with PeakMemory() as often:
        pipeline(encoder, card, 2 * count)
    vectors = 1.5 * count * encoder.dimension * 4 / 1e6
    growth = often.peak - once.peak - vectors
    print(
        f"{card['name']}, batch {card['batch_size']}, {options.threads} threads, {count} images, {options.rounds} rounds\n"
        f"  bare forward pass   {statistics.median(bare):7.1f} images/s   (all: {', '.join(f'{each:.1f}' for each in bare)})\n"
        f"  from stored pixels  {statistics.median(stored):7.1f} images/s   (all: {', '.join(f'{each:.1f}' for each in stored)})\n"
        f"  share of the limit  {100 * from_pixels:7.1f} %\n"
        f"  whole pipeline      {statistics.median(whole):7.1f} images/s   (all: {', '.join(f'{each:.1f}' for each in whole)})\n"
        f"  share of the limit  {100 * share:7.1f} %\n"
        f"  reading and preprocessing alone, one thread: {decoding(encoder):.2f} ms per image\n"
        f"  memory: {once.peak:.0f} MB at {count // 2} images, {often.peak:.0f} MB at {2 * count}, "
        f"{growth:+.0f} MB beside the vectors ({vectors:.1f} MB)",
        flush=True,
    )
    return (
        [f"{name}: from stored pixels less than 95 % of the bare forward pass"]
        * (from_pixels < 0.95)
        + [f"{name}: less than 90 % of the bare forward pass"] * (share < 0.9)
        + [f"{name}: memory grew"] * (growth > 50)
    )


def main():
    """Measure every model; the exit status."""
    logger.disabled = True
    torch.set_num_threads(options.threads)
    Image.init()
    failures = []
    for name in options.models:
        if name == "vit-base":
            failures += measure(name, VIT, None)
        else:
            card = model_card.load_card(ROOT / f"config/models/{name}.yaml")
            file = model_card.weights_file(card)
            failures += measure(
                name, card, ROOT / f"resources/weights/{name}/{file}" if file else None
            )
    print("\n".join(f"FAILED: {each}" for each in failures) or "All within the limits.")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
