"""The profiles on a finished project: nothing is done again, groups fit together, and what is missing is said at once."""

import re

import pytest

ANALYSES = ["gallery", "paper_mode", "knn_classification", "linear_probing", "embedding_space", "map", "leakage", "shortcuts",
            "graded_relevance", "contamination", "index_fidelity", "dimensions", "uncertainty", "levels", "index_size"]  # fmt: skip


@pytest.mark.parametrize("profile", ["slurm", "gpu-workstation", "air-gapped"])
def test_a_finished_project_may_move_to_another_machine(finished, profile):
    assert "Nothing to be done" in finished.snakemake("--profile", f"workflow/profiles/{profile}", "-n")


def test_every_group_can_be_submitted(project):
    """Snakemake refuses a group that depends on itself by way of jobs outside; all jobs are to be done here."""
    project.configure(analyses=ANALYSES)
    output = project.snakemake("--profile", "workflow/profiles/slurm", "-n", "--forcerun", "gather", "bounds")
    grouped = set(re.findall(r"^ +rule (\w+):$", output, flags=re.M))
    assert {"compare", "compare_levels", "figures", "dimensions_table", "linear_probing_pages"} <= grouped


def test_without_network_what_is_missing_is_said_before_anything_runs(fresh):
    fresh.configure(models=["thumbnail", "mobilenetv2"])
    output = fresh.snakemake("--profile", "workflow/profiles/air-gapped", fails=True)
    assert re.search(
        r"`offline: true` is set, and of what would be fetched some is missing: .* by hand: resources/weights/mobilenetv2/",
        output,
    )
    assert not (fresh / "results/datasets").exists()
    output = fresh.snakemake("--profile", "workflow/profiles/air-gapped", "--config", "offline=false", "-n")
    assert "fetch_weights" in output
