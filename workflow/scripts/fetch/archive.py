"""Where an archive is published -> the archive, checked."""

from radcbir.core.logs import script_log
from radcbir.fetch.archives import fetch_archive

with script_log(snakemake.log[0], f"fetch {snakemake.wildcards.archive}"):
    wildcards, params = snakemake.wildcards, snakemake.params
    offline = snakemake.config.get("offline", False)
    fetch_archive(
        wildcards.archive, params.archive, params.record, snakemake.output[0], offline=offline
    )
