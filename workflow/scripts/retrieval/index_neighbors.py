"""Embeddings of the index -> the neighbors of each index image within the index."""

from radcbir.core.logs import script_log
from radcbir.datasets.pool import read_split
from radcbir.embedding import store
from radcbir.retrieval.gpu.search import search_device
from radcbir.retrieval.neighbor_table import write_neighbors
from radcbir.retrieval.reranking.graph import graph_table

with (
    script_log(
        snakemake.log[0],
        f"index_neighbors {snakemake.wildcards.experiment} {snakemake.wildcards.model}",
    ),
    search_device(snakemake.resources.search_device),
):
    images = read_split(snakemake.input.images)["id"].to_numpy()
    ids, vectors = store.read(snakemake.input.embeddings, images)
    write_neighbors(snakemake.output[0], graph_table(ids, vectors, snakemake.params.k))
