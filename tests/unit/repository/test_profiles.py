"""The profiles against the rules: none forgotten, none misspelt, nothing that the default profile
would take back."""

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


def wanted(rule, resource: str, attempt: int) -> int:
    """What a rule wants of a resource at an attempt; 0 where it does not say."""
    each = rule.resources.get(resource)
    if each is None or not each.name:
        return 0
    return each._evaluator(None, attempt) if each.is_evaluable() else each.value


@pytest.mark.parametrize("resource", ["mem_mb", "runtime"])
def test_every_rule_that_is_submitted_says_what_it_needs_and_more_after_a_kill(resource):
    assert len(RULES) > 60
    for name in set(RULES) - loaded_workflow.local_rules():
        first, second = (wanted(RULES[name], resource, attempt) for attempt in (1, 2))
        assert 0 < 2 * first == second, f"the rule {name} has no {resource}=per_attempt(...)"


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
        small = (".csv", "/front.json")
        assert all(each.endswith(small) for each in inputs(RULES[name])), name


def test_downloads_are_local_rules():
    assert {"fetch_weights", "fetch_archive", "fetch_dicomweb"} <= loaded_workflow.local_rules()
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


def test_rules_that_use_a_gpu_go_where_there_are_some():
    with_gpu = {name for name, rule in RULES.items() if "gpu" in rule.resources}
    searching = {"knn", "index_neighbors", "index_size", "cross_dataset"}
    assert {name for name in with_gpu if wanted(RULES[name], "gpu", 1) == 0} == searching
    text = (WORKFLOW / "profiles/slurm/config.yaml").read_text()
    for there, moved in (("?cpu_partition", set()), ("?gpu_partition", searching)):
        line = f"search_partition: {there}"
        settings = yte.process_yaml(
            text.replace("search_partition: ?cpu_partition", line), require_use_yte=True
        )["set-resources"]
        partitions = {name: each["slurm_partition"] for name, each in settings.items()}
        expected = {
            name: "cpu" if name in searching - moved else "gpu" for name in with_gpu | searching
        }
        assert partitions == expected
    assert SLURM["set-resource-scopes"] == {"gpu": "local"}


@pytest.mark.parametrize(("device", "asked"), [("cuda", 1), ("auto", 0)])
def test_rules_that_search_ask_for_a_gpu_where_one_is_configured_and_nothing_is_stale(
    device, asked
):
    rules = loaded_workflow.rules(device)
    searching = {name for name, rule in rules.items() if "search_device" in rule.resources}
    assert {name: wanted(rules[name], "gpu", 1) for name in searching} == {
        "knn": asked,
        "index_neighbors": asked,
        "index_size": asked,
        "cross_dataset": asked,
        "index_fidelity": 0,
    }
    devices = {name: rules[name].resources["search_device"].value for name in searching}
    assert devices == dict.fromkeys(searching, device) | {"index_fidelity": "auto"}
    for name in searching:
        params = (each[name].params for each in (rules, RULES))
        first, second = ({k: v for k, v in p.items() if not callable(v)} for p in params)
        assert first == second
        assert "code" in first


@pytest.mark.parametrize(
    ("visible", "count", "encoder", "decoding"), [("0", 1, 4, 8), ("2,3,5", 3, 2, 6)]
)
def test_gpu_jobs_at_a_time(monkeypatch, visible, count, encoder, decoding):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(12))
    assert profile("default")["resources"] == [f"gpu={count}"]
    threads = profile("gpu-workstation")["set-threads"]
    assert (threads["embed"], threads["pixels"]) == (encoder, decoding)
    assert count * encoder + decoding == 12, "decoding runs beside all encoders"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    assert profile("default")["resources"] == ["gpu=12"], "the cores alone limit the jobs"


@pytest.mark.parametrize(
    "rule",
    ["linear_probing", "knn", "index_neighbors", "rerank", "index_size", "robustness", "cross_dataset"],
)  # fmt: skip
def test_one_thread_where_there_are_few_images(rule, tmp_path, monkeypatch):
    threads = RULES[rule].resources["_cores"]._evaluator
    wildcards = Wildcards(fromdict={"experiment": "anatomy", "model": "thumbnail"})
    monkeypatch.chdir(tmp_path)
    assert threads(wildcards) == 8, "nothing is known yet"
    for images, expected in ((700, 1), (1500, 8)):
        counts = tmp_path / str(images) / "results/experiments/anatomy/counts.csv"
        counts.parent.mkdir(parents=True)
        counts.write_text(
            "dataset,split,listed,unlabelled,several_labels,taken\n"
            f"one,train,900,0,0,{images}\nother,train,900,0,0,{images}\none,test,9,0,0,9000\n"
        )
        monkeypatch.chdir(tmp_path / str(images))
        assert threads(wildcards) == expected
