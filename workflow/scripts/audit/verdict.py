"""Findings of an audit -> the permission to embed, or one sentence that refuses it."""

import csv

from radcbir.audit.gate import refuse, refuse_without_one_label, sentences
from radcbir.core import layout
from radcbir.core.files import write_text
from radcbir.core.logs import logger, script_log
from radcbir.core.tables import read_csv

with script_log(snakemake.log[0], f"audit {snakemake.wildcards.experiment}"):
    with open(snakemake.input.findings, newline="", encoding="utf-8") as handle:
        findings = list(csv.DictReader(handle))
    refuse(
        findings,
        snakemake.params.stop_on,
        layout.AUDIT_PAGE.format(experiment=snakemake.wildcards.experiment),
    )
    refuse_without_one_label(
        read_csv(snakemake.input.counts),
        snakemake.wildcards.experiment,
        *snakemake.params.one_label,
    )
    for sentence in sentences(findings):
        logger.warning("Warning: %s", sentence)
    counts = {
        severity: sum(row["severity"] == severity for row in findings)
        for severity in ("serious", "warning")
    }
    write_text(
        snakemake.output[0], "".join(f"{severity}: {count}\n" for severity, count in counts.items())
    )
