"""Embeddings of a split's images -> exact index."""

import _library  # noqa: F401
from radcbir import embeddings
from radcbir.catalog import read_split
from radcbir.logs import script_log
from radcbir.search import build_index

with script_log(snakemake.log[0], f"index {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    ids = read_split(snakemake.input.images)["id"].to_numpy()
    blocks = embeddings.blocks(snakemake.input.embeddings, ids)
    build_index(snakemake.output[0], blocks, embeddings.dimension(snakemake.input.embeddings))
