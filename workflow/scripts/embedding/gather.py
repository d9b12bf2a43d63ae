"""The embedding files of a dataset's shards -> one virtual file."""

from radcbir.core.logs import script_log
from radcbir.embedding.store import gather

with script_log(
    snakemake.log[0], f"gather {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    gather(snakemake.input, snakemake.output[0])
