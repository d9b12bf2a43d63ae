"""Does it work on this GPU, and how near is it to what the GPU can do? One table in a few minutes.

    python tests/benchmarks/gpu_check.py                (or `make gpu-check`)

It needs the files of the repository and a Python with torch, timm, h5py, faiss and the small
packages that the library imports (numpy, pillow, pandas, pyarrow, scipy, scikit-learn,
threadpoolctl, jsonschema, pyyaml), and pytest for the tests, one of which needs Snakemake. It uses no network: weights are
random, images and vectors are made here. What cannot run for want of a package is listed as left
out. Without a GPU it runs whole on the CPU, smaller, and compares the CPU with itself.

Exits with 1 where a check fails: vectors of the GPU that are not those of the CPU, a neighbor table
of other bytes, another accuracy, a test; and on a GPU, less than 95 % of the bare forward pass from
stored pixels.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests/shared"), str(ROOT / "tests/benchmarks")]

import benchmark_search
import numpy as np

from radcbir.retrieval.gpu.search import has_gpu

SHARE = 0.95
"""Of the bare forward pass, what embedding from stored pixels has to reach on a GPU."""

TOLERANCE = 1e-4
"""By how much a number of a unit vector may differ between GPU and CPU, in float32."""

TESTS = (
    "tests/unit/encoders/test_encoders.py",
    "tests/unit/retrieval/test_gpu_search.py",
    "tests/workflow/test_run_gpu.py",
)


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    networks: tuple[tuple[str, int, int], ...]
    """Architecture of timm, dimension, side of the images."""
    precision: str
    batch: int
    stored: int
    """Images that are embedded from stored pixels."""
    files: int
    """Images that are embedded from PNG files."""
    side: int
    """Side of the PNG files in pixels."""
    search: tuple[int, int, int, int]
    """Index vectors, queries, dimension, k."""
    probe: tuple[int, int, int, int]
    """Vectors, dimension, classes, iterations."""


ON_GPU = Sizes(
    (("vit_base_patch16_224", 768, 224), ("resnet50", 2048, 224)),
    "bfloat16", 256, 16_384, 512, 1024, (400_000, 8_192, 512, 100), (50_000, 768, 100, 50),
)  # fmt: skip
ON_CPU = Sizes(
    (("test_resnet", 96, 96),),
    "float32", 8, 32, 8, 128, (3_000, 64, 32, 20), (400, 16, 4, 20),
)  # fmt: skip

Row = tuple[str, str, str]
"""What was checked, what came out, and the verdict: empty, ok, or FAILED."""


def verdict(good: bool) -> str:
    """The last column of a row."""
    return "ok" if good else "FAILED"


def card_of(sizes: Sizes, network: tuple[str, int, int], precision: str) -> dict:
    """A model card of a network with random weights."""
    from tiny_networks import TINY

    architecture, dimension, side = network
    return {
        **TINY,
        "architecture": architecture,
        "dimension": dimension,
        "precision": precision,
        "preprocessing": TINY["preprocessing"] | {"size": side},
    }


def embedding(sizes: Sizes, device: str) -> list[Row]:
    """Images per second: the bare forward pass, from stored pixels, and from files."""
    import torch
    from PIL import Image

    from radcbir.embedding.images import embed_images, embed_stored
    from radcbir.encoders import load_encoder
    from radcbir.images.intensity import INTENSITY
    from radcbir.pixels.decode import Preparation
    from radcbir.pixels.geometry import geometry
    from radcbir.pixels.part import write_part
    from radcbir.pixels.stored import StoredPixels

    def rate(count: int, work, *given) -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        work(*given)
        if device == "cuda":
            torch.cuda.synchronize()
        return count / (time.perf_counter() - began)

    random, table = np.random.default_rng(0), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(sizes.files):
            pixels = random.integers(0, 256, (sizes.side, sizes.side), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png", compress_level=1)
        files = [(number, f"{number}.png") for number in range(sizes.files)]
        rows = [(number, f"{number % sizes.files}.png") for number in range(sizes.stored)]
        for network in sizes.networks:
            name, side = network[0], network[2]
            card = card_of(sizes, network, sizes.precision)
            encoder = load_encoder(name, card, None, device)
            stored = StoredPixels(folder / f"stored-{name}", rows, geometry(card, INTENSITY))
            for part in range(len(stored)):
                shape = (len(stored.images(part)), 1, side, side)
                images = random.integers(0, 256, shape, dtype=np.uint8)
                write_part(stored.path(part), list(images), stored.name_of(part))
            ready = encoder.batch([np.zeros((1, side, side), np.uint8)] * sizes.batch)

            def bare(encoder=encoder, ready=ready) -> None:
                for _ in range(sizes.stored // sizes.batch):
                    encoder.forward(ready)

            again = Preparation(folder, INTENSITY, encoder.preprocess)

            def from_pixels(encoder=encoder, stored=stored, again=again) -> None:
                embed_stored(stored, again, encoder, sizes.batch)

            def from_files(encoder=encoder) -> None:
                embed_images(files, folder, encoder, sizes.batch, len(os.sched_getaffinity(0)))

            encoder.forward(ready)
            bare()
            from_pixels()
            limit = max(rate(sizes.stored // sizes.batch * sizes.batch, bare) for _ in range(2))
            pixels = max(rate(sizes.stored, from_pixels) for _ in range(2))
            read = rate(sizes.files, from_files)
            what = f"{name}, {sizes.precision}, batch {sizes.batch}"
            table.append((f"{what}: bare forward pass", f"{limit:,.0f} images/s", ""))
            good = verdict(pixels >= SHARE * limit) if device == "cuda" else ""
            found = f"{pixels:,.0f} images/s, {pixels / limit:.0%} of the limit"
            table.append((f"{what}: from stored pixels", found, good))
            found = f"{read:,.0f} images/s, {read / limit:.0%} of the limit"
            table.append((f"{what}: from PNG files of {sizes.side} x {sizes.side}", found, ""))
    return table


def other_ways(sizes: Sizes, device: str) -> list[Row]:
    """The bare forward pass of the first network by `runtime: torch-compile`, and in float32, on a
    GPU.
    """
    import torch

    from radcbir.encoders import load_encoder

    ways = (("torch-compile", sizes.precision), ("torch", "float32")) if device == "cuda" else ()
    table = []
    for network in sizes.networks[:1]:
        for runtime, precision in ways:
            card = card_of(sizes, network, precision)
            began = time.perf_counter()
            encoder = load_encoder(network[0], card, None, device, runtime)
            empty = np.zeros((1, network[2], network[2]), np.uint8)
            ready = encoder.batch([empty] * sizes.batch)
            encoder.forward(ready)
            torch.cuda.synchronize()
            start = time.perf_counter() - began
            began, passes = time.perf_counter(), max(1, sizes.stored // sizes.batch // 4)
            for _ in range(passes):
                encoder.forward(ready)
            torch.cuda.synchronize()
            found = passes * sizes.batch / (time.perf_counter() - began)
            what = f"{network[0]}, {precision}, {runtime}: bare forward pass"
            table.append((what, f"{found:,.0f} images/s, ready after {start:.0f} s", ""))
    return table


def vectors(sizes: Sizes, device: str) -> list[Row]:
    """The vectors of the device against those of the CPU, in float32."""
    from tiny_networks import encode, noise

    from radcbir.encoders import load_encoder

    table = []
    for network in sizes.networks:
        card = card_of(sizes, network, "float32")
        found = [
            encode(load_encoder(network[0], card, None, each), [noise(seed) for seed in range(8)])
            for each in ("cpu", device)
        ]
        cpu, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in found)
        most = float(np.abs(cpu - other).max())
        what = f"{network[0]}, float32: vectors against those of the CPU"
        table.append((what, f"differ by {most:.1e} at most", verdict(most <= TOLERANCE)))
    return table


def probe(sizes: Sizes, device: str) -> list[Row]:
    """Logistic regression on the device against the CPU: seconds and accuracy."""
    from radcbir.analyses.linear_probing.linear_probe import lbfgs_path

    count, dimension, classes, iterations = sizes.probe
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, count)
    centers = random.standard_normal((classes, dimension))
    images = 0.3 * centers[labels] + random.standard_normal((count, dimension))
    images = (images / np.linalg.norm(images, axis=1, keepdims=True)).astype(np.float32)
    seconds, right = [], []
    for each in (device, "cpu", device):  # the first time, a GPU has to wake up
        began = time.perf_counter()
        path = lbfgs_path(images, labels, classes, (1.0, 100.0), iterations=iterations, device=each)
        *_, (_, weight, bias) = path
        seconds.append(time.perf_counter() - began)
        scores = images @ weight.cpu().numpy().T.astype(np.float32) + bias.cpu().numpy()
        right.append(float((scores.argmax(axis=1) == labels).mean()))
    what = f"linear probe, {count:,} x {dimension}, {classes} classes"
    took = f"{seconds[2]:.2f} s, CPU {seconds[1]:.2f} s; accuracy {right[2]:.4f}, {right[1]:.4f}"
    return [(what, took, verdict(abs(right[2] - right[1]) <= 0.002))]


def search(sizes: Sizes, device: str) -> list[Row]:
    """Exact search on the device against FAISS: seconds and bytes, also of a neighbor table."""
    images, queries, dimension, k = sizes.search
    child = "cuda" if device == "cuda" else "torch-cpu"
    found = benchmark_search.searched(images, queries, dimension, k, child)
    what = f"search, {queries:,} queries in {images:,} x {dimension}, k = {k}"
    took = (
        f"{found['child']:.2f} s, FAISS {found['faiss']:.2f} s (start {found['start']:.1f} s, "
        f"loading {found['load']:.2f} s)"
    )
    done = verdict(found["device"] not in ("", "failed"))
    same = f"{'the same' if found['equal'] else 'other'} bytes"
    return [(f"{what}: by {found['device']}", took, done),
            (f"{what}: positions and scores", same, verdict(found["equal"])),
            *neighbor_tables(sizes, child)]  # fmt: skip


def neighbor_tables(sizes: Sizes, child: str) -> list[Row]:
    """The file of the rule `knn` by FAISS and by the child, with ties and an index in parts."""
    from radcbir.retrieval import exact, index_file
    from radcbir.retrieval.gpu import search as gpu
    from radcbir.retrieval.neighbor_table import Queries, write_neighbors

    images, queries, dimension, k = sizes.search
    images, queries = min(images, 20_000), min(queries, 1_000)
    indexed = benchmark_search.unit_vectors(images, dimension, 2)
    indexed[::7] = indexed[3]  # far more ties than neighbors are asked for
    asked = np.concatenate([indexed[:: images // queries], indexed[3:4]])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ids = np.random.default_rng(0).permutation(images)
        index_file.build_index(folder / "train.faiss", [(ids, indexed)], dimension)

        def written(name: str) -> bytes:
            tables = exact.neighbor_tables(
                folder / "train.faiss", Queries(np.arange(len(asked)), asked, k)
            )
            write_neighbors(folder / name, tables)
            return (folder / name).read_bytes()

        expected = written("faiss.parquet")
        gpu._current = gpu.GpuSearch(child, block=1_021, rows=images // 3)
        same = written("child.parquet") == expected and not gpu._current.ended
        gpu._current.close()
        gpu._current = None
    what = f"neighbor table, {len(asked):,} queries in {images:,}, many ties, index in parts"
    return [(what, f"{'the same' if same else 'other'} bytes", verdict(same))]


def marked_tests() -> list[Row]:
    """The tests that are marked `gpu`."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-o",
        "addopts=-m gpu",
        "-p",
        "no:cacheprovider",
        *TESTS,
    ]
    run = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    if run.returncode and "No module named pytest" in run.stderr:
        return [("tests marked gpu", "left out: there is no pytest", "")]
    counts = re.findall(r"\d+ (?:passed|failed|skipped|errors?)", run.stdout + run.stderr)
    if run.returncode:
        print(run.stdout[-4000:], run.stderr[-2000:], file=sys.stderr)
    return [("tests marked gpu", ", ".join(counts), verdict(run.returncode == 0))]


def of_torch(sizes: Sizes, device: str) -> list[Row]:
    """All that is computed by torch."""
    return [
        row
        for part in (embedding, other_ways, vectors, probe)
        for row in tried(part, sizes, device)
    ]


def tried(part, sizes: Sizes, device: str) -> list[Row]:
    """The rows of a part, or what it lacks, or what it broke with."""
    print(f"{part.__name__.replace('_', ' ')} ...", file=sys.stderr, flush=True)
    try:
        return part(sizes, device)
    except ModuleNotFoundError as error:
        return [(part.__name__, f"left out: there is no {error.name}", "")]
    except Exception as error:
        return [(part.__name__, f"{type(error).__name__}: {error}"[:200], verdict(False))]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-tests", action="store_true", help="leave the tests out")
    options = parser.parse_args()
    began = time.perf_counter()
    device = "cuda" if has_gpu() else "cpu"
    sizes = ON_GPU if device == "cuda" else ON_CPU
    table = [
        *benchmark_search.apart(of_torch, sizes, device),
        *benchmark_search.apart(tried, search, sizes, device),
        *([] if options.without_tests else marked_tests()),
    ]
    where = "on the GPU" if device == "cuda" else "no GPU: the CPU in its place"
    print(f"{where}; {len(os.sched_getaffinity(0))} cores; {time.perf_counter() - began:.0f} s")
    first, second = (max(len(row[column]) for row in table) for column in (0, 1))
    for what, found, good in table:
        print(f"{what:<{first}}  {found:<{second}}  {good}".rstrip())
    return int(any(good == "FAILED" for *_, good in table))


if __name__ == "__main__":
    sys.exit(main())
