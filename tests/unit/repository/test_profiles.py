"""The profiles against the rules: none forgotten, none misspelt, nothing that the default profile
would take back."""

import re
from pathlib import Path

import pytest
import yte

WORKFLOW = Path(__file__).parents[3] / "workflow"
PROFILES = sorted(path.parent.name for path in (WORKFLOW / "profiles").glob("*/config.yaml"))


def profile(name: str) -> dict:
    with open(WORKFLOW / "profiles" / name / "config.yaml") as file:
        return yte.process_yaml(file, require_use_yte=True)


def rules() -> dict[str, str]:
    """Name -> text of the rules that do something (those without a script only name files)."""
    found = {}
    for path in (WORKFLOW / "rules").glob("*.smk"):
        for block in re.split(r"^(?:rule|checkpoint) ", path.read_text(), flags=re.M)[1:]:
            found[block.split(":")[0]] = re.split(r"^(?=\S)", block.partition("\n")[2], flags=re.M)[
                0
            ]
    return found


def local_rules() -> set[str]:
    texts = [path.read_text() for path in (WORKFLOW / "rules").glob("*.smk")]
    listed = [
        name
        for text in texts
        for name in re.findall(r"^localrules:\n((?:    \w+,\n)+)", text, flags=re.M)
    ]
    return set(re.findall(r"\w+", " ".join(listed)))


def resources(text: str) -> dict[str, str]:
    """What stands under `resources:` of a rule."""
    block = re.search(r"^    resources:\n((?:        .*\n)+)", text, flags=re.M)
    return dict(re.findall(r"^        (\w+)=(.*),$", block[1], flags=re.M)) if block else {}


SLURM, RULES = profile("slurm"), rules()


def test_every_rule_that_is_submitted_says_what_it_needs():
    assert len(RULES) > 60
    for name in set(RULES) - local_rules():
        asked = SLURM["set-resources"].get(name, {})
        assert {"mem_mb", "runtime"} <= set(asked), (
            f"the rule {name} has no memory and wall time under set-resources: in profiles/slurm"
        )


def test_rules_that_read_small_tables_alone_are_not_submitted():
    """And none that reads more: they share the node that Snakemake was started on."""
    table = r'(?:[a-z_(]+\()?"[^"]+\.csv"\)*|(?:template|uncertainty_table)\("\w[^"]*"\)'
    small = set()
    for name, text in RULES.items():
        inputs = re.search(r"^    input:\n((?:        .*\n)+)", text, flags=re.M)
        each = re.findall(r"^        (?:\w+=)?(.*),$", inputs[1], flags=re.M) if inputs else []
        if each and all(re.fullmatch(table, part) for part in each):
            small.add(name)
    others = {"audited", "admitted", "app", "fetch_weights", "fetch_archive", "models"}
    assert local_rules() - others == small


def test_downloads_are_local_rules():
    assert {"fetch_weights", "fetch_archive"} <= local_rules()
    assert not local_rules() & {*SLURM["set-resources"]}


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
    for name, text in RULES.items():
        asked = default | SLURM["set-resources"].get(name, {})
        first, runtime = (
            re.fullmatch(r"(\d+) \* attempt", asked[key]) for key in ("mem_mb", "runtime")
        )
        assert runtime, name
        assert int(first[1]) >= int(resources(text).get("mem_mb", 0)), name


def test_rules_that_use_a_gpu_go_where_there_are_some():
    with_gpu = {name for name, text in RULES.items() if "gpu" in resources(text)}
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
