"""Draws a run: live on a terminal, as a line now and then where the output goes to a file."""

import re
import threading
from logging import ERROR, WARNING, LogRecord
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_radcbir.run import Job, Run, last_words

EVERY = 30.0
"""Seconds between two lines where there is no terminal."""

SHOWN_JOBS = 4
"""So many jobs at work are named."""

WITHOUT_NEWS = re.compile(
    r"None$|Select jobs to execute|Execute \d+ jobs|Assuming unrestricted|Using shell:|host:|"
    r"Provided cores:|Provided resources:|Rules claiming more threads|Building DAG|"
    r"Updating checkpoint dependencies|DAG of jobs will be updated|Removing temporary output|"
    r"Touching output|Write-protecting|Complete log|Shutting down|Exiting because a job|"
    r"Finished jobid|Conda environments|Singularity containers|Trying to restart|"
    r"WorkflowError:\nAt least one job did not complete|Elapsed time:"
)
"""Messages of Snakemake that say nothing which the drawing or the list of failures does not."""

OF_A_JOB = {"RuleException", "CalledProcessError"}
"""Exceptions that come with a job that failed, before or after it."""


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: ``2:05``, ``1:02:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Screen:
    """The drawing of a run."""

    def __init__(self, console: Console, run: Run):
        self.console, self.run = console, run
        self.live = Live(
            console=console,
            get_renderable=self.drawing,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.last_line = 0.0
        self.held: list[str] = []
        self.last_words: list[str] = []
        self.closed = threading.Event()

    def take(self, record: LogRecord) -> None:
        """Follow one event of Snakemake."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            jobs = dict(getattr(record, "stats", None) or record.__dict__["per_rule_job_counts"])
            jobs.pop("total", None)
            self.run.plan(jobs)
            if self.console.is_terminal:
                self.live.start()
            else:
                threading.Thread(target=self.tick, daemon=True).start()
        elif event == LogEvent.JOB_INFO:
            said = record.__dict__
            logs = said.get("log") or [None]
            self.run.begin(said["jobid"], said["rule_name"], said["wildcards"] or {}, logs[0])
        elif event == LogEvent.JOB_FINISHED:
            self.run.finish(record.__dict__["job_id"])
        elif event == LogEvent.PROGRESS:
            self.run.expected = record.__dict__["total"]
        elif event == LogEvent.JOB_ERROR:
            said = record.__dict__
            self.run.fail(said["jobid"], said["rule_name"], str(said.get("msg") or ""))
        elif event in (None, LogEvent.ERROR):
            self.message(record)
        self.line_now_and_then()

    def message(self, record: LogRecord) -> None:
        """What is said beside the events of jobs. What comes with a failed job is shown at the end,
        where no failed job is listed; what the workflow says at its end, below that list.
        """
        text = record.getMessage()
        if not text.strip() or WITHOUT_NEWS.match(text):
            return
        if getattr(record, "exception", "") in OF_A_JOB:
            self.held.append(text)
        elif getattr(record, "at_the_end", False):
            self.last_words.append(text)
        else:
            self.say(text, {ERROR: "red", WARNING: "yellow"}.get(record.levelno, ""))

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the drawing."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def line_now_and_then(self) -> None:
        """Where there is no terminal: how far the run has come, at most every 30 seconds."""
        elapsed = self.run.elapsed
        if self.console.is_terminal or elapsed - self.last_line < EVERY or not self.run.total:
            return
        self.last_line = elapsed
        at_work = "; ".join(self.words_of(job) for job in self.run.jobs_at_work()[:2])
        self.say(f"[{clock(elapsed)}] {self.headline()}" + (f". Now: {at_work}" if at_work else ""))

    def tick(self) -> None:
        """Say how far the run has come while no job begins or ends."""
        while not self.closed.wait(1):
            self.line_now_and_then()

    def headline(self) -> str:
        """Jobs done, failed, and the time left."""
        done, left = self.run.finished, self.run.left()
        words = [f"{done} of {self.run.total} jobs"]
        if self.run.failures:
            words.append(f"{len(self.run.failures)} failed")
        if left is not None and done < self.run.total:
            words.append(f"about {clock(left)} left")
        return ", ".join(words)

    def words_of(self, job: Job) -> str:
        """A job at work and the last line of its log."""
        said = last_words(job.log)
        return f"{job.name}: {said}" if said else job.name

    def drawing(self) -> RenderableType:
        """The live drawing: a line per stage, then the jobs at work."""
        table = Table.grid(padding=(0, 1), expand=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(width=24)
        table.add_column(no_wrap=True, justify="right")
        for stage, (done, total) in self.run.by_stage().items():
            mark = Text("✓", "green") if done == total else Text(" ")
            bar = ProgressBar(
                total=total,
                completed=done,
                width=24,
                complete_style="cyan",
                finished_style="green",
            )
            table.add_row(mark, stage, bar, f"{done} of {total}")
        now = [
            Text(f"  {clock(self.run.clock() - job.start):>5}  {self.words_of(job)}", "dim")
            for job in self.run.jobs_at_work()[:SHOWN_JOBS]
        ]
        if (more := len(self.run.jobs_at_work()) - SHOWN_JOBS) > 0:
            now.append(Text(f"         and {more} more", "dim"))
        for each in now:
            each.no_wrap, each.overflow = True, "ellipsis"
        style = "red" if self.run.failures else "bold"
        return Group(Text(f"{clock(self.run.elapsed)}  {self.headline()}", style), table, *now)

    def close(self) -> None:
        """The end: how many jobs in what time, what failed, and what the workflow says."""
        if self.closed.is_set():
            return
        self.closed.set()
        if self.live.is_started:
            self.live.stop()
        done, failures = self.run.finished, list(self.run.failures.values())
        if done or failures:
            cut = self.run.total - done - len(failures)
            of = f"{done} of {self.run.total} jobs" if cut or failures else _jobs(done)
            self.say(f"{of} done in {clock(self.run.elapsed)}", "" if cut else "green")
        if failures:
            self.say(f"{len(failures)} failed:", "red")
        for failure in failures:
            self.say(f"  {failure.name}", "bold")
            if failure.reason:
                self.say(f"    {failure.reason}", "red")
            if failure.log:
                self.say(f"    log: {_short(failure.log)}")
        for text in [] if failures else self.held:
            self.say(text, "red")
        for text in self.last_words:
            self.say(text)


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
