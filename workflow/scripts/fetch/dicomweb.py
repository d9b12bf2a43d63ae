"""A query to a PACS -> the images that match it, and their list."""

from radcbir.core.errors import InputError
from radcbir.core.logs import script_log
from radcbir.datasets.providers import dicomweb
from radcbir.fetch.dicomweb.instances import fetch

with script_log(snakemake.log[0], f"fetch {snakemake.wildcards.dataset}"):
    dataset = snakemake.wildcards.dataset
    if snakemake.config.get("offline", False):
        raise InputError(
            f"`offline: true` is set, and dataset '{dataset}' is to be fetched: run it where there "
            "is network, or take `offline:` out"
        )
    # not out of params: a query may name patients, and Snakemake prints params
    prepare = snakemake.config["datasets"][dataset]["prepare"]
    fetch(dataset, dicomweb.with_defaults(prepare), float(snakemake.resources.max_rejected))
