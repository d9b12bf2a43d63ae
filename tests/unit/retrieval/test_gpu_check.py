"""`make gpu-check` on the CPU: all parts run, and what fails or is missing is said."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tests/benchmarks/gpu_check.py"


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    import gpu_check

    return gpu_check


def test_the_check_runs_whole_without_a_gpu():
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--without-tests"],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        text=True,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    first, *rows = run.stdout.splitlines()
    assert first.startswith("no GPU: the CPU in its place; ")
    cells = [re.split(r" {2,}", row) for row in rows]
    assert [(what.split(":")[-1].split(",")[0].strip(), good) for what, _, *good in cells] == [
        ("bare forward pass", []),
        ("from stored pixels", []),
        ("from PNG files of 128 x 128", []),
        ("vectors against those of the CPU", ["ok"]),
        ("linear probe", ["ok"]),
        ("by the CPU by torch", ["ok"]),
        ("positions and scores", ["ok"]),
        ("neighbor table", ["ok"]),
    ]
    assert [float(cells[row][1].split()[0].replace(",", "")) > 1 for row in range(3)] == [True] * 3
    assert "differ by 0.0e+00 at most" in cells[3][1]
    assert [cells[row][1] for row in (6, 7)] == ["the same bytes"] * 2


def test_a_part_that_fails_is_one_row_and_a_missing_package_is_named(script):
    def search(*_):
        raise ModuleNotFoundError("No module named 'faiss'", name="faiss")

    def probe(*_):
        return 1 // 0

    assert script.tried(search, script.ON_CPU, "cpu") == [
        ("search", "left out: there is no faiss", "")
    ]
    assert script.tried(probe, script.ON_CPU, "cpu") == [
        ("probe", "ZeroDivisionError: integer division or modulo by zero", "FAILED")
    ]


def test_the_tests_of_the_check_are_those_that_are_marked(script):
    marked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"^@pytest\.mark\.gpu$", path.read_text(), re.M)
    }
    assert marked == set(script.TESTS)
