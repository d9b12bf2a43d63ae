"""How a run of the page alone ends: in the process of Snakemake."""

import contextlib
import signal

import psutil


def end_jobs_instead() -> None:
    """From now on, what would end this process ends its jobs, and leaves a run that is done.

    For runs of the page alone. Otherwise Snakemake reports a failed job after Ctrl-C, and waits for
    the page after SIGTERM. A second signal does what it does without this. A closed terminal
    (SIGHUP) is no end where the user said so (nohup).
    """

    def end_jobs(*signalled: object) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.terminate()

    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    before = {each: signal.signal(each, end_jobs) for each in ending}
