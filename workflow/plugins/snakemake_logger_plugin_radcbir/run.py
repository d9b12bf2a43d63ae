"""The state of a run, from the events of Snakemake."""

import functools
import math
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")

T = TypeVar("T")

LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) (?P<text>.*)$")
"""A line in the log of a script: time, level, and what it says."""

LAST_BYTES = 20_000
"""So much of the end of a log is read: progress and errors are short."""


@dataclass
class Job:
    """A job that was started."""

    rule: str
    wildcards: Mapping[str, str]
    log: Path | None
    start: float

    @property
    def name(self) -> str:
        """The rule and its wildcards, as in ``embed biomedclip demo``."""
        return " ".join([self.rule, *map(str, self.wildcards.values())])


@dataclass
class Failure:
    """A job that failed: what, why, and where more is said."""

    name: str
    reason: str
    log: Path | None


def _alone(method: Callable[P, T]) -> Callable[P, T]:
    """One thread at a time: events come in one, the drawing is made in another."""

    @functools.wraps(method)
    def locked(*given: P.args, **named: P.kwargs) -> T:
        with given[0].lock:  # type: ignore[attr-defined]
            return method(*given, **named)

    return locked


@dataclass
class Run:
    """The jobs of a run by stage: how many there are, which are done, at work, or failed."""

    stages: Mapping[str, str] = field(default_factory=dict)
    """The stage of each rule; a rule without one is its own stage."""
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.start = self.clock()
        self.planned: Counter[str] = Counter()
        self.started: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.seconds: dict[str, float] = defaultdict(float)
        self.at_work: dict[int, Job] = {}
        self.failures: dict[int, Failure] = {}
        self.expected = 0
        """How many jobs Snakemake counts; 0 while it has not said so."""

    @_alone
    def plan(self, jobs_of_rules: Mapping[str, int]) -> None:
        """The run will have these jobs. More may follow: a checkpoint adds some."""
        self.planned = Counter(jobs_of_rules)

    @_alone
    def begin(
        self, number: int, rule: str, wildcards: Mapping[str, str], log: str | None = None
    ) -> None:
        """A job starts. One that failed before starts again."""
        self.failures.pop(number, None)
        if number not in self.at_work:
            self.started[rule] += 1
        self.at_work[number] = Job(rule, wildcards, Path(log) if log else None, self.clock())

    @_alone
    def finish(self, number: int) -> None:
        """A job has made its files."""
        if job := self.at_work.pop(number, None):
            self.done[job.rule] += 1
            self.seconds[job.rule] += self.clock() - job.start

    @_alone
    def fail(self, number: int, rule: str, said: str = "") -> None:
        """A job ended without its files. ``said`` is the reason where its log gives none."""
        job = self.at_work.pop(number, None) or Job(rule, {}, None, self.clock())
        self.started[job.rule] -= 1
        self.failures[number] = Failure(job.name, reason(job.log) or said, job.log)

    def jobs(self, rule: str) -> int:
        """How many jobs of a rule this run has, as far as is known."""
        return max(self.planned[rule], self.started[rule])

    @property
    @_alone
    def total(self) -> int:
        """How many jobs the run has, as far as is known."""
        return self.expected or sum(map(self.jobs, self.planned | self.started))

    @property
    @_alone
    def finished(self) -> int:
        """How many jobs are done."""
        return sum(self.done.values())

    @_alone
    def jobs_at_work(self) -> list[Job]:
        """Those that were started and have not ended, the oldest first."""
        return list(self.at_work.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.start

    @_alone
    def by_stage(self) -> dict[str, tuple[int, int]]:
        """Jobs done and jobs in all of each stage that has any, in the order of ``stages``."""
        found: dict[str, tuple[int, int]] = dict.fromkeys(self.stages.values(), (0, 0))
        for rule in self.planned | self.started:
            stage = self.stages.get(rule, rule)
            done, total = found.get(stage, (0, 0))
            found[stage] = done + self.done[rule], total + self.jobs(rule)
        return {stage: counts for stage, counts in found.items() if counts[1]}

    @_alone
    def left(self) -> float | None:
        """Seconds left, about: each job that is to come takes as long as those of its rule took, or
        of all rules, and as many run side by side as did so far. None while little is known.
        """
        finished = self.finished
        if finished < 10 or self.elapsed < 10:
            return None
        mean = math.fsum(self.seconds.values()) / finished
        now = self.clock()
        took = {rule: self.seconds[rule] / self.done[rule] for rule in self.done}
        worked = math.fsum(self.seconds.values()) + sum(
            now - job.start for job in self.at_work.values()
        )
        waiting = sum(
            (self.jobs(rule) - self.done[rule]) * took.get(rule, mean)
            for rule in self.planned | self.started
        )
        begun = sum(min(now - job.start, took.get(job.rule, mean)) for job in self.at_work.values())
        side_by_side = max(worked / self.elapsed, 0.1)
        return max(waiting - begun, 0.0) / side_by_side


def last_words(log: Path | None) -> str:
    """How far a script has come, by the last line of its log that is no warning; empty where there
    is none.
    """
    found = [said for level, said in _lines(log) if level != "WARNING"]
    return found[-1] if found else ""


def reason(log: Path | None) -> str:
    """Why a job failed, by its log: the last error, with the last line of its traceback if any.

    A log without a line of ours (a shell command's) gives its last line.
    """
    if log is None or not log.is_file():
        return ""
    text = _end_of(log)
    found = [(level, said) for level, said in _lines(log) if level == "ERROR"]
    if not found:
        lines = text.strip().splitlines()
        return lines[-1].strip() if lines else ""
    said = found[-1][1].removeprefix("Error: ")
    after = text.rsplit(found[-1][1], 1)[-1].strip().splitlines()
    return f"{said} ({after[-1].strip()})" if after else said


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        return file.read().decode("utf-8", errors="replace")


def _lines(log: Path | None) -> list[tuple[str, str]]:
    """Level and text of each line that a script logged, in the last part of its log."""
    try:
        text = _end_of(log) if log else ""
    except OSError:
        return []
    return [
        (found["level"], found["text"]) for found in map(LOG_LINE.match, text.splitlines()) if found
    ]
