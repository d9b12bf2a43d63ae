"""What decoding once brings to several models, against decoding per model.

    python tests/benchmarks/benchmark_pipeline.py [--images 400] [--side 1024] [--processes 2]
    python tests/benchmarks/benchmark_pipeline.py --device cuda --images 2000 --rounds 1

Networks of one geometry with random weights embed the same PNG files of noise and smooth shapes, in
one process and in turns: each decodes for itself by threads, as without stored pixels; or the
pixels are stored by processes first and all read them (cold), or they are there already (kept). On
a CPU these are three small networks in float32, on a GPU nine in bfloat16. Printed are images per
second of one model on average, and the ratio. The vectors have to be equal (on a GPU, up to the
rounding of bfloat16 in batches of other sizes). It also prints how fast images are decoded by
threads and by processes, and how near reading stored pixels comes to the bare forward pass. The
exit status is 1 where decoding once is not faster.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--images", type=int, default=400, help="images (default 400)")
parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
parser.add_argument("--side", type=int, default=1024, help="their side in pixels (default 1024)")
parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes and threads")
parser.add_argument("--rounds", type=int, default=3, help="rounds, the median counts (default 3)")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.processes)

# isort: split
import numpy as np
from PIL import Image

from radcbir.cards import model_card
from radcbir.embedding.images import AHEAD, embed_prepared, read_ahead
from radcbir.encoders import load_encoder
from radcbir.images.intensity import INTENSITY
from radcbir.pixels.decode import Preparation, decode_missing, preprocessor
from radcbir.pixels.geometry import geometry
from radcbir.pixels.job import read_in_order
from radcbir.pixels.stored import StoredPixels

PREPROCESSING = {
    "size": 224,
    "resize": "shortest",
    "crop_pct": 0.9,
    "interpolation": "bicubic",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}
SMALL = {"mobilenetv3_small_050": 1024, "resnet18": 512, "efficientnet_lite0": 1280}
NINE = {
    "resnet18": 512,
    "resnet50": 2048,
    "densenet121": 1024,
    "convnext_tiny": 768,
    "efficientnet_b0": 1280,
    "swin_tiny_patch4_window7_224": 768,
    "vit_small_patch16_224": 384,
    "vit_base_patch16_224": 768,
    "vit_large_patch16_224": 1024,
}
"""Architecture of timm -> dimension; the weights are random."""
DISTINCT = 100
"""How many different files there are at most; more images are the same files again."""


def card_of(architecture, dimension):
    return model_card.DEFAULTS | {
        "name": architecture,
        "loader": "timm",
        "architecture": architecture,
        "weights": {"random_seed": 0},
        "pooling": "pooled",
        "dimension": dimension,
        "preprocessing": PREPROCESSING,
        "licence": "none",
        "precision": "float32" if options.device == "cpu" else "bfloat16",
    }


def draw(folder):
    """Files like radiographs: smooth shapes with noise, 8 bit gray."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : options.side * 1j, -1 : 1 : options.side * 1j]
    noise = random.normal(0, 6, (2 * options.side, 2 * options.side))
    for number in range(min(options.images, DISTINCT)):
        center = random.normal(0, 0.3, 2)
        shape = 200 * np.exp(-((x - center[0]) ** 2) - (y - center[1]) ** 2)
        row, column = random.integers(0, options.side, 2)
        pixels = shape + noise[row : row + options.side, column : column + options.side]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return [(number, f"{number % DISTINCT}.png") for number in range(options.images)]


def same(one, other):
    """Whether vectors are equal; on a GPU, where batches may have other sizes, all but equal."""
    if options.device == "cpu":
        return (one == other).all()
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (np.sum(one * other, axis=1) / lengths).min() > 0.999


def timed(work, *given):
    start = time.perf_counter()
    found = work(*given)
    return time.perf_counter() - start, found


def measure(folder):
    rows = draw(folder)
    networks = SMALL if options.device == "cpu" else NINE
    cards = {name: card_of(name, width) for name, width in networks.items()}
    encoders = {
        name: load_encoder(name, card, None, options.device) for name, card in cards.items()
    }
    of = geometry(cards["resnet18"], INTENSITY)
    prepare = Preparation(folder, INTENSITY, preprocessor(cards["resnet18"]))
    batch = 32 if options.device == "cpu" else 256
    places = iter(range(10**6))
    empty = [np.zeros((1, 224, 224), np.uint8)] * batch
    for encoder in encoders.values():  # a GPU chooses its algorithms
        encoder.encode(empty)

    def by_threads():
        return list(read_ahead(rows, lambda row: prepare(row[1]), options.processes, AHEAD * batch))

    def by_processes(stored):
        return decode_missing(stored, prepare, options.processes)

    def each_for_itself():
        return [
            embed_prepared(
                read_ahead(rows, lambda row: prepare(row[1]), options.processes, AHEAD * batch),
                len(rows),
                encoder,
                batch,
            )[1]
            for encoder in encoders.values()
        ]

    def all_from(stored):
        return [
            embed_prepared(read_in_order(stored, prepare), len(rows), encoder, batch)[1]
            for encoder in encoders.values()
        ]

    def bare():
        for encoder in encoders.values():
            ready = encoder.batch(empty)
            for _ in range(len(rows) // batch):
                done = encoder.forward(ready)
            done.cpu()

    times = {name: [] for name in ("threads", "processes", "alone", "stored", "bare")}
    for _ in range(options.rounds):
        stored = StoredPixels(folder / f"stored{next(places)}", rows, of)
        times["threads"].append(timed(by_threads)[0])
        times["processes"].append(timed(by_processes, stored)[0])
        seconds, expected = timed(each_for_itself)
        times["alone"].append(seconds)
        seconds, found = timed(all_from, stored)
        times["stored"].append(seconds)
        assert all(map(same, found, expected))
        times["bare"].append(timed(bare)[0] * len(rows) / (len(rows) // batch * batch))
    spent = {name: statistics.median(each) for name, each in times.items()}
    count, models = len(rows), len(encoders)
    cold = spent["processes"] + spent["stored"]
    print(f"{count} PNG files of {options.side} x {options.side}, {models} networks, one geometry")
    print(f"decoding by {options.processes} threads    {count / spent['threads']:8.1f} images/s")
    print(f"decoding by {options.processes} processes  {count / spent['processes']:8.1f} images/s")
    print(f"each model decodes        {models * count / spent['alone']:8.1f} images/s of a model")
    for name, seconds in (("decoded once", cold), ("pixels kept ", spent["stored"])):
        rate, ratio = models * count / seconds, spent["alone"] / seconds
        print(f"{name}              {rate:8.1f} images/s of a model, {ratio:.2f} times as fast")
    print(f"of the bare forward pass, from stored pixels: {spent['bare'] / spent['stored']:.0%}")
    return cold < spent["alone"]


with tempfile.TemporaryDirectory() as temporary:
    sys.exit(not measure(Path(temporary)))
