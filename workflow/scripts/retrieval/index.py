"""Embeddings of a split's images -> index."""

from radcbir.core.logs import script_log
from radcbir.datasets.pool import read_split
from radcbir.embedding import store
from radcbir.retrieval.approximate import build_approximate_index
from radcbir.retrieval.index_file import build_index

with script_log(
    snakemake.log[0], f"index {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    ids = read_split(snakemake.input.images)["id"].to_numpy()  # a few of them may not be embedded
    blocks = store.blocks(snakemake.input.embeddings, ids)
    dimension = store.dimension(snakemake.input.embeddings)
    if snakemake.params.index["type"] == "flat":
        build_index(snakemake.output[0], blocks, dimension, len(ids))
    else:
        build_approximate_index(snakemake.output[0], blocks, dimension, snakemake.params.index)
