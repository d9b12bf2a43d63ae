"""The display of a run: what a user sees of jobs done, at work, and failed."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import time as real_time
from pathlib import Path

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_radcbir.run import Run, last_words, reason
from snakemake_logger_plugin_radcbir.screen import Screen, clock

PLUGINS = Path(__file__).resolve().parents[3] / "workflow" / "plugins"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_time_left_by_the_durations_of_rules():
    """Ten jobs of 2 s, one at a time, and two of 10 s: 90 jobs and 3 are left, so 180 s and 30 s."""
    time = Clock()
    run = Run(clock=time)
    run.plan({"short": 100, "long": 5})
    for number in range(10):
        run.begin(number, "short", {})
        time.now += 2
        run.finish(number)
    for number in (100, 101):
        run.begin(number, "long", {})
        time.now += 10
        run.finish(number)
    assert run.left() == pytest.approx(90 * 2 + 3 * 10)


def test_jobs_side_by_side_halve_the_time_left():
    time = Clock()
    run = Run(clock=time)
    run.plan({"short": 40})
    for number in range(0, 20, 2):
        run.begin(number, "short", {})
        run.begin(number + 1, "short", {})
        time.now += 2
        run.finish(number)
        run.finish(number + 1)
    assert run.left() == pytest.approx(20)


def test_a_checkpoint_adds_jobs():
    run = Run({"embed": "Embeddings"})
    run.plan({"embed": 1})
    for number in range(3):
        run.begin(number, "embed", {})
    run.finish(0)
    assert run.by_stage() == {"Embeddings": (1, 3)}
    assert run.total == 3


def test_a_job_that_is_tried_again_is_no_failure(tmp_path):
    run = Run()
    run.plan({"embed": 1})
    run.begin(1, "embed", {})
    run.fail(1, "embed")
    run.begin(1, "embed", {})
    run.finish(1)
    assert (run.failures, run.total) == ({}, 1)


LOG = """\
2026-01-02 03:04:05,678 INFO 20 of 40 images, 3.1/s, 6 s left
a line of another library
2026-01-02 03:04:09,012 ERROR {error}
"""


def test_the_reason_is_the_sentence_of_the_log(tmp_path):
    log = tmp_path / "job.log"
    log.write_text(LOG.format(error="Error: my.csv: no column 'label': add one"))
    assert reason(log) == "my.csv: no column 'label': add one"


def test_a_defect_shows_the_end_of_its_traceback(tmp_path):
    log = tmp_path / "job.log"
    said = "the script failed\nTraceback (most recent call last):\n  ...\nKeyError: 'chance'"
    log.write_text(LOG.format(error=said))
    assert reason(log) == "the script failed (KeyError: 'chance')"


def test_a_log_of_a_command_gives_its_last_line(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("curl: started\ncurl: (6) Could not resolve host\n")
    assert reason(log) == "curl: (6) Could not resolve host"
    assert reason(tmp_path / "none.log") == ""


def test_a_warning_of_a_library_says_nothing_of_the_progress(tmp_path):
    log = tmp_path / "job.log"
    log.write_text(
        "2026-01-02 03:04:05,678 INFO 20 of 40 images\n"
        "2026-01-02 03:04:06,000 WARNING /a/path/of/this/machine.py:85: PerformanceWarning: slow\n"
    )
    assert last_words(log) == "20 of 40 images"


def test_the_last_words_of_a_log_that_is_being_written(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("x" * 50_000 + "\n" + LOG.format(error="Error: x") + "2026-01-02 03:04")
    assert last_words(log) == "Error: x"
    assert last_words(tmp_path / "none.log") == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def record(event=None, level=logging.INFO, message="", **extra):
    made = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    made.__dict__.update(event=event, **extra)
    return made


def screen(terminal=False):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=80, color_system=None)
    time = Clock()
    return Screen(console, Run({"embed": "Embeddings", "index": "Search"}, time)), text, time


def job(number, rule, log=None, **wildcards):
    return record(
        LogEvent.JOB_INFO,
        jobid=number,
        rule_name=rule,
        wildcards=wildcards,
        log=[log] if log else [],
    )


def test_the_drawing_names_stages_and_jobs_at_work(tmp_path):
    log = tmp_path / "embed.log"
    log.write_text("2026-01-02 03:04:05,678 INFO 20 of 40 images, 3.1/s, 6 s left\n")
    shown, text, time = screen()
    shown.take(record(LogEvent.RUN_INFO, stats={"embed": 2, "index": 1, "total": 3}))
    shown.take(job(1, "embed", model="thumbnail"))
    time.now = 3
    shown.take(record(LogEvent.JOB_FINISHED, job_id=1))
    shown.take(job(2, "embed", str(log), model="biomedclip"))
    time.now = 65
    shown.console.print(shown.drawing())
    lines = text.getvalue().splitlines()
    assert any(re.search(r"^1:05  1 of 3 jobs", each) for each in lines)
    assert any(re.search(r"Embeddings .*1 of 2", each) for each in lines)
    assert any(re.search(r"Search .*0 of 1", each) for each in lines)
    assert any("1:02  embed biomedclip: 20 of 40 images, 3.1/s" in each for each in lines)


def test_without_a_terminal_a_line_at_most_every_half_minute():
    shown, text, time = screen()
    shown.take(record(LogEvent.RUN_INFO, stats={"embed": 50, "total": 50}))
    for number in range(50):
        shown.take(job(number, "embed"))
        time.now += 2
        shown.take(record(LogEvent.JOB_FINISHED, job_id=number))
    shown.close()
    lines = text.getvalue().splitlines()
    assert [each.split("]")[0] for each in lines[:3]] == ["[0:30", "[1:00", "[1:30"]
    assert "15 of 50 jobs, about 1:10 left" in lines[0]
    assert lines[3:] == ["50 jobs done in 1:40"]


def test_the_count_is_that_of_snakemake_after_a_checkpoint():
    shown, _, _ = screen()
    shown.take(record(LogEvent.RUN_INFO, stats={"embed": 1, "total": 1}))
    shown.take(job(1, "embed"))
    shown.take(record(LogEvent.JOB_FINISHED, job_id=1))
    shown.take(record(LogEvent.PROGRESS, done=1, total=9))
    assert shown.headline() == "1 of 9 jobs"


def test_a_long_job_is_heard_of_without_a_terminal():
    shown, text, time = screen()
    shown.take(record(LogEvent.RUN_INFO, stats={"embed": 2, "total": 2}))
    shown.take(job(1, "embed"))
    time.now = 45
    for _ in range(100):
        if text.getvalue():
            break
        real_time.sleep(0.1)
    shown.close()
    assert text.getvalue().startswith("[0:45] 0 of 2 jobs. Now: embed\n")


def test_failures_come_last_once_and_with_their_log(tmp_path):
    log = tmp_path / "embed.log"
    log.write_text(LOG.format(error="Error: the weights are of another network: fetch them again"))
    shown, text, _ = screen()
    shown.take(record(LogEvent.RUN_INFO, stats={"embed": 1, "index": 1, "total": 2}))
    shown.take(job(1, "embed", str(log), model="rad-dino"))
    repeated = "RuleException:\nCalledProcessError in file x"
    shown.take(record(LogEvent.ERROR, logging.ERROR, repeated, exception="RuleException"))
    shown.take(
        record(LogEvent.JOB_ERROR, logging.ERROR, "Error in rule embed", jobid=1, rule_name="embed")
    )
    shown.take(record(None, logging.ERROR, "A report of what is there: ...", at_the_end=True))
    shown.take(record(None, logging.WARNING, "the disk is nearly full"))
    shown.close()
    assert text.getvalue().splitlines() == [
        "the disk is nearly full",
        "0 of 2 jobs done in 0:00",
        "1 failed:",
        "  embed rad-dino",
        "    the weights are of another network: fetch them again",
        f"    log: {log}",
        "A report of what is there: ...",
    ]


def test_an_error_without_a_job_is_shown():
    """A rule's own Python that fails has no job error before the run ends."""
    shown, text, _ = screen()
    shown.take(record(LogEvent.ERROR, logging.ERROR, "WorkflowError:\nno such target"))
    shown.take(record(LogEvent.ERROR, logging.ERROR, "RuleException: x", exception="RuleException"))
    shown.close()
    assert text.getvalue().splitlines() == ["WorkflowError:", "no such target", "RuleException: x"]


SNAKEFILE = """
rule all:
    input: expand("{i}.txt", i=range(3)), "bad.txt"
rule make:
    output: "{i}.txt"
    log: "{i}.log"
    shell: "echo made > {output} 2> {log}"
rule bad:
    output: "bad.txt"
    log: "bad.log"
    shell: "echo '2026-01-02 03:04:05,678 ERROR Error: a sentence about the file' > {log}; exit 1"
"""


def snakemake(folder, *arguments, **options):
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--logger", "radcbir", "--cores", "2", *arguments]
    environment = os.environ | {"PYTHONPATH": str(PLUGINS), "COLUMNS": "80"}
    return subprocess.run(command, cwd=folder, env=environment, check=False, **options)


def test_snakemake_with_the_plugin(tmp_path):
    done = snakemake(tmp_path, "--keep-going", capture_output=True, text=True)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert re.fullmatch(r"3 of 5 jobs done in 0:\d\d", lines[-5])
    assert lines[-4:] == [
        "1 failed:",
        "  bad",
        "    a sentence about the file",
        "    log: bad.log",
    ]
    assert len(lines) == 5
    full = "".join(each.read_text() for each in (tmp_path / ".snakemake/log").glob("*.log"))
    assert "CalledProcessError" in full  # the log file still has everything


def test_verbose_and_a_dry_run_show_all_that_snakemake_says(tmp_path):
    done = snakemake(tmp_path, "--dry-run", capture_output=True, text=True)
    assert "rule bad:" in done.stdout
    assert "This was a dry-run" in done.stdout
    done = snakemake(tmp_path, "--verbose", "0.txt", capture_output=True, text=True)
    assert "rule make:" in done.stderr
    assert "1 of 1 steps (100%) done" in done.stderr


def test_quiet_is_quiet(tmp_path):
    done = snakemake(tmp_path, "--quiet", "all", "--", "0.txt", capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_on_a_terminal_the_drawing_is_gone_at_the_end(tmp_path):
    ours, theirs = pty.openpty()
    done = snakemake(tmp_path, "0.txt", stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", said).decode()
    assert done.returncode == 0
    assert "make" in text
    assert re.search(r"1 jobs? done in 0:\d\d\s*$", text)


def _read(file):
    try:
        return os.read(file, 10_000)
    except OSError:  # the other side is closed
        return b""


def test_the_folder_of_the_plugin_gives_no_library():
    """A project with a copy of the workflow uses the library of the copy."""
    seen = "import importlib.util as u; print(u.find_spec('radcbir'), bool(u.find_spec('{}')))"
    done = subprocess.run(
        [sys.executable, "-c", seen.format("snakemake_logger_plugin_radcbir")],
        env=os.environ | {"PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert done.stdout.split() == ["None", "True"]
