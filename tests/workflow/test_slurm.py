"""A project on a real Slurm: the same bytes as on this machine, past a job that is cancelled and a
node that is drained."""

import fcntl
import re
import shlex
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import Project
from slurm_cluster import Cluster, NoSlurm
from test_staleness import results

PROFILE = ["--profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "2",
           "--seconds-between-status-checks", "2"]  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with open("/tmp/radcbir-tests-slurm.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one Slurm on a machine at a time
        running = Cluster(tmp_path_factory.mktemp("slurm"))
        try:
            running.start()
        except NoSlurm as reason:
            pytest.skip(f"no Slurm: {reason}")
        yield running
        running.stop()


class Run:
    """A run that was submitted to Slurm, and what was done to it on the way."""

    def __init__(self, project: Project, cluster: Cluster, log: Path, *arguments: str):
        self.project, self.cluster, self.log = project, cluster, log
        with open(log, "w") as output:
            self.process = subprocess.Popen(
                project.command(*PROFILE, *arguments), cwd=project.folder, stdout=output, stderr=subprocess.STDOUT,
                env=cluster.environment | {"HF_HUB_OFFLINE": "1", "NO_PROXY": "*"},
            )  # fmt: skip

    def wait_for(self, wanted, seconds: float = 900):
        """Wait until ``wanted`` gives something of the list of jobs, and return it."""
        end = time.monotonic() + seconds
        while not (found := wanted(self.cluster.jobs())):
            assert self.process.poll() is None, self.log.read_text()[-6000:]
            assert time.monotonic() < end, self.log.read_text()[-6000:]
            time.sleep(0.2)
        return found


def of(rule: str, *states: str):
    """Jobs of a rule, in one of these states or in any."""
    return lambda jobs: [
        each
        for each in jobs
        if each["comment"].startswith(f"rule_{rule}_") and (not states or each["state"] in states)
    ]


def submit(project: Project, cluster: Cluster, *arguments: str, seconds: float = 900) -> Run:
    """Run a project on the cluster; the node is drained under the look at images, and one of the
    shards is cancelled."""
    run = Run(project, cluster, project.folder.with_suffix(".log"), *arguments)
    try:
        run.wait_for(of("inspect_images", "RUNNING"))
        cluster("scontrol", "update", f"nodename={cluster.node}", "state=drain", "reason=test")
        run.wait_for(lambda jobs: [job for job in jobs if job["state"] == "PENDING"])
        run.drained = cluster("sinfo", "--noheader", "--format=%T").split()
        cluster("scontrol", "update", f"nodename={cluster.node}", "state=resume")
        run.cancelled = run.wait_for(of("embed", "RUNNING"))[0]["id"]
        cluster("scancel", run.cancelled)
        assert run.process.wait(timeout=seconds) == 0, run.log.read_text()[-6000:]
    finally:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            run.process.wait(timeout=60)
    return run


@pytest.fixture(scope="module")
def submitted(cluster, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("submitted"))
    project.set_up()
    project.configure(device="auto")
    return submit(project, cluster)


def test_the_same_bytes_as_without_slurm(submitted, finished):
    assert submitted.drained[0] in ("drained", "draining")
    there, here = results(submitted.project), results(finished)
    assert there.keys() == here.keys()
    assert [path for path in here if there[path] != here[path]] == []


def test_a_cancelled_job_is_submitted_again_with_more_memory_and_no_other(submitted):
    jobs = of("embed")(submitted.cluster.jobs())
    (cancelled,) = (each for each in jobs if each["id"] == submitted.cancelled)
    assert cancelled["state"] == "CANCELLED"
    shards = len(list((submitted.project / "results/datasets/chest/shards").glob("*.tsv")))
    assert Counter(each["state"] for each in jobs) == {"COMPLETED": 2 * shards, "CANCELLED": 1}
    again = [each for each in jobs if each["memory"].startswith("32000")]
    assert len(again) == 1, "attempt 2 of 16000 MB"


def test_each_job_goes_to_its_partition_and_small_ones_stay_with_snakemake(submitted, finished):
    jobs = submitted.cluster.jobs()
    small = {
        "audited",
        "admitted",
        "audit_verdict",
        "model_table",
        "front_page",
    }
    assert small < finished.first_run.keys()
    handed_over = sum(count for rule, count in finished.first_run.items() if rule not in small)
    assert len(jobs) == handed_over + 1, "with the one that was cancelled"
    assert {each["partition"] for each in of("embed")(jobs)} == {"gpu"}
    assert {each["partition"] for each in jobs if not each["comment"].startswith("rule_embed")} == {
        "cpu"
    }


def test_each_job_that_embeds_has_a_gpu(submitted):
    listed = submitted.cluster(
        "squeue", "--all", "--states=all", "--noheader", "--Format=partition:20,tres-per-job:40"
    )
    asked = {tuple(line.split()) for line in listed.splitlines()}
    assert {each[0]: each[1] for each in asked}["gpu"] in ("gpu:1", "gres:gpu:1")
    assert {each[0]: each[1] for each in asked}["cpu"] == "N/A"


def test_from_the_cluster_back_to_the_workstation_nothing_is_done_again(submitted):
    assert "Nothing to be done" in submitted.project.snakemake()


def test_a_limit_that_arrays_would_wait_for_is_refused(submitted):
    output = submitted.project.snakemake(
        *PROFILE, "--slurm-array-jobs", "embed", "--forcerun", "ledger", fails=True
    )
    assert re.search(r"`--jobs 200` may hold back jobs that the arrays of embed wait for", output)
    assert (submitted.project / "results/datasets/chest/ledger.csv").exists()


def test_a_job_past_its_wall_time_is_submitted_again_with_more_of_it(project, cluster):
    (target, *_) = sorted(project.folder.glob("results/embeddings/thumbnail/chest/*.h5"))
    target.unlink()
    wait = "import time\nwhile snakemake.resources.runtime == 1:\n    time.sleep(1)\n"
    first = "from radcbir.core.logs import script_log\n"
    project.edit("workflow/scripts/embedding/embed.py", first, wait + first)
    given = '  embed: {slurm_partition: "?gpu_partition"}'
    project.edit(
        "workflow/profiles/slurm/config.yaml", given, given.replace("}", ", runtime: attempt}")
    )
    before = {each["id"] for each in cluster.jobs()}
    project.run(*PROFILE, "--", str(target.relative_to(project.folder)))
    jobs = [(each["state"], each["memory"]) for each in cluster.jobs() if each["id"] not in before]
    assert jobs == [("TIMEOUT", "16000M"), ("COMPLETED", "32000M")]
    assert target.exists()


def test_snakemake_itself_may_be_a_job(project, cluster):
    """Then small jobs are part of it, and the others are jobs beside it."""
    before = {each["id"] for each in cluster.jobs()}
    log, command = (
        project / "driver.log",
        shlex.join(project.command(*PROFILE, "--forcerun", "retrieval_metrics")),
    )
    asked = (
        "--parsable",
        "--cpus-per-task=2",
        "--mem=8G",
        f"--chdir={project.folder}",
        f"--output={log}",
    )
    driver = cluster("sbatch", *asked, "--wrap", command).strip()
    ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    cluster.wait_for(
        lambda: [job for job in cluster.jobs() if job["id"] == driver and job["state"] in ended],
        300,
    )
    jobs = {each["id"]: each for each in cluster.jobs() if each["id"] not in before}
    assert jobs.pop(driver)["state"] == "COMPLETED", log.read_text()[-6000:]
    assert {each["state"] for each in jobs.values()} == {"COMPLETED"}
    assert len(of("retrieval_metrics")(jobs.values())) == 2
    assert len(of("comparison_summary")(jobs.values())) == 1
    assert not of("model_table")(jobs.values())
    assert "localrule model_table" in log.read_text()
    assert "Nothing to be done" in project.snakemake()


@pytest.mark.demo
def test_the_demo_gives_the_same_bytes_as_without_slurm(cluster, tmp_path):
    here, there = demo(tmp_path / "here"), demo(tmp_path / "there")
    subprocess.run(here.command(), cwd=here.folder, check=True)
    for name in (
        "cpu",
        "gpu",
    ):  # jobs that share two cores in earnest: torch's threads wait for each other
        cluster("scontrol", "update", f"partitionname={name}", "MaxCPUsPerNode=2")
    run = submit(there, cluster, seconds=7200)
    assert run.drained[0] in ("drained", "draining")
    assert of("embed", "CANCELLED")(cluster.jobs())
    expected, found = without_timings(results(here)), without_timings(results(there))
    assert found.keys() == expected.keys()
    assert [path for path in expected if found[path] != expected[path]] == []
    assert "Nothing to be done" in there.snakemake()


def demo(folder: Path) -> Project:
    """The project as it is checked out, with the weights that are here."""
    project = Project(folder)
    project.check_out("workflow", "config", "envs", "resources")
    return project


def without_timings(files: dict[str, bytes]) -> dict[str, bytes]:
    """Results but for those that say how long a search took on this machine: a table, and a figure
    of it."""
    timed = ("index_timings.csv", "index_fidelity.svg", "index_fidelity.pdf")
    timed += ("index_fidelity_figure.html",)
    return {path: content for path, content in files.items() if not path.endswith(timed)}
