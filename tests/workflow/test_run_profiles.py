"""The profiles on a finished project: nothing is done again, and what is missing is said at
once."""

import re

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
