"""An archive -> one file of it."""

from radcbir.core.logs import script_log
from radcbir.fetch.archives import unpack

with script_log(snakemake.log[0], f"unpack {snakemake.wildcards.file}"):
    unpack(snakemake.input[0], snakemake.wildcards.file, snakemake.output[0])
