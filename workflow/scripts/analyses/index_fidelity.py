"""Embeddings of the index and of queries -> what approximate indexes find of them, and how fast."""

from radcbir.analyses import variants
from radcbir.analyses.index_fidelity.compute import index_fidelity
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.datasets.pool import read_split
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"index_fidelity {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    lists = [read_split(snakemake.input[name]) for name in ("images", "queries")]
    indexed, asked = (
        store.read(snakemake.input.embeddings, each.loc[~each["several_labels"], "id"].to_numpy())
        for each in lists
    )
    recall, neighbors, timings = index_fidelity(
        *indexed, *variants.sampled(*asked), device=snakemake.resources.search_device
    )
    write_csv(recall, snakemake.output.variants)
    write_parquet(neighbors, snakemake.output.neighbors)
    write_csv(timings, snakemake.output.timings)
