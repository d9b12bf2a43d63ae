"""A GPU for each job: processes that ask at the same time, one that is killed, and what a user sets
aside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from radcbir.core.machine import gpu_locks

LIBRARY = Path(gpu_locks.__file__).parents[3]
JOB = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from radcbir.core.machine import gpu_locks as gpus
gpus.LOCKS = pathlib.Path(sys.argv[2])
print(gpus.choose("cuda", int(sys.argv[3])), flush=True)
assert gpus.choose("cuda", int(sys.argv[3])) == gpus.choose("cuda", int(sys.argv[3]))
sys.stdin.read()
"""


@pytest.fixture
def job(tmp_path):
    started = []

    def start(count: int, visible: str | None = None) -> subprocess.Popen:
        environment = {
            name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"
        }
        environment |= {"CUDA_VISIBLE_DEVICES": visible} if visible else {}
        command = [sys.executable, "-c", JOB, str(LIBRARY), str(tmp_path), str(count)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def got(process):
    return process.stdout.readline().strip()


def test_jobs_that_run_together_get_different_gpus(job):
    jobs = [job(3) for _ in range(3)]
    assert sorted(map(got, jobs)) == ["cuda:0", "cuda:1", "cuda:2"]


def test_a_job_waits_for_a_gpu_and_takes_that_of_one_that_was_killed(job):
    first, second = job(2), job(2)
    devices = {got(first): first, got(second): second}
    third = job(2)
    devices["cuda:1"].kill()
    assert got(third) == "cuda:1"


def test_runs_that_see_different_parts_of_the_machine_do_not_wait_for_each_other(job):
    assert [got(job(2, "0,1")), got(job(2, "2,3")), got(job(2, "1,2"))] == [
        "cuda:0",
        "cuda:0",
        "cuda:0",
    ]
    assert got(job(2, "0,3")) == "cuda:1"


def test_only_an_open_choice_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_locks, "LOCKS", tmp_path)
    assert [gpu_locks.choose(device, 4) for device in ("cpu", "mps", "cuda:2")] == [
        "cpu",
        "mps",
        "cuda:2",
    ]
    assert gpu_locks.choose("cuda", 1) == "cuda"
    assert not list(tmp_path.iterdir())


def test_locks_are_in_a_folder_that_the_user_alone_may_enter(job, tmp_path):
    assert got(job(2)) == "cuda:0"
    assert (tmp_path / "radcbir-gpus").stat().st_mode & 0o777 == 0o700
    (lock,) = (tmp_path / "radcbir-gpus").iterdir()
    assert (lock.name, lock.stat().st_mode & 0o777) == ("0.lock", 0o600)
