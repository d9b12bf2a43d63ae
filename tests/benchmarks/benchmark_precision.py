"""What lower precision and OpenVINO bring: images per second, and what becomes of the vectors and
of P@1.

    python tests/benchmarks/benchmark_precision.py [--rounds 7] [--batch 16] [--threads 2] [--device
    cpu] [--models efficientnet-lite0 mobilenetv2 resnet50 vit-base]

Each round runs every variant once on the same batch, which lies ready in memory, one after the
other in one process; a variant's gain is the median over the rounds of its speed by that of torch
in float32 in the same round, so that what else the machine does falls on all of them. ResNet-50 and
ViT-B/16 have random weights: arithmetic takes the same time whatever the numbers are. For the
models with real weights, the demo's images are embedded by each variant and the nearest index image
of every query is looked up: P@1, how many queries have another nearest image than in float32, and
the smallest cosine similarity of an image's vector to its vector in float32. A variant that the
processor does not compute in is named as such; torch then imitates it, which is so slow that it is
timed once, on four images, and not asked for P@1. The exit status is 1 where OpenVINO in float32
does not agree with torch, or lower precision moves P@1 of a real model by more than two percentage
points.
"""

import argparse
import csv
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--rounds", type=int, default=7, help="rounds, the median counts (default 7)")
parser.add_argument("--batch", type=int, default=16, help="images per batch (default 16)")
parser.add_argument(
    "--threads", type=int, default=os.cpu_count(), help="threads, as the rule gets them"
)
parser.add_argument(
    "--device", default="cpu", help="cpu, or a GPU, where OpenVINO is left out (default cpu)"
)
parser.add_argument(
    "--models", nargs="+", default=["efficientnet-lite0", "mobilenetv2", "resnet50", "vit-base"]
)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)  # as Snakemake sets it for a job
os.chdir(ROOT)  # converted networks are kept beside the weights

import numpy as np
import torch

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.encoders import load_encoder
from radcbir.encoders.on_device import imitated
from radcbir.images import reader

REFERENCE = ("torch", "float32")
VARIANTS = [
    REFERENCE,
    ("torch", "bfloat16"),
    ("torch", "float16"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
]
DEMO = ROOT / "resources/demo"


def random_card(architecture, dimension, pooling):
    """A card of a timm network with random weights."""
    preprocessing = {
        "size": 224,
        "resize": "shortest",
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "mean": [0.5] * 3,
    }
    return model_card.DEFAULTS | {
        "loader": "timm",
        "architecture": architecture,
        "weights": {"random_seed": 0},
        "pooling": pooling,
        "dimension": dimension,
        "preprocessing": preprocessing | {"std": [0.5] * 3},
    }


RANDOM = {
    "resnet50": random_card("resnet50", 2048, "pooled"),
    "vit-base": random_card("vit_base_patch16_224", 768, "cls"),
}


def load(model, runtime, precision):
    """The encoder of a variant; an error where the processor does not have it."""
    card = RANDOM.get(model) or model_card.load_card(ROOT / f"config/models/{model}.yaml")
    weights = None if model in RANDOM else model_card.weights_location(model, card)
    name = f"benchmark-{model}" if model in RANDOM else model
    return load_encoder(name, card | {"precision": precision}, weights, options.device, runtime)


def seconds(encoder, batch):
    """How long a batch takes."""
    start = time.perf_counter()
    encoder.forward(batch).float().cpu()
    return time.perf_counter() - start


def demo():
    """Paths, labels and splits of the demo's images with one label."""
    with open(DEMO / "demo.csv", newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["label"]]
    return [[row[name] for row in rows] for name in ("filepath", "label", "split")]


def unit_vectors(encoder, inputs):
    """Preprocessed images -> unit vectors in double precision."""
    parts = [
        inputs[start : start + options.batch] for start in range(0, len(inputs), options.batch)
    ]
    vectors = np.concatenate([encoder.encode(part) for part in parts]).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nearest(vectors, split):
    """For each query of the split test, its nearest image of the split train, as a place in the
    list."""
    index = np.flatnonzero(split == "train")
    return index[(vectors[split == "test"] @ vectors[index].T).argmax(axis=1)]


def measure(model):
    """Print the table of one model and return what went wrong."""
    encoders, notes = {}, {}
    for variant in VARIANTS:
        if variant[0] == "openvino" and options.device != "cpu":
            continue
        try:
            encoders[variant] = load(model, *variant)
        except InputError as error:
            notes[variant] = f"left out: {error}"
            continue
        if options.device == "cpu" and imitated(variant[1]):
            notes[variant] = "imitated: this processor does not compute in it"
    first = encoders[REFERENCE]
    rows = demo()
    count = options.batch if model in RANDOM else len(rows[0])
    inputs = [first.preprocess(reader.read(DEMO / "images" / path)) for path in rows[0][:count]]
    batch = first.batch(inputs[: options.batch])
    times = {variant: [] for variant in encoders}
    whole = [variant for variant in encoders if "imitated" not in notes.get(variant, "")]
    for variant in encoders.keys() - whole:
        times[variant] = [seconds(encoders[variant], batch[:4]) * len(batch) / 4]
    for number in range(options.rounds + 1):
        for variant in whole:
            taken = seconds(encoders[variant], batch)
            if number:  # the first round warms up
                times[variant].append(taken)
    label, split = np.array(rows[1][:count]), np.array(rows[2][:count])
    vectors = {variant: unit_vectors(encoders[variant], inputs) for variant in whole}
    found = (
        {}
        if model in RANDOM
        else {variant: nearest(each, split) for variant, each in vectors.items()}
    )
    print(
        f"{model}, batch {options.batch}, {options.threads} threads, {options.device}, {options.rounds} rounds"
    )
    print("  runtime   precision  images/s   gain      cosine       P@1   other nearest")
    failures, points = [], {}
    for variant, each in times.items():
        gain = statistics.median(
            before / after for before, after in zip(times[REFERENCE], each, strict=False)
        )
        if variant not in vectors:
            print(
                f"  {variant[0]:9} {variant[1]:9} {options.batch / each[0]:9.1f} {gain:6.2f}   {notes[variant]}",
                flush=True,
            )
            continue
        cosine = (vectors[variant] * vectors[REFERENCE]).sum(axis=1).min()
        line = f"  {variant[0]:9} {variant[1]:9} {options.batch / statistics.median(each):9.1f} {gain:6.2f}   {cosine:.6f}"
        if found:
            points[variant] = (label[found[variant]] == label[split == "test"]).mean()
            moved = (found[variant] != found[REFERENCE]).sum()
            line += f"  {100 * points[variant]:7.2f} %  {moved:3} of {len(found[variant])}"
            if abs(points[variant] - points[REFERENCE]) > 0.02:
                failures.append(
                    f"{model}: {' '.join(variant)} moves P@1 by more than two percentage points"
                )
        if variant == ("openvino", "float32") and cosine < 0.99999:
            failures.append(f"{model}: OpenVINO in float32 does not agree with torch")
        print(f"{line}  {notes.get(variant, '')}".rstrip(), flush=True)
    for variant in VARIANTS:
        if variant not in encoders and variant in notes:
            print(f"  {variant[0]:9} {variant[1]:9} {notes[variant]}")
    return failures


def main():
    """Measure every model; the exit status."""
    logger.disabled = True
    torch.set_num_threads(options.threads)
    failures = [failure for model in options.models for failure in measure(model)]
    print("\n".join(f"FAILED: {each}" for each in failures) or "All within the limits.")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
