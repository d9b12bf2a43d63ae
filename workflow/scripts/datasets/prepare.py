"""The files that a provider hands out -> a dataset CSV and how many images are left after each
step.
"""

from radcbir.core.logs import script_log
from radcbir.core.machine.privacy import private_output
from radcbir.core.tables import write_csv
from radcbir.datasets.preparation import prepare

with script_log(snakemake.log[0], f"prepare {snakemake.wildcards.dataset}"):
    table, counts = prepare(
        dict(snakemake.input.items()),
        snakemake.params.options,
        snakemake.params.images,
        snakemake.wildcards.dataset,
        snakemake.threads,
    )
    with private_output(snakemake.output.csv):
        write_csv(table, snakemake.output.csv)
    write_csv(counts, snakemake.output.counts)
