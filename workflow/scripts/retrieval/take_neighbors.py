"""Published neighbor lists -> neighbor table."""

import numpy as np

from radcbir.core.logs import script_log
from radcbir.datasets.pool import read_split
from radcbir.embedding.store import read_ids
from radcbir.retrieval.neighbor_table import write_neighbors
from radcbir.retrieval.published_neighbors import take_neighbors

with script_log(
    snakemake.log[0], f"neighbors {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    table = take_neighbors(
        snakemake.input.lists,
        snakemake.input.shards,
        read_split(snakemake.input.queries),
        read_split(snakemake.input.images),
        np.concatenate([read_ids(path) for path in snakemake.input.embeddings]),
        snakemake.params.k,
    )
    write_neighbors(snakemake.output[0], table)
