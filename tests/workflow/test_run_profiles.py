"""The profiles on a finished project: nothing is done again, and what is missing is said at
once."""

import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize("profile", ["slurm", "gpu-workstation", "air-gapped"])
def test_a_finished_project_may_move_to_another_machine(finished, profile):
    assert "Nothing to be done" in finished.snakemake(
        "--profile", f"workflow/profiles/{profile}", "-n"
    )


def test_without_network_what_is_missing_is_said_before_anything_runs(fresh):
    fresh.configure(models=["thumbnail", "mobilenetv2"])
    output = fresh.snakemake("--profile", "workflow/profiles/air-gapped", fails=True)
    assert re.search(
        r"`offline: true` is set, and of what would be fetched some is missing: .* by hand: resources/weights/mobilenetv2/",
        output,
    )
    assert not (fresh / "results/datasets").exists()
    output = fresh.snakemake(
        "--profile", "workflow/profiles/air-gapped", "--config", "offline=False", "-n"
    )
    assert "is set, and of what would be fetched" not in output


COUNT_TIMERS = """
import sys, snakemake.cli
from snakemake.scheduling.job_scheduler import JobScheduler
JobScheduler._schedule_reevalutation = lambda self, delay: print("looks again after", delay)
snakemake.cli.main(sys.argv[1:])
"""


def test_snakemake_looks_for_jobs_only_when_one_has_ended(fresh):
    """Its default limit of jobs per second starts a timer at each look, which starts the next."""
    target = ["--cores", "1", "--force", "--", "results/datasets/chest/catalog.parquet"]

    def looks(*limit):
        output = subprocess.run(
            [sys.executable, "-c", COUNT_TIMERS, *limit, *target],
            cwd=fresh.folder, text=True, capture_output=True, check=True,
        ).stdout  # fmt: skip
        return set(re.findall("looks again after .*", output))

    assert looks() == set()
    assert looks("--max-jobs-per-timespan", "7/2s") == {"looks again after 2.0"}, "that of the user"
