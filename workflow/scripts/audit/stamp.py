"""The time at which all that a checkpoint waits for was there."""

import time

from radcbir.core.files import write_text
from radcbir.core.logs import script_log

with script_log(snakemake.log[0], f"{snakemake.rule} {' '.join(snakemake.wildcards)}"):
    write_text(snakemake.output[0], f"{time.time_ns()}\n")
