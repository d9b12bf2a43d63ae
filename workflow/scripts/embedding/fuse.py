"""The members' embeddings of a dataset -> those of their fusion."""

import json

import numpy as np

from radcbir import __version__
from radcbir.core.files import digest_of
from radcbir.core.logs import script_log
from radcbir.embedding.fuse import fuse

with script_log(
    snakemake.log[0], f"fuse {snakemake.wildcards.model} {snakemake.wildcards.dataset}"
):
    card = snakemake.params.card
    attributes = {
        "model": snakemake.wildcards.model,
        "dataset": snakemake.wildcards.dataset,
        "card": json.dumps(card, sort_keys=True),
        "card_digest": digest_of(card),
        "weights_sha256": "",
        "libraries": json.dumps({"numpy": np.__version__, "radcbir": __version__}, sort_keys=True),
        "code": snakemake.params.code,
    }
    fuse(
        dict(zip(card["of"], snakemake.input, strict=True)),
        snakemake.output[0],
        attributes,
        snakemake.params.storage,
    )
