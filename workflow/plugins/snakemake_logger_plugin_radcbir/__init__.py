"""What a run of radcbir shows on the terminal: ``snakemake --logger radcbir``.

A line per stage with its progress, the jobs at work, the time elapsed and left; at the end what
failed, each once, with its log. ``--verbose`` and a dry run (``-n``) show Snakemake's own lines,
``--quiet all`` shows nothing.

Snakemake finds a logger plugin by the name of its package, in a folder that `make setup` adds to
Python's path. The library is not in that folder, and nothing of it is imported here: each workflow
uses the library beside its own rules.
"""

import os
import sys
from logging import LogRecord
from typing import ClassVar

from rich.console import Console
from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase

from snakemake_logger_plugin_radcbir.run import Run
from snakemake_logger_plugin_radcbir.screen import Screen

QUIET_SCRIPTS = "RADCBIR_QUIET_SCRIPTS"
"""Environment variable: scripts write to their log files only, not to the terminal."""


class LogHandler(LogHandlerBase):
    """Follows the events of Snakemake and draws the run."""

    stages: ClassVar[dict[str, str]] = {}
    """The stage of each rule. The workflow fills it in, in the order in which stages are shown."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        silent = Quietness.ALL in (settings.quiet or ())
        self.plain = bool(settings.verbose or settings.dryrun or settings.debug_dag or silent)
        stream = sys.stdout if settings.stdout else sys.stderr
        self.console = Console(file=stream, no_color=settings.nocolor or None, highlight=False)
        if self.plain:
            self.addFilter(
                DefaultFilter(
                    settings.quiet,
                    settings.debug_dag,
                    settings.verbose,
                    settings.dryrun,
                    settings.printshellcmds,
                )
            )
            self.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        else:
            os.environ[QUIET_SCRIPTS] = "yes"
            self.screen = Screen(self.console, Run(self.stages))

    def emit(self, record: LogRecord) -> None:
        """Show one record."""
        try:
            if self.plain:
                self.console.out(self.format(record))
            else:
                self.screen.take(record)
        except Exception:  # a fault of the display must not end the run
            self.handleError(record)

    def close(self) -> None:
        """Show how the run ended."""
        if not self.plain:
            self.screen.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Snakemake's own handler of the terminal is left out."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake's own log file is written beside."""
        return False

    @property
    def has_filter(self) -> bool:
        """All records are wanted."""
        return True

    @property
    def has_formatter(self) -> bool:
        """The text is made here."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """The graph of rules is not shown."""
        return False
