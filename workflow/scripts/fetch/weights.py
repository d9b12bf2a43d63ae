"""Model card -> its weights file, digest checked."""

import json

from radcbir.core.logs import script_log
from radcbir.fetch.weights import fetch

with script_log(snakemake.log[0], f"weights {snakemake.wildcards.model}"):
    offline = snakemake.config.get("offline", False)
    fetch(
        json.loads(snakemake.resources.source),
        snakemake.output[0],
        snakemake.wildcards.file,
        offline,
    )
