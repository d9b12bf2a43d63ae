"""The profiles against the rules: none forgotten, none misspelt, nothing that the default profile
would take back."""

import re
from pathlib import Path

import loaded_workflow
import pytest
import yte
from snakemake.iocontainers import Wildcards

WORKFLOW = Path(__file__).parents[3] / "workflow"
PROFILES = sorted(path.parent.name for path in (WORKFLOW / "profiles").glob("*/config.yaml"))


def profile(name: str) -> dict:
    with open(WORKFLOW / "profiles" / name / "config.yaml") as file:
        return yte.process_yaml(file, require_use_yte=True)


SLURM, RULES = profile("slurm"), loaded_workflow.rules()


def test_every_rule_that_is_submitted_says_what_it_needs():
    assert len(RULES) > 60
    for name in set(RULES) - loaded_workflow.local_rules():
        asked = SLURM["set-resources"].get(name, {})
        assert {"mem_mb", "runtime"} <= set(asked), (
            f"the rule {name} has no memory and wall time under set-resources: in profiles/slurm"
        )


def memory(rule) -> int:
    """The MB of memory that a rule wants; 0 where it does not say."""
    wanted = rule.resources.get("mem_mb")
    return int(wanted.value) if wanted is not None and wanted.value is not None else 0


def inputs(rule) -> list[str]:
    """The inputs of a rule for the first experiment, as patterns or as paths."""
    wildcards = Wildcards(
        fromdict={"experiment": "anatomy", "dataset": "demo", "model": "thumbnail"}
    )
    found = []
    for each in rule.input:
        files = each(wildcards) if callable(each) else each
        found += [files] if isinstance(files, str) else files
    return [str(each) for each in found]


def test_local_rules_read_small_tables_alone():
    """They share the node that Snakemake was started on."""
    others = {"audited", "admitted", "app", "fetch_weights", "fetch_archive", "models"}
    for name in loaded_workflow.local_rules() - others:
        assert all(each.endswith(".csv") for each in inputs(RULES[name])), name


def test_downloads_are_local_rules():
    assert {"fetch_weights", "fetch_archive"} <= loaded_workflow.local_rules()
    assert not loaded_workflow.local_rules() & {*SLURM["set-resources"]}


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_name_rules_that_there_are(name):
    settings = profile(name)
    named = {rule for key in ("set-resources", "set-threads") for rule in settings.get(key, {})}
    assert named <= set(RULES)


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "default"])
def test_what_the_default_profile_decides_is_not_given_again(name):
    """Snakemake would take the default profile's, without a word."""
    assert not set(profile(name)) & set(profile("default"))


def test_memory_is_what_the_rule_needs_and_grows_with_each_attempt():
    default = SLURM["default-resources"]
    for name, rule in RULES.items():
        asked = default | SLURM["set-resources"].get(name, {})
        first, runtime = (
            re.fullmatch(r"(\d+) \* attempt", asked[key]) for key in ("mem_mb", "runtime")
        )
        assert runtime, name
        assert int(first[1]) >= memory(rule), name


def test_rules_that_use_a_gpu_go_where_there_are_some():
    with_gpu = {name for name, rule in RULES.items() if "gpu" in rule.resources}
    partitions = {
        name: each.get("slurm_partition", "cpu") for name, each in SLURM["set-resources"].items()
    }
    assert with_gpu == {name for name, partition in partitions.items() if partition == "gpu"}
    assert SLURM["set-resource-scopes"] == {"gpu": "local"}


@pytest.mark.parametrize(("visible", "count"), [("0", 1), ("2,3,5", 3)])
def test_gpu_jobs_at_a_time(monkeypatch, visible, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(12))
    assert profile("default")["resources"] == [f"gpu={count}"]
    assert profile("gpu-workstation")["set-threads"]["embed"] == 12 // count
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert profile("default")["resources"] == ["gpu=1"]
