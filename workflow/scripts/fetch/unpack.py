"""An archive -> one file of it."""

from pathlib import Path

from radcbir.core.logs import script_log
from radcbir.fetch.archives import unpack

with script_log(snakemake.log[0], f"unpack {snakemake.wildcards.file}"):
    archive, wildcards = Path(snakemake.input[0]), snakemake.wildcards
    settings = snakemake.config["resources"][wildcards.resource]["archives"][archive.name]
    unpack(archive, wildcards.file, snakemake.output[0], settings.get("unpacked"))
