"""How long does `snakemake -n` take on a large project that is finished? A limit, not a peer:
`--limit` seconds.

    python tests/benchmarks/benchmark_dry_run.py

Makes a project of 9 models, 4 datasets and 1.6 million images in a temporary folder: this workflow,
the real model cards, shard lists as many as the default `shard_size` makes, and files without
contents in all the places where results lie, with the records that Snakemake keeps of a run
(`snakemake --touch`; what it leaves out, missing files, is made here). Then `snakemake -n` is run
several times; it has to find nothing to do. It is one process with one thread: what counts is the
processor time, which other work on the machine stretches less than the clock's. Compiled modules
are kept between runs, as Python does unless it is told not to.

Exits with 1 if it finds something to do, or takes longer than the limit at best.
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATASETS = {"radimagenet": 1_350_000, "nih14": 112_000, "mimic": 100_000, "chexpert": 38_000}
MODELS = [
    "biomedclip-vitb16", "clip-vitl14-openai", "dinov2-vitb14", "medclip-swint", "medsam-vitb", "mae-vitb16",
    "sam-vitb", "resnet50", "vit-b16-in21k",
]  # fmt: skip

PRETEND = '''
import sys
from pathlib import Path
from snakemake.executors import touch

shards = {shards!r}
run_job = touch.Executor.run_job
touch.Executor.SLEEPING_TIME = 0


def pretend(self, job):
    """Make what a job would have made, without contents, before it is touched."""
    for output in map(Path, job.output):
        if output.exists():
            continue
        output.parent.mkdir(parents=True, exist_ok=True)
        if job.rule.name == "shards":
            output.mkdir()
            for name in shards[job.wildcards.dataset]:
                (output / (name + ".tsv")).write_text("id\\tpath\\tbytes\\n")
        elif output.name == "splits":
            output.mkdir()
            for split in ("train", "val", "test"):
                (output / (split + ".0123456789abcdef.tsv")).write_text("id\\tdataset\\tpatient_id\\n")
        else:
            output.write_bytes(b"")
    run_job(self, job)


touch.Executor.run_job = pretend
from snakemake.cli import main
sys.argv = ["snakemake", "--touch", "--cores", "1", "--quiet", "all"]
main()
'''


def make_project(folder: Path, images: int, shard_size: int, datasets: int, models: int) -> int:
    """Lay the finished project out and return how many shards it has."""
    for name in ("workflow", "config", "envs"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    sizes = dict(list(DATASETS.items())[:datasets])
    share = images / sum(sizes.values())
    shards = {
        name: [
            hashlib.sha256(f"{name} {number}".encode()).hexdigest()[:16]
            for number in range(max(1, round(size * share / shard_size)))
        ]
        for name, size in sizes.items()
    }
    lines = ["datasets:"]
    for name in sizes:
        (folder / "data").mkdir(exist_ok=True)
        (folder / f"data/{name}.csv").write_text("filepath,split,label\n")
        lines.append(f"  {name}: {{csv: data/{name}.csv, images: data}}")
    lines.append(f"models: [{', '.join(MODELS[:models])}]")
    lines.append("experiments:")
    lines.append(
        f"  radiology: {{datasets: [{', '.join(sizes)}], index_split: train, query_splits: [val, test], k: 100}}"
    )
    lines.append(f"shard_size: {shard_size}")
    (folder / "config/config.yaml").write_text("\n".join(lines) + "\n")
    pretend = PRETEND.format(shards=shards)
    subprocess.run([sys.executable, "-c", pretend], cwd=folder, check=True)
    return sum(map(len, shards.values()))


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--images", type=int, default=1_600_000)
    arguments.add_argument(
        "--datasets", type=int, default=len(DATASETS), choices=range(1, len(DATASETS) + 1)
    )
    arguments.add_argument(
        "--models", type=int, default=len(MODELS), choices=range(1, len(MODELS) + 1)
    )
    arguments.add_argument("--shard-size", type=int, default=16384)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument(
        "--limit", type=float, default=5.0, help="seconds of processor time (default 5)"
    )
    arguments.add_argument(
        "--folder", type=Path, help="make the project here, and leave it (default: temporary)"
    )
    options = arguments.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="radcbir-dry-run-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        shards = make_project(
            folder, options.images, options.shard_size, options.datasets, options.models
        )
        files = sum(len(names) for _, _, names in os.walk(folder / "results"))
        print(
            f"{shards} shards, {files} files of results, made in {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        seconds, processor = [], []
        for _ in range(options.runs + 1):
            start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            run = subprocess.run(
                [sys.executable, "-m", "snakemake", "-n"], cwd=folder, text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, check=False, env=environment,
            )  # fmt: skip
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(time.perf_counter() - start)
            processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            if run.returncode or "Nothing to be done" not in run.stdout:
                print(run.stdout[-3000:])
                print("FAILED: the finished project has something to do", file=sys.stderr)
                return 1
        print(
            f"snakemake -n, best of {options.runs} after a first run: {min(processor[1:]):.2f} s of processor time, "
            f"{min(seconds[1:]):.2f} s by the clock"
        )
        if min(processor[1:]) > options.limit:
            print(f"FAILED: longer than {options.limit:g} s", file=sys.stderr)
            return 1
        return 0
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
