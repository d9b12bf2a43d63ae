"""Where an archive is published -> the archive, checked."""

from radcbir.core.logs import script_log
from radcbir.fetch.archives import fetch_archive

with script_log(snakemake.log[0], f"fetch {snakemake.wildcards.archive}"):
    wildcards = snakemake.wildcards
    # not out of params: an address may hold a password, and Snakemake prints params
    resource = snakemake.config["resources"][wildcards.resource]
    fetch_archive(
        wildcards.archive,
        resource["archives"][wildcards.archive],
        resource.get("record"),
        snakemake.output[0],
        offline=snakemake.config.get("offline", False),
    )
