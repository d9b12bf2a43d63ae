# The page that answers queries from finished indexes.

import contextlib
import os
import signal

import psutil


def serve_beside_runs():
    """Where the page is all that is to be made, Ctrl-C and SIGTERM end it as what it is: done.

    Otherwise Snakemake reports a failed job after Ctrl-C, and waits for the page after SIGTERM.
    """

    def end_page(*signalled):
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, before[each])  # the second time, Snakemake does what it does
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.terminate()

    before = {each: signal.signal(each, end_page) for each in (signal.SIGINT, signal.SIGTERM)}


# Serves it on this machine alone until it is ended; it makes nothing and waits for nothing: what is
# not there yet is shown as such, with what to run.
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
