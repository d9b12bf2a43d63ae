# The page for queries to finished indexes.

import contextlib
import os
import signal

import psutil


def serve_beside_runs():
    """Where the page is all that is to be made, what ends it leaves a run that is done.

    Otherwise Snakemake reports a failed job after Ctrl-C, and waits for the page after SIGTERM. A
    closed terminal (SIGHUP) is no end where the user said so (nohup).
    """

    def end_page(*signalled):
        for each, handler in before.items():
            signal.signal(each, handler)  # the second time, Snakemake does what it does
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.terminate()

    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    before = {each: signal.signal(each, end_page) for each in ending}


# Serves the page on this machine alone until it is ended. It makes nothing and waits for nothing.
# For missing results the page says what to run.
rule app:
    log:
        layout.APP_LOG,
    localrule: True
    conda:
        "../../envs/app.yaml"
    threads: 8
    params:
        card_folders=list(map(str, project.card_folders)),
        run=os.getpid(),
    script:
        "../scripts/app.py"
