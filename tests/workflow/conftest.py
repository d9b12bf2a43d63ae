"""A small project in a folder of its own: a copy of the workflow, images whose answers are known,
and runs of Snakemake."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import chromium
import numpy as np
import pytest
import yaml
from PIL import Image

REPOSITORY = Path(__file__).parents[2]

CONFIG = {
    "datasets": {"chest": {"csv": "data/chest.csv", "images": "data/images", "max_rejected": 0.1}},
    "models": ["thumbnail", "histogram"],
    "experiments": {
        "findings": {
            "datasets": ["chest"],
            "index_split": "train",
            "query_splits": ["val", "test"],
            "k": 5,
        }
    },
    "analyses": ["gallery"],
    "shard_size": 16,
    "device": "cpu",
    "runtime": "torch",  # or each project would convert its networks
    "gallery": {"queries": 4, "neighbors": 3, "pixels": 48},
}

PATTERNS = {
    "XR/chest/disc": (0, 0),
    "XR/chest/bar": (0, 1),
    "CT/abdomen/ring": (1, 0),
    "CT/abdomen/cross": (1, 1),
}


def draw(kind: int, seed: int) -> Image.Image:
    """One of four shapes on noise; the same arguments give the same picture."""
    random = np.random.default_rng([kind, seed])
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    radius = np.hypot(x - random.normal(0, 0.05), y - random.normal(0, 0.05))
    shapes = [
        radius < 0.5,
        np.abs(y) < 0.25,
        np.abs(radius - 0.6) < 0.15,
        (np.abs(x) < 0.12) | (np.abs(y) < 0.12),
    ]
    return Image.fromarray(
        (60 + 120 * shapes[kind] + random.normal(0, 25, x.shape)).clip(0, 255).astype(np.uint8)
    )


def rows(count: int, start: int = 0) -> list[dict]:
    """CSV rows of ``count`` images, four labels in turn, patients of six images each, split by
    patient."""
    listed = []
    for number in range(start, start + count):
        kind, patient = number % 4, number // 6
        listed.append(
            {
                "filepath": f"p{patient:02d}/{number:03d}.png",
                "split": ["train", "train", "val", "test"][patient % 4],
                "label": list(PATTERNS)[kind],
                "patient_id": f"p{patient:02d}",
            }
        )
    return listed


class Project:
    """A project folder and its runs."""

    def __init__(self, folder: Path):
        self.folder = folder

    def set_up(self) -> None:
        """Copy the workflow as git would check it out, draw the images, write CSV and
        configuration."""
        self.check_out("workflow", "config", "envs")
        shutil.copy(REPOSITORY / "Snakefile", self / "Snakefile")
        (self / "profiles").symlink_to("workflow/profiles")
        self.write_csv(rows(48))
        for number, row in enumerate(rows(48)):
            self.draw(row["filepath"], number % 4, number)
        self.configure()

    def check_out(self, *folders: str) -> None:
        """Copy folders of the repository as they are there."""
        for name in folders:
            shutil.copytree(
                REPOSITORY / name, self / name, ignore=shutil.ignore_patterns("__pycache__")
            )

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def draw(self, path: str, kind: int, seed: int) -> None:
        """Draw one image below the image root."""
        target = self / "data/images" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draw(kind, seed).save(target)

    def write_csv(self, listed: list[dict], path: str = "data/chest.csv") -> None:
        """Write a dataset CSV of dictionaries with the same keys."""
        (self / path).parent.mkdir(parents=True, exist_ok=True)
        lines = [",".join(listed[0]), *(",".join(row.values()) for row in listed)]
        (self / path).write_text("\n".join(lines) + "\n")

    def configure(self, **changes) -> None:
        """Write the configuration: the default one with some keys changed."""
        (self / "config/config.yaml").write_text(yaml.safe_dump(CONFIG | changes, sort_keys=False))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file; it has to be there."""
        text = (self / path).read_text()
        assert old in text, f"{path} does not contain {old!r}"
        (self / path).write_text(text.replace(old, new, 1))

    def command(self, *arguments: str) -> list[str]:
        """The command line of a run."""
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake here and return what it printed; the run has to succeed, or to fail where
        ``fails``."""
        result = subprocess.run(
            self.command(*arguments), cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "NO_PROXY": "*"}, timeout=600, check=False,
        )  # fmt: skip
        assert (result.returncode != 0) == fails, result.stdout[-6000:]
        return result.stdout

    def run(self, *arguments: str) -> Counter:
        """Run Snakemake and return how many jobs of each rule it did, the target rules left out."""
        output = self.snakemake(*arguments)
        done = Counter(
            re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", output, flags=re.MULTILINE)
        )
        for target in ("default", "all", "embeddings", "weights", "models"):
            del done[target]
        return done


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """A project whose run is finished; not to be changed by a test."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.set_up()
    project.first_run = project.run()
    return project


@pytest.fixture(scope="module")
def browser():
    """Chromium, for what a person does on a page."""
    with chromium.started() as browser:
        yield browser


@pytest.fixture
def fresh(tmp_path) -> Project:
    """A project that has not run."""
    project = Project(tmp_path / "project")
    project.folder.mkdir()
    project.set_up()
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project, dates and Snakemake's records included, for a test to
    change."""
    copy = Project(tmp_path / "project")
    shutil.copytree(finished.folder, copy.folder, copy_function=shutil.copy2, symlinks=True)
    for folder, _, _ in os.walk(finished.folder):
        shutil.copystat(folder, copy.folder / Path(folder).relative_to(finished.folder))
    return copy
